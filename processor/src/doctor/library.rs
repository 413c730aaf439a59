//! Which C library a shared library needs, and which one is there.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// No library of ours or of C is larger.
const MAX_FILE: u64 = 256 << 20;

/// Where C libraries are, by distribution.
const PLACES: [&str; 6] = [
    "/lib/x86_64-linux-gnu/libc.so.6",
    "/lib/aarch64-linux-gnu/libc.so.6",
    "/lib64/libc.so.6",
    "/usr/lib64/libc.so.6",
    "/usr/lib/libc.so.6",
    "/lib/libc.so.6",
];

/// Newest version of glibc's symbols that a file names: what a library needs, and what glibc itself has. Symbol versions
/// are plain text in its table of strings.
pub(super) fn glibc_of(file: &Path) -> std::io::Result<Option<(u32, u32)>> {
    let mut bytes = Vec::new();
    fs::File::open(file)?.take(MAX_FILE).read_to_end(&mut bytes)?;
    if !bytes.starts_with(b"\x7fELF") {
        return Err(std::io::Error::other("it is no shared library"));
    }
    Ok(newest(&bytes))
}

/// glibc of the host.
pub(super) fn glibc_there(seen: &dyn Fn(&Path) -> PathBuf) -> Option<(u32, u32)> {
    PLACES.iter().find_map(|place| glibc_of(&seen(Path::new(place))).ok().flatten())
}

fn newest(bytes: &[u8]) -> Option<(u32, u32)> {
    const MARK: &[u8] = b"\0GLIBC_";
    let mut newest = None;
    let mut at = 0;
    // One pass: each byte is looked at as a possible beginning.
    while let Some(found) = bytes[at..].iter().position(|&b| b == MARK[0]) {
        at += found + 1;
        if let Some(rest) = bytes[at..].strip_prefix(&MARK[1..]) {
            newest = newest.max(version(rest));
        }
    }
    newest
}

/// `2.34` of `2.34\0…`.
fn version(text: &[u8]) -> Option<(u32, u32)> {
    let end = text.iter().position(|&b| b == 0)?;
    let mut numbers = std::str::from_utf8(&text[..end.min(16)]).ok()?.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_counts() {
        let bytes = b"\0GLIBC_2.9\0GLIBC_2.34\0GLIBC_2.4\0xGLIBC_9.9\0GLIBC_PRIVATE\0GLIBC_2.2.5\0GLIBC_7.7";
        assert_eq!(newest(bytes), Some((2, 34)));
        assert_eq!(newest(b"\0GLIBC_"), None);
        assert_eq!(newest(b""), None);
    }

    #[test]
    fn this_machine_has_a_c_library() {
        let here = glibc_there(&|path| path.to_owned());
        assert!(here.is_some_and(|version| version > (2, 17)), "{here:?}");
    }
}
