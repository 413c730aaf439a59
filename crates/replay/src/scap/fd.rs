//! File descriptor list blocks: one a thread, holding what it had open when the capture began.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::cursor::{Cursor, Problem};

/// An open file descriptor of the capture's initial state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FdInfo {
    /// Its number.
    pub fd: i64,
    /// Inode, 0 if not known.
    pub ino: u64,
    /// `SCAP_FD_*` type, see [`FdInfo::FILE`] and following.
    pub kind: u8,
    /// What it is.
    pub detail: FdDetail,
}

/// What a descriptor refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FdDetail {
    /// IPv4 socket with both ends; source is the client's side of a connection.
    Ipv4 {
        /// Source address.
        sip: Ipv4Addr,
        /// Destination address.
        dip: Ipv4Addr,
        /// Source port.
        sport: u16,
        /// Destination port.
        dport: u16,
        /// `SCAP_L4_*`: 1 TCP, 2 UDP, 3 ICMP, 4 raw.
        l4proto: u8,
    },
    /// Listening or bound IPv4 socket.
    Ipv4Server {
        /// Local address.
        ip: Ipv4Addr,
        /// Local port.
        port: u16,
        /// As above.
        l4proto: u8,
    },
    /// IPv6 socket with both ends.
    Ipv6 {
        /// Source address.
        sip: Ipv6Addr,
        /// Destination address.
        dip: Ipv6Addr,
        /// Source port.
        sport: u16,
        /// Destination port.
        dport: u16,
        /// As above.
        l4proto: u8,
    },
    /// Listening or bound IPv6 socket.
    Ipv6Server {
        /// Local address.
        ip: Ipv6Addr,
        /// Local port.
        port: u16,
        /// As above.
        l4proto: u8,
    },
    /// Unix socket.
    Unix {
        /// Kernel address of this end.
        source: u64,
        /// Kernel address of the other end.
        destination: u64,
        /// Path; empty for an unnamed one.
        name: Vec<u8>,
    },
    /// Regular file with its open flags.
    File {
        /// `PPM_O_*` flags.
        open_flags: u32,
        /// Path.
        name: Vec<u8>,
        /// Device number, 0 if not known.
        dev: u32,
    },
    /// Everything else: pipes, directories, event fds and so on.
    Named(Vec<u8>),
    /// The capture says nothing of it.
    Unknown,
}

// === impl FdInfo ===

#[allow(missing_docs, reason = "the names of SCAP_FD_* in libs: userspace/libscap/scap.h")]
impl FdInfo {
    pub const FILE: u8 = 1;
    pub const DIRECTORY: u8 = 2;
    pub const IPV4_SOCK: u8 = 3;
    pub const IPV6_SOCK: u8 = 4;
    pub const IPV4_SERVSOCK: u8 = 5;
    pub const IPV6_SERVSOCK: u8 = 6;
    pub const FIFO: u8 = 7;
    pub const UNIX_SOCK: u8 = 8;
    pub const EVENT: u8 = 9;
    pub const UNSUPPORTED: u8 = 10;
    pub const FILE_V2: u8 = 16;
    pub const PIDFD: u8 = 21;
}

impl FdInfo {
    /// The name as Falco shows it: a path, or `1.2.3.4:5->6.7.8.9:10`, or `1.2.3.4:5` of a server.
    pub fn name(&self) -> Vec<u8> {
        match &self.detail {
            FdDetail::Ipv4 { sip, dip, sport, dport, .. } => {
                format!("{sip}:{sport}->{dip}:{dport}").into_bytes()
            }
            FdDetail::Ipv4Server { ip, port, .. } => format!("{ip}:{port}").into_bytes(),
            FdDetail::Ipv6 { sip, dip, sport, dport, .. } => {
                format!("{sip}:{sport}->{dip}:{dport}").into_bytes()
            }
            FdDetail::Ipv6Server { ip, port, .. } => format!("{ip}:{port}").into_bytes(),
            FdDetail::Unix { name, .. } | FdDetail::File { name, .. } | FdDetail::Named(name) => name.clone(),
            FdDetail::Unknown => Vec::new(),
        }
    }
}

/// Reads one block; `push` takes the thread's descriptors.
pub(super) fn read(
    body: &[u8],
    sized: bool,
    mut push: impl FnMut(i64, FdInfo) -> Result<(), String>,
) -> Result<(), Problem> {
    let mut list = Cursor::new(body);
    let tid = list.i64("tid of a file descriptor list")?;
    while list.left() >= 4 {
        let before = list.clone();
        let fd = if sized {
            let start = list.position();
            let len = list.u32("length of a file descriptor entry")?;
            let mut entry = list.entry(start, len, "file descriptor entry")?;
            read_entry(&mut entry, true)?
        } else {
            read_entry(&mut list, false)?
        };
        push(tid, fd).map_err(|text| before.problem(text))?;
    }
    Ok(())
}

fn read_entry(c: &mut Cursor<'_>, sized: bool) -> Result<FdInfo, Problem> {
    let fd = c.i64("fd")?;
    let ino = c.u64("inode of a fd")?;
    let kind = c.u8("type of a fd")?;
    let mut info = FdInfo { fd, ino, kind, detail: FdDetail::Unknown };
    info.detail = match kind {
        FdInfo::IPV4_SOCK => FdDetail::Ipv4 {
            sip: ipv4(c)?,
            dip: ipv4(c)?,
            sport: c.u16("source port")?,
            dport: c.u16("destination port")?,
            l4proto: c.u8("protocol")?,
        },
        FdInfo::IPV4_SERVSOCK => {
            FdDetail::Ipv4Server { ip: ipv4(c)?, port: c.u16("port")?, l4proto: c.u8("protocol")? }
        }
        FdInfo::IPV6_SOCK => FdDetail::Ipv6 {
            sip: ipv6(c)?,
            dip: ipv6(c)?,
            sport: c.u16("source port")?,
            dport: c.u16("destination port")?,
            l4proto: c.u8("protocol")?,
        },
        FdInfo::IPV6_SERVSOCK => {
            FdDetail::Ipv6Server { ip: ipv6(c)?, port: c.u16("port")?, l4proto: c.u8("protocol")? }
        }
        FdInfo::UNIX_SOCK => FdDetail::Unix {
            source: c.u64("unix socket")?,
            destination: c.u64("unix socket peer")?,
            name: c.string("unix socket path")?,
        },
        FdInfo::FILE_V2 => {
            let open_flags = c.u32("open flags")?;
            let name = c.string("file name")?;
            let dev = if sized && c.left() >= 4 { c.u32("device")? } else { 0 };
            FdDetail::File { open_flags, name, dev }
        }
        0 => FdDetail::Unknown,
        1..=FdInfo::PIDFD => FdDetail::Named(c.string("name of a fd")?),
        // A type of a newer library: its entry can be passed over only when its length is known.
        _ if sized => {
            info.kind = FdInfo::UNSUPPORTED;
            FdDetail::Named(format!("unknown-type:[{kind}]").into_bytes())
        }
        _ => return Err(c.problem(format!("file descriptor type {kind} is not known"))),
    };
    Ok(info)
}

/// Addresses are in network order.
fn ipv4(c: &mut Cursor<'_>) -> Result<Ipv4Addr, Problem> {
    c.array::<4>("IPv4 address").map(Ipv4Addr::from)
}

fn ipv6(c: &mut Cursor<'_>) -> Result<Ipv6Addr, Problem> {
    c.array::<16>("IPv6 address").map(Ipv6Addr::from)
}
