//! What an output has told, on disk: for outputs that nobody confirms, such as a file.
//!
//! Invariants:
//! * an alert is noted after it was written: a kill in between repeats it, with the same id, and loses none;
//! * what is noted is not written again when the archive is judged anew;
//! * an output that is new to a store does not tell what the archive holds from before.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::Output;
use crate::engine::Told;
use crate::error::{Error, Result};
use crate::queue::taken::{Mark, Taken};

/// The file is written anew, as one line, when it has this many.
const MAX_LINES: usize = 4096;

/// A file of lines: first what was told until it was written anew, then a line an alert.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    taken: Taken,
    /// None while the output is new and what the archive holds is judged.
    file: Option<File>,
    lines: usize,
}

#[derive(Serialize, Deserialize)]
enum Line {
    #[serde(rename = "until")]
    Until(Taken),
    #[serde(rename = "told")]
    Told { stream: String, number: u64, key: String },
}

/// An output that tells each alert once, over restarts.
pub(super) struct Once {
    pub(super) output: Box<dyn Output>,
    pub(super) ledger: Arc<Mutex<Ledger>>,
}

impl Ledger {
    /// Opens the ledger at `path`; without one the output is new.
    pub fn open(path: &Path) -> Result<Self> {
        let mut ledger = Self { path: path.to_owned(), taken: Taken::default(), file: None, lines: 0 };
        let text = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(ledger),
            Err(e) => return Err(Error::io("read", path)(e)),
        };
        for line in text.split(|&b| b == b'\n').filter(|line| !line.is_empty()) {
            match serde_json::from_slice(line) {
                Ok(Line::Until(taken)) => ledger.taken = taken,
                Ok(Line::Told { stream, number, key }) => {
                    ledger.taken.note(Mark { stream: &stream, number, key: &key });
                }
                // Torn by a kill, or damaged by a disk: that alert is told once more.
                Err(error) => tracing::warn!(file = %path.display(), %error, "a line cannot be read"),
            }
        }
        ledger.rewrite()?;
        Ok(ledger)
    }

    /// Says that what the archive holds is judged: from here on everything is told.
    pub fn settle(&mut self) -> Result<()> {
        if self.file.is_none() { self.rewrite() } else { Ok(()) }
    }

    /// Forces it to the disk.
    pub fn sync(&self) -> Result<()> {
        self.file.as_ref().map_or(Ok(()), File::sync_data).map_err(Error::io("sync", &self.path))
    }

    /// Number of the first record of a stream that it does not know.
    pub(crate) fn next(&self, stream: &str) -> u64 {
        self.taken.highest(stream).map_or(0, |number| number.saturating_add(1))
    }

    /// Notes that all records of a stream up to this one are done with.
    pub(crate) fn reached(&mut self, stream: &str, number: u64) -> Result<()> {
        self.note(Mark { stream, number, key: "" })
    }

    /// Whether what the archive holds is not judged yet, for the first time with this output.
    pub(crate) fn is_new(&self) -> bool {
        self.file.is_none()
    }

    fn note(&mut self, mark: Mark<'_>) -> Result<()> {
        self.taken.note(mark);
        let Some(file) = &mut self.file else { return Ok(()) };
        if self.lines >= MAX_LINES {
            return self.rewrite();
        }
        let Mark { stream, number, key } = mark;
        write(file, &Line::Told { stream: stream.into(), number, key: key.into() })
            .map_err(Error::io("write", &self.path))?;
        self.lines += 1;
        Ok(())
    }

    /// Replaces the file by one line, as a whole.
    fn rewrite(&mut self) -> Result<()> {
        let temporary = self.path.with_extension("tmp");
        let fail = |e| Error::io("write", &self.path)(e);
        let mut file =
            OpenOptions::new().create(true).truncate(true).write(true).open(&temporary).map_err(fail)?;
        write(&mut file, &Line::Until(self.taken.clone())).map_err(fail)?;
        std::fs::rename(&temporary, &self.path).map_err(fail)?;
        self.file = Some(file);
        self.lines = 1;
        Ok(())
    }
}

/// One call for a whole line.
fn write(file: &mut File, line: &Line) -> std::io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    file.write_all(&text)
}

impl Once {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Output for Once {
    fn alert(&mut self, told: &Told) -> Result<()> {
        let key = told.key();
        let mark = Mark { stream: &told.stream.id, number: told.number, key: &key };
        {
            let mut ledger = self.ledger();
            if ledger.taken.knows(mark) {
                return Ok(());
            }
            if told.again && ledger.is_new() {
                return ledger.note(mark);
            }
        }
        self.output.alert(told)?;
        if let Err(error) = self.ledger().note(mark) {
            tracing::error!(%error, "cannot note that an alert was told: after a restart it may be told again");
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.output.flush()
    }

    fn name(&self) -> &'static str {
        self.output.name()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(number: u64, key: &str) -> Mark<'_> {
        Mark { stream: "s", number, key }
    }

    #[test]
    fn what_was_told_is_known_after_a_restart_wherever_the_file_was_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("told.jsonl");
        let mut ledger = Ledger::open(&path).unwrap();
        assert!(ledger.is_new());
        ledger.note(mark(1, "before")).unwrap();
        assert!(!path.exists(), "a kill now leaves the output as new as it was");
        ledger.settle().unwrap();
        for number in 2..5 {
            ledger.note(mark(number, "key")).unwrap();
        }
        let whole = std::fs::read(&path).unwrap();
        let first = whole.iter().position(|&b| b == b'\n').unwrap();
        for cut in first + 1..=whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let ledger = Ledger::open(&path).unwrap();
            assert!(!ledger.is_new());
            // The first line holds record 1, each whole line after it one more; of the highest only its own key is known.
            let highest = whole[first + 1..cut].split(|&b| b == b'\n').count() as u64;
            let highest =
                highest + u64::from(serde_json::from_slice::<Line>(last_line(&whole[..cut])).is_ok());
            assert!(ledger.taken.knows(mark(highest - 1, "another")), "cut at {cut}");
            assert!(!ledger.taken.knows(mark(highest, "another")), "cut at {cut}");
        }
    }

    /// What comes after the last end of a line.
    fn last_line(bytes: &[u8]) -> &[u8] {
        bytes.rsplit(|&b| b == b'\n').next().unwrap_or_default()
    }

    #[test]
    fn a_damaged_line_costs_a_repetition_and_no_start() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("told.jsonl");
        let mut ledger = Ledger::open(&path).unwrap();
        ledger.settle().unwrap();
        ledger.note(mark(7, "key")).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend(b"\xff\xfe{\"told\":\n{\"told\":{\"stream\":\"s\",\"number\":-1,\"key\":\"\"}}\n");
        std::fs::write(&path, bytes).unwrap();
        let ledger = Ledger::open(&path).unwrap();
        assert!(ledger.taken.knows(mark(7, "key")) && !ledger.taken.knows(mark(8, "key2")));
    }

    #[test]
    fn it_does_not_grow_without_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("told.jsonl");
        let mut ledger = Ledger::open(&path).unwrap();
        ledger.settle().unwrap();
        for number in 0..3 * MAX_LINES as u64 {
            ledger.note(mark(number, "key")).unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.lines().count() <= MAX_LINES, "{}", text.lines().count());
        assert!(Ledger::open(&path).unwrap().taken.knows(mark(3 * MAX_LINES as u64 - 2, "another")));
    }
}
