//! What this crate knows of Falco's event schema: the types of parameters and the table of events.

mod events;

pub use events::{EVENT_MAX, EVENTS, code};

/// The event is never delivered (a code that exists only because codes come in pairs).
pub const UNUSED: u8 = 1;
/// The event belongs to an older schema and was replaced by another code.
pub const OLD: u8 = 2;
/// The lengths of its parameters are u32, not u16.
pub const LARGE: u8 = 4;
/// Captures may hold it in an older layout: [`crate::convert`] brings it to the current one.
pub const MANAGED: u8 = 8;

/// What the table says of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventInfo {
    /// The driver's name without `PPME_`, e.g. `SYSCALL_OPEN_X`.
    pub name: &'static str,
    /// [`UNUSED`], [`OLD`], [`LARGE`] and [`MANAGED`] or'ed.
    pub flags: u8,
    /// Types of the parameters of the current layout, in order.
    pub params: &'static [ParamType],
}

/// Type of an event parameter (`PT_*` of the driver).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the driver's and say it all")]
pub enum ParamType {
    AbsTime,
    ByteBuf,
    CharBuf,
    CharBufArray,
    CharBufPairArray,
    Dyn,
    EnumFlags16,
    EnumFlags32,
    EnumFlags8,
    Errno,
    Fd,
    Fd32,
    FdList,
    Flags16,
    Flags32,
    Flags8,
    FsPath,
    FsRelPath,
    Gid,
    Int16,
    Int32,
    Int64,
    Ipv4Addr,
    Ipv6Addr,
    Mode,
    Pid,
    Pid32,
    Port,
    RelTime,
    SigSet,
    SigType,
    SockAddr,
    SockTuple,
    SyscallId,
    Uid,
    Uint16,
    Uint32,
    Uint64,
    Uint8,
}

/// The row of an event code; `None` when the code is newer than the table.
pub fn info(code: u16) -> Option<&'static EventInfo> {
    EVENTS.get(usize::from(code))
}

/// Name for messages, also for codes that are not in the table.
pub fn name(code: u16) -> &'static str {
    info(code).map_or("an event newer than this schema", |e| e.name)
}

/// Width in bytes of the entries of the lengths array of an event: 4 for large payloads, else 2.
///
/// It is a property of the event type, never of the block it was stored in.
pub fn length_width(code: u16) -> usize {
    match info(code) {
        Some(e) if e.flags & LARGE != 0 => 4,
        _ => 2,
    }
}

/// Codes come in pairs: even ones are system call entries (or events without an exit), odd ones exits.
pub fn is_enter(code: u16) -> bool {
    code.is_multiple_of(2)
}

// === impl ParamType ===

impl ParamType {
    /// Size of a value of a fixed-size type; `None` for strings, buffers, addresses and tuples.
    pub fn fixed_size(self) -> Option<usize> {
        match self {
            Self::EnumFlags8 | Self::Flags8 | Self::SigType | Self::Uint8 => Some(1),
            Self::EnumFlags16 | Self::Flags16 | Self::Int16 | Self::Port | Self::SyscallId | Self::Uint16 => {
                Some(2)
            }
            Self::EnumFlags32
            | Self::Fd32
            | Self::Flags32
            | Self::Gid
            | Self::Int32
            | Self::Ipv4Addr
            | Self::Mode
            | Self::Pid32
            | Self::SigSet
            | Self::Uid
            | Self::Uint32 => Some(4),
            Self::AbsTime
            | Self::Errno
            | Self::Fd
            | Self::Int64
            | Self::Pid
            | Self::RelTime
            | Self::Uint64 => Some(8),
            Self::Ipv6Addr => Some(16),
            Self::ByteBuf
            | Self::CharBuf
            | Self::CharBufArray
            | Self::CharBufPairArray
            | Self::Dyn
            | Self::FdList
            | Self::FsPath
            | Self::FsRelPath
            | Self::SockAddr
            | Self::SockTuple => None,
        }
    }

    /// The value that stands for "not known" where the schema forbids an absent one: all ones for user and
    /// group ids, zeros otherwise, nothing for types without a fixed size.
    pub fn default_value(self) -> &'static [u8] {
        const ZEROS: [u8; 16] = [0; 16];
        const ONES: [u8; 4] = [0xff; 4];
        match self {
            Self::Uid | Self::Gid => &ONES,
            other => &ZEROS[..other.fixed_size().unwrap_or(0)],
        }
    }
}
