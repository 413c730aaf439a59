//! When two processes behave alike.

use std::fmt;

use serde::{Deserialize, Serialize};
use sysflow::record::Process;
use xxhash_rust::xxh3::Xxh3Default;

/// Identity of a process node; its files and net node have the same one under another letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Key(u64);

/// The attributes of a process that make its behaviour, hashed by what can change them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attributes {
    /// Executable and arguments: change with an exec.
    pub(crate) image: u64,
    /// User and group: change with a setuid.
    pub(crate) identity: u64,
    /// Terminal and container: looked at when a process is born and when it execs.
    pub(crate) place: u64,
}

impl Attributes {
    pub(crate) fn of(process: &Process) -> Self {
        Self {
            image: hash(&[process.exe.as_bytes(), process.exe_args.as_bytes()]),
            identity: hash(&[&process.uid.to_le_bytes(), &process.gid.to_le_bytes()]),
            place: hash(&[
                &[u8::from(process.tty), u8::from(process.container_id.is_some())],
                process.container_id.as_deref().unwrap_or_default().as_bytes(),
            ]),
        }
    }
}

impl Key {
    /// Node of processes with these attributes below `parent`. A `fork` still runs its parent's image: that is another
    /// behaviour than to be executed with the same arguments.
    pub(crate) fn new(attributes: Attributes, parent: Option<Self>, fork: bool) -> Self {
        Self(hash(&[
            &attributes.image.to_le_bytes(),
            &attributes.identity.to_le_bytes(),
            &attributes.place.to_le_bytes(),
            &parent.map_or(0, |key| key.0).to_le_bytes(),
            &[u8::from(fork)],
        ]))
    }

    pub(crate) fn bytes(self) -> [u8; 8] {
        self.0.to_le_bytes()
    }

    pub(crate) fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(u64::from_le_bytes(bytes))
    }

    /// Another identity, for where this one is taken.
    pub(crate) fn other(self) -> Self {
        Self(hash(&[&self.bytes()]))
    }

    /// Id of the process node.
    pub(crate) fn process(self) -> String {
        format!("p:{self}")
    }

    /// Whether this is the id of the process node, its files or its net node.
    pub(crate) fn is_part(self, id: &str) -> bool {
        [self.process(), self.files(), self.net()].iter().any(|own| own == id)
    }

    /// Id of its files node.
    pub(crate) fn files(self) -> String {
        format!("f:{self}")
    }

    /// Id of its net node.
    pub(crate) fn net(self) -> String {
        format!("n:{self}")
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// XXH3 over the parts, each led by its length so that no two lists of parts look alike.
fn hash(parts: &[&[u8]]) -> u64 {
    let mut hasher = Xxh3Default::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.digest()
}
