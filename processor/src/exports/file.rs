//! A file of lines that begins anew when it is large enough.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A line is shorter than this: records are cut well below.
const MAX_LINE: u64 = 1 << 20;

/// A file, and the older ones beside it: `x` is the newest, then `x.1`, `x.2` and so on.
#[derive(Debug)]
pub(super) struct Rotated {
    path: PathBuf,
    file: File,
    length: u64,
    max_bytes: u64,
    /// Older files that are kept.
    keep: u32,
    failing: bool,
    told: bool,
}

impl Rotated {
    /// Opens the file at its end, or makes it; only its owner can read it, as command lines may hold secrets. A line that a
    /// power loss has torn is cut off.
    pub(super) fn open(path: &Path, max_bytes: u64, keep: u32) -> Result<Self> {
        let mut file = append(path).map_err(Error::io("open the export", path))?;
        let length = whole_lines(&mut file).map_err(Error::io("read the export", path))?;
        Ok(Self { path: path.to_owned(), file, length, max_bytes, keep, failing: false, told: false })
    }

    /// Appends whole lines; on an error the file is as it was.
    pub(super) fn write(&mut self, lines: &[u8]) -> Result<()> {
        let written = self.put(lines);
        self.failing = written.is_err();
        if written.is_ok() {
            self.told = false;
        }
        written
    }

    /// Whether it has begun to fail, once until it can be written again.
    pub(super) fn fails(&mut self) -> bool {
        self.failing && !std::mem::replace(&mut self.told, true)
    }

    pub(super) fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(Error::io("sync the export", &self.path))
    }

    fn put(&mut self, lines: &[u8]) -> Result<()> {
        if self.length > 0 && self.length + lines.len() as u64 > self.max_bytes {
            self.rotate().map_err(Error::io("rotate the export", &self.path))?;
        }
        if let Err(error) = self.file.write_all(lines) {
            // Half a line would spoil the next one.
            _ = self.file.set_len(self.length);
            return Err(Error::io("write the export", &self.path)(error));
        }
        self.length += lines.len() as u64;
        Ok(())
    }

    fn rotate(&mut self) -> std::io::Result<()> {
        // What a checkpoint counts on must not be left to chance with the file that is no longer synced.
        self.file.sync_data()?;
        for number in (0..self.keep).rev() {
            match std::fs::rename(self.older(number), self.older(number + 1)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        if self.keep == 0 {
            self.file.set_len(0)?;
        } else {
            self.file = append(&self.path)?;
        }
        self.length = 0;
        Ok(())
    }

    fn older(&self, number: u32) -> PathBuf {
        if number == 0 {
            return self.path.clone();
        }
        let mut name = OsString::from(&self.path);
        name.push(format!(".{number}"));
        name.into()
    }
}

fn append(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(path)
}

/// Cuts the file behind its last whole line; its length then.
fn whole_lines(file: &mut File) -> std::io::Result<u64> {
    let length = file.metadata()?.len();
    // Also what is no file, such as a device, has no line to be cut.
    if length == 0 {
        return Ok(0);
    }
    let from = length.saturating_sub(MAX_LINE);
    file.seek(SeekFrom::Start(from))?;
    let mut end = Vec::new();
    file.take(MAX_LINE).read_to_end(&mut end)?;
    if end.last().is_none_or(|&byte| byte == b'\n') {
        return Ok(length);
    }
    let whole = match end.iter().rposition(|&byte| byte == b'\n') {
        Some(at) => from + at as u64 + 1,
        // Not one of our files: what others wrote there stays, and ours begins on a line of its own.
        None if from > 0 => {
            file.write_all(b"\n")?;
            return Ok(length + 1);
        }
        None => 0,
    };
    file.set_len(whole)?;
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn it_is_rotated_and_keeps_as_many_as_it_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let mut file = Rotated::open(&path, 8, 2).unwrap();
        for line in ["aaa\n", "bbb\n", "ccc\n", "ddd\n", "eee\n", "fff\n", "much longer than that\n"] {
            file.write(line.as_bytes()).unwrap();
        }
        assert_eq!(read(&path), "much longer than that\n");
        assert_eq!(read(&file.older(1)), "eee\nfff\n");
        assert_eq!(read(&file.older(2)), "ccc\nddd\n");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3);
        let mut none = Rotated::open(&dir.path().join("y"), 8, 0).unwrap();
        for line in ["aaa\n", "bbb\n", "ccc\n"] {
            none.write(line.as_bytes()).unwrap();
        }
        assert_eq!(read(&dir.path().join("y")), "ccc\n");
    }

    #[test]
    fn a_torn_line_is_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        for (before, after) in [("", "c\n"), ("a\nb", "a\nc\n"), ("a\nb\n", "a\nb\nc\n"), ("b", "c\n")] {
            std::fs::write(&path, before).unwrap();
            Rotated::open(&path, 100, 1).unwrap().write(b"c\n").unwrap();
            assert_eq!(read(&path), after, "{before:?}");
        }
    }

    #[test]
    fn a_full_disk_leaves_whole_lines_and_is_told_once() {
        let mut full = Rotated::open(Path::new("/dev/full"), 100, 1).unwrap();
        assert!(full.write(b"a\n").is_err());
        assert!(full.fails() && !full.fails());
        assert!(full.write(b"a\n").is_err());
        assert!(!full.fails());
    }
}
