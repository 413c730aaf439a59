//! Block types of the savefile format (libs: userspace/libscap/scap_savefile.h).
//!
//! The `0x80..ABCD` numbers are those of the library's time before its release; they mean the same.

/// What a block type holds, as far as this reader tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Block {
    Section,
    Machine,
    /// With the version of the list.
    Processes(u8),
    /// Whether entries start with their length.
    Fds {
        sized: bool,
    },
    Interfaces,
    Users {
        sized: bool,
    },
    Event(EventBlock),
    Unknown,
}

/// Variants of event blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EventBlock {
    /// A u32 of flags follows the CPU number.
    pub(super) flags: bool,
    /// The event header has the number of parameters.
    pub(super) nparams: bool,
    /// May exceed 64 KiB.
    pub(super) large: bool,
}

/// Classifies a block type.
pub(super) fn classify(kind: u32) -> Block {
    let event = |flags, nparams, large| Block::Event(EventBlock { flags, nparams, large });
    match kind {
        0x0A0D_0D0A => Block::Section,
        0x201 | 0x8002_ABCD => Block::Machine,
        0x202 | 0x8000_ABCD => Block::Processes(1),
        0x207 | 0x8013_ABCD => Block::Processes(2),
        0x209 | 0x8014_ABCD => Block::Processes(3),
        0x210..=0x215 => Block::Processes((kind - 0x210) as u8 + 4),
        0x203 | 0x8001_ABCD => Block::Fds { sized: false },
        0x218 => Block::Fds { sized: true },
        0x205 | 0x8011_ABCD | 0x219 => Block::Interfaces,
        0x206 | 0x8012_ABCD => Block::Users { sized: false },
        0x220 => Block::Users { sized: true },
        0x204 | 0x8010_ABCD => event(false, false, false),
        0x216 => event(false, true, false),
        0x221 => event(false, true, true),
        0x208 => event(true, false, false),
        0x217 => event(true, true, false),
        0x222 => event(true, true, true),
        _ => Block::Unknown,
    }
}

/// A block type in words, for messages.
pub(super) fn describe(kind: u32) -> &'static str {
    match classify(kind) {
        Block::Section => "section header",
        Block::Machine => "machine info",
        Block::Processes(_) => "process list",
        Block::Fds { .. } => "file descriptor list",
        Block::Interfaces => "interface list",
        Block::Users { .. } => "user list",
        Block::Event(_) => "event",
        Block::Unknown => "unknown",
    }
}
