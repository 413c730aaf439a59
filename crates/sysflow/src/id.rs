//! Identifiers: of processes, files and graphs.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};
use xxhash_rust::{xxh3, xxh64::xxh64};

/// Identity of a process: when it was cloned, and its pid in the host's namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Oid {
    /// Clone time of the main thread in ns; start time for processes older than the capture, 0 when unknown.
    pub create_ts: i64,
    /// Process id as the host sees it.
    pub hpid: i64,
}

/// Identity of a file: SHA-1 over container id and path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Foid(pub [u8; 20]);

/// Name of one behaviour graph: everything that one application instance or session did.
///
/// The first 8 of its 32 hex digits come from the node's id, the rest from the identity of the graph's root process,
/// so that the ids of one node share a prefix and two nodes never share an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GraphId([u8; 16]);

impl Oid {
    /// `sf.proc.oid`: xxHash64 over the decimal pid followed directly by the decimal creation time.
    pub fn hash64(self) -> u64 {
        xxh64(format!("{}{}", self.hpid, self.create_ts).as_bytes(), 0)
    }
}

impl Foid {
    /// Identity of `path` in `container` (empty for the host).
    ///
    /// ```
    /// let id = sysflow::Foid::new("", "/tmp/test1");
    /// assert!(id.to_string().starts_with("707a20fe"));
    /// ```
    pub fn new(container: &str, path: &str) -> Self {
        Self(Sha1::new().chain_update(container).chain_update(path).finalize().into())
    }
}

impl GraphId {
    /// Name of the graph on `node` whose root process is `root`.
    pub fn new(node: &str, root: Oid) -> Self {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&xxh3::xxh3_64(node.as_bytes()).to_be_bytes()[..4]);
        let mut key = [0; 16];
        key[..8].copy_from_slice(&root.create_ts.to_le_bytes());
        key[8..].copy_from_slice(&root.hpid.to_le_bytes());
        bytes[4..].copy_from_slice(&xxh3::xxh3_128(&key).to_be_bytes()[..12]);
        Self(bytes)
    }

    /// Reads 32 lower-case hex digits; anything else is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 32 {
            return None;
        }
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = hex_digit(pair[0])? << 4 | hex_digit(pair[1])?;
        }
        Some(Self(bytes))
    }
}

fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// All digits at once: each process record has two graph ids, and formatting byte by byte was most of its cost.
fn write_hex<const N: usize>(f: &mut fmt::Formatter<'_>, bytes: &[u8; N]) -> fmt::Result {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let pairs = bytes.map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    f.write_str(std::str::from_utf8(pairs.as_flattened()).map_err(|_| fmt::Error)?)
}

impl fmt::Display for Foid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Display for GraphId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}
