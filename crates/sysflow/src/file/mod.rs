//! Files of records: Avro object container files, by custom named `.sf`.
//!
//! ```text
//! file   "Obj\x01", map of metadata (avro.codec, avro.schema, ...), 16 bytes sync marker, blocks
//! block  long count of records, long size in bytes, that many bytes (compressed), sync marker
//! ```

pub(crate) mod header;
pub mod reader;
pub mod recover;
pub mod writer;

use std::fmt;
use std::str::FromStr;

pub use reader::Reader;
pub use recover::{Recovered, recover};
pub use writer::{NewFile, Options, Writer};

use crate::error::Error;

/// Largest block that is read, in bytes as stored and as inflated. SysFlow's collector writes blocks of 80 kB.
pub const MAX_BLOCK: usize = 64 << 20;

/// Largest file header that is read.
pub(crate) const MAX_HEADER: usize = 4 << 20;

/// How the blocks of a file are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Codec {
    /// Not at all.
    Null,
    /// Deflate without zlib header: what every reader of SysFlow understands.
    #[default]
    Deflate,
    /// Zstandard: smaller and much faster, unknown to older readers of SysFlow.
    Zstd,
}

impl Codec {
    /// Value of `avro.codec`.
    pub fn avro_name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Deflate => "deflate",
            Self::Zstd => "zstandard",
        }
    }
}

impl FromStr for Codec {
    type Err = Error;

    /// Reads the name as it stands in configuration or in a file: `null`, `deflate`, `zstd` or `zstandard`.
    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "null" => Ok(Self::Null),
            "deflate" => Ok(Self::Deflate),
            "zstd" | "zstandard" => Ok(Self::Zstd),
            other => Err(Error::Schema {
                why: format!(
                    "codec '{}' is not known; null, deflate and zstandard are",
                    other.escape_default()
                ),
            }),
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.avro_name())
    }
}
