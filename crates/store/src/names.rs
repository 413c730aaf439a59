//! Names of files and directories.
//!
//! `node=N/date=YYYY-MM-DD/hour=HH/STREAM-FIRST-LAST-FROM-TO.parquet`: the hour is that of the file's newest record; the
//! numbers are the range of records and of times (ns) in the file. A time before 1970 counts as 0, and 0
//! for a time that may be earlier.

use object_store::path::Path;
use sysflow::time::Rfc3339;
use xxhash_rust::xxh3::xxh3_64;

/// Longest part of a name that comes from outside.
const MAX_PART: usize = 64;

/// What a file's name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) stream: String,
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) from: i64,
    pub(crate) to: i64,
}

/// A name from outside, such as that of a node, as a part of a path or key: letters, digits, `.`, `_` and `-`, not too
/// long. What was changed carries a hash, so that two names stay two.
pub fn outside(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if !name.is_empty() && name.len() <= MAX_PART && name.chars().all(is_plain) && !name.starts_with('.') {
        return name.to_owned();
    }
    let kept: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).take(MAX_PART - 17).collect();
    format!("{}-{:016x}", kept.trim_start_matches('.'), xxh3_64(name.as_bytes()))
}

/// Directory of the rows of `node` that were told at `ts`.
pub(crate) fn directory(node: &str, ts: i64) -> Path {
    let text = Rfc3339(ts.max(0)).to_string();
    let (date, hour) = (text.get(..10).unwrap_or("1970-01-01"), text.get(11..13).unwrap_or("00"));
    Path::from_iter([format!("node={}", outside(node)), format!("date={date}"), format!("hour={hour}")])
}

impl Name {
    pub(crate) fn file(&self) -> String {
        let Self { stream, first, last, from, to } = self;
        format!("{stream}-{first:020}-{last:020}-{}-{}.parquet", (*from).max(0), (*to).max(0))
    }

    pub(crate) fn parse(file: &str) -> Option<Self> {
        let mut parts = file.strip_suffix(".parquet")?.split('-');
        let name = Self {
            stream: parts.next()?.to_owned(),
            first: parts.next()?.parse().ok()?,
            last: parts.next()?.parse().ok()?,
            from: match parts.next()?.parse().ok()? {
                0 => i64::MIN,
                from => from,
            },
            to: parts.next()?.parse().ok()?,
        };
        let is_stream = name.stream.len() == 32 && name.stream.bytes().all(|b| b.is_ascii_hexdigit());
        (is_stream && parts.next().is_none() && name.first <= name.last).then_some(name)
    }

    /// Whether every record of `other` is in this one's range.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        self.stream == other.stream && self.first <= other.first && other.last <= self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_from_outside_is_one_part_of_a_path() {
        assert_eq!(outside("node-1.example"), "node-1.example");
        for hostile in ["", ".", "..", "../../etc", "a/b", "a\0b", "ä", "node=x/date=y", &"x".repeat(1000)] {
            let part = outside(hostile);
            assert!(part.len() <= MAX_PART && !part.starts_with('.'), "{hostile:?} became {part:?}");
            assert!(part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)), "{part:?}");
        }
        assert_ne!(outside("a/b"), outside("a\\b"), "two names stay two");
        assert_ne!(outside("a/b"), outside("a_b"));
    }

    #[test]
    fn a_file_says_what_it_holds() {
        let name = Name { stream: "0".repeat(32), first: 5, last: 9, from: 1, to: 2 };
        assert_eq!(Name::parse(&name.file()), Some(name.clone()));
        let old = Name { from: -7, ..name.clone() };
        assert_eq!(
            Name::parse(&old.file()).map(|name| name.from),
            Some(i64::MIN),
            "it may be any time before 1970"
        );
        for other in ["x.parquet", "a-1-2-3-4.parquet", &format!("{}-9-5-1-2.parquet", "0".repeat(32))] {
            assert_eq!(Name::parse(other), None, "{other}");
        }
    }

    #[test]
    fn directories_are_hours() {
        assert_eq!(directory("n", 1_531_776_712_000_000_000).as_ref(), "node=n/date=2018-07-16/hour=21");
        assert_eq!(directory("../x", -5).as_ref().split('/').count(), 3);
    }
}
