//! Descriptor tables.

use std::{net::IpAddr, num::NonZeroU32};

use super::Map;
use crate::op::Endpoint;

/// Descriptors below this are reached by index.
const DENSE: usize = 4096;
const TCP: i8 = 6;

/// Something by descriptor number: a vector for small numbers, a map for the rest.
#[derive(Clone, Debug)]
pub(crate) struct FdMap<T> {
    dense: Box<[Option<T>]>,
    sparse: Option<Box<Map<i64, T>>>,
    len: u32,
}

/// Descriptors as they are kept: small, for there are many.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fds(FdMap<Slot>);

/// A descriptor as it is kept, in 16 bytes: [`FdKind`] with the large variants on the heap, and the flags where there is
/// room beside each.
#[derive(Clone, Debug)]
enum Slot {
    Path { restype: u8, cloexec: bool, open_flags: i32, path: u32 },
    Inet { cloexec: bool, open_flags: i32, socket: Box<Socket> },
    Bound { cloexec: bool, open_flags: i32, bound: Box<(Ends, i8)> },
    Process { cloexec: bool, open_flags: i32, pid: u32 },
    Other { cloexec: bool, open_flags: i32 },
    Unknown { cloexec: bool, open_flags: i32 },
}

const _: () = assert!(size_of::<Option<Slot>>() == 16);

/// Index of a flow, in four bytes also when there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FlowRef(NonZeroU32);

/// An open descriptor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Fd {
    pub(crate) kind: FdKind,
    pub(crate) open_flags: i32,
    pub(crate) cloexec: bool,
}

/// What a descriptor is; paths are indexes of the path table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum FdKind {
    /// A file, directory, pipe or unix socket.
    Path {
        path: u32,
        restype: u8,
    },
    Inet(Socket),
    /// Listening, or bound without a peer: no flow yet.
    Bound {
        local: Ends,
        proto: i8,
    },
    /// A pidfd.
    Process {
        pid: u32,
    },
    Other,
    /// Neither we nor the host know it; never in a table.
    Unknown,
}

/// An IP socket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Socket {
    pub(crate) ends: Ends,
    pub(crate) proto: i8,
    pub(crate) role: Role,
}

/// Both ends of a connection, client first. IPv4 addresses are in the first four bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Ends {
    pub(crate) v6: bool,
    pub(crate) sip: [u8; 16],
    pub(crate) dip: [u8; 16],
    pub(crate) sport: u16,
    pub(crate) dport: u16,
}

/// Which end of a connection the process is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Role {
    #[default]
    Unknown,
    Client,
    Server,
}

/// A descriptor table, shared by the processes that were cloned so.
#[derive(Clone, Debug, Default)]
pub(crate) struct FdTable {
    pub(crate) fds: Fds,
    pub(crate) users: u32,
    /// Descriptors that the host was asked for in vain.
    pub(crate) missed: Option<Box<Missed>>,
}

/// Descriptors that the host does not know either. They take no room from real ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Missed {
    fds: Map<i64, ()>,
    /// Rotation in which they were asked for; the next one asks again.
    rotation: u32,
    /// Second of the last question in vain, and how many there were in it.
    second: i64,
    asked: u32,
}

/// Missed descriptors remembered of one table; beyond, they are all asked for again.
const MISSED: usize = 128;
/// Questions in vain that one table may ask in a second: each costs the host microseconds, and whoever makes up
/// descriptors could make it ask for ever.
const ASKED: u32 = 128;

// === impl FdTable ===

impl FdTable {
    /// Whether the host should be asked for a descriptor that is not in the table.
    pub(crate) fn should_ask(&self, fd: i64, rotation: u32, second: i64) -> bool {
        fd >= 0
            && self.missed.as_ref().is_none_or(|missed| {
                missed.rotation != rotation
                    || !missed.fds.contains_key(&fd) && (missed.second != second || missed.asked < ASKED)
            })
    }

    /// Remembers that the host does not know the descriptor.
    pub(crate) fn miss(&mut self, fd: i64, rotation: u32, second: i64) {
        let missed = self.missed.get_or_insert_default();
        if missed.rotation != rotation || missed.fds.len() >= MISSED {
            missed.fds.clear();
        }
        missed.asked = if missed.second == second { missed.asked + 1 } else { 1 };
        missed.rotation = rotation;
        missed.second = second;
        missed.fds.insert(fd, ());
    }

    /// The number stands for something else from now on.
    pub(crate) fn forget_miss(&mut self, fd: i64) {
        if let Some(missed) = &mut self.missed {
            missed.fds.remove(&fd);
        }
    }
}

// === impl FdMap ===

impl<T> FdMap<T> {
    pub(crate) fn get(&self, fd: i64) -> Option<&T> {
        match usize::try_from(fd) {
            Ok(index) if index < DENSE => self.dense.get(index)?.as_ref(),
            _ => self.sparse.as_ref()?.get(&fd),
        }
    }

    pub(crate) fn get_mut(&mut self, fd: i64) -> Option<&mut T> {
        match usize::try_from(fd) {
            Ok(index) if index < DENSE => self.dense.get_mut(index)?.as_mut(),
            _ => self.sparse.as_mut()?.get_mut(&fd),
        }
    }

    pub(crate) fn insert(&mut self, fd: i64, value: T) -> Option<T> {
        let old = match usize::try_from(fd) {
            Ok(index) if index < DENSE => {
                if self.dense.len() <= index {
                    self.grow(index + 1);
                }
                self.dense[index].replace(value)
            }
            _ => self.sparse.get_or_insert_default().insert(fd, value),
        };
        self.len += u32::from(old.is_none());
        old
    }

    pub(crate) fn remove(&mut self, fd: i64) -> Option<T> {
        let old = match usize::try_from(fd) {
            Ok(index) if index < DENSE => self.dense.get_mut(index)?.take(),
            _ => self.sparse.as_mut()?.remove(&fd),
        };
        self.len -= u32::from(old.is_some());
        old
    }

    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    /// What there is memory for.
    fn room(&self) -> usize {
        self.dense.len() + self.sparse.as_ref().map_or(0, |sparse| sparse.len())
    }

    /// How much more an insertion would take at most.
    fn more_for(&self, fd: i64) -> usize {
        match usize::try_from(fd) {
            Ok(index) if index < self.dense.len() => 0,
            Ok(index) if index < DENSE => self.grown(index + 1) - self.dense.len(),
            _ => 1,
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (i64, &T)> {
        let dense = self.dense.iter().enumerate().filter_map(|(fd, slot)| Some((fd as i64, slot.as_ref()?)));
        dense.chain(self.sparse.iter().flat_map(|map| map.iter()).map(|(fd, value)| (*fd, value)))
    }

    /// Most processes have a handful of descriptors: room is made in small steps at first.
    fn grown(&self, len: usize) -> usize {
        len.next_multiple_of(4).max(self.dense.len() * 3 / 2).min(DENSE)
    }

    fn grow(&mut self, len: usize) {
        let room = self.grown(len);
        let mut dense = std::mem::take(&mut self.dense).into_vec();
        dense.reserve_exact(room - dense.len());
        dense.resize_with(room, || None);
        self.dense = dense.into();
    }
}

impl<T> Default for FdMap<T> {
    fn default() -> Self {
        Self { dense: Box::default(), sparse: None, len: 0 }
    }
}

// === impl Fds ===

impl Fds {
    pub(crate) fn get(&self, number: i64) -> Option<Fd> {
        self.0.get(number).map(Slot::fd)
    }

    pub(crate) fn insert(&mut self, number: i64, fd: Fd) {
        self.0.insert(number, Slot::new(&fd));
    }

    /// Makes an open descriptor something else; false when there is none of this number.
    pub(crate) fn replace(&mut self, number: i64, fd: &Fd) -> bool {
        self.0.get_mut(number).map(|slot| slot.become_fd(fd)).is_some()
    }

    pub(crate) fn remove(&mut self, number: i64) -> Option<Fd> {
        self.0.remove(number).map(|slot| slot.fd())
    }

    pub(crate) fn set_cloexec(&mut self, number: i64, set: bool) {
        if let Some(slot) = self.0.get_mut(number) {
            *slot.cloexec() = set;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// What there is memory for.
    pub(crate) fn room(&self) -> usize {
        self.0.room()
    }

    /// How much more an insertion would take at most.
    pub(crate) fn more_for(&self, number: i64) -> usize {
        self.0.more_for(number)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (i64, Fd)> {
        self.0.iter().map(|(number, slot)| (number, slot.fd()))
    }
}

// === impl Slot ===

impl Slot {
    fn new(fd: &Fd) -> Self {
        let Fd { kind, open_flags, cloexec } = *fd;
        match kind {
            FdKind::Path { path, restype } => Self::Path { restype, cloexec, open_flags, path },
            FdKind::Inet(socket) => Self::Inet { cloexec, open_flags, socket: Box::new(socket) },
            FdKind::Bound { local, proto } => {
                Self::Bound { cloexec, open_flags, bound: Box::new((local, proto)) }
            }
            FdKind::Process { pid } => Self::Process { cloexec, open_flags, pid },
            FdKind::Other => Self::Other { cloexec, open_flags },
            FdKind::Unknown => Self::Unknown { cloexec, open_flags },
        }
    }

    /// A datagram socket speaks to one peer after the other: its room on the heap is used again.
    fn become_fd(&mut self, fd: &Fd) {
        match (&mut *self, fd.kind) {
            (Self::Inet { cloexec, open_flags, socket }, FdKind::Inet(new)) => {
                (*cloexec, *open_flags, **socket) = (fd.cloexec, fd.open_flags, new);
            }
            _ => *self = Self::new(fd),
        }
    }

    fn fd(&self) -> Fd {
        let kind = match self {
            Self::Path { restype, path, .. } => FdKind::Path { path: *path, restype: *restype },
            Self::Inet { socket, .. } => FdKind::Inet(**socket),
            Self::Bound { bound, .. } => FdKind::Bound { local: bound.0, proto: bound.1 },
            Self::Process { pid, .. } => FdKind::Process { pid: *pid },
            Self::Other { .. } => FdKind::Other,
            Self::Unknown { .. } => FdKind::Unknown,
        };
        let (cloexec, open_flags) = match self {
            Self::Path { cloexec, open_flags, .. }
            | Self::Inet { cloexec, open_flags, .. }
            | Self::Bound { cloexec, open_flags, .. }
            | Self::Process { cloexec, open_flags, .. }
            | Self::Other { cloexec, open_flags }
            | Self::Unknown { cloexec, open_flags } => (*cloexec, *open_flags),
        };
        Fd { kind, open_flags, cloexec }
    }

    fn cloexec(&mut self) -> &mut bool {
        match self {
            Self::Path { cloexec, .. }
            | Self::Inet { cloexec, .. }
            | Self::Bound { cloexec, .. }
            | Self::Process { cloexec, .. }
            | Self::Other { cloexec, .. }
            | Self::Unknown { cloexec, .. } => cloexec,
        }
    }
}

// === impl Socket ===

impl Socket {
    /// A stream whose two ends are known stays between them.
    pub(crate) fn is_connected(&self) -> bool {
        self.proto == TCP && !self.ends.is_empty()
    }
}

// === impl FlowRef ===

impl FlowRef {
    /// `None` for the one index that does not fit, which no table reaches.
    pub(crate) fn new(index: u32) -> Option<Self> {
        NonZeroU32::new(index.wrapping_add(1)).map(Self)
    }

    pub(crate) fn index(self) -> u32 {
        self.0.get() - 1
    }
}

// === impl Socket ===

/// IP protocol as records have it, of the byte that is kept: 254 stands for raw sockets, -1 for unknown.
pub(crate) fn protocol_number(proto: i8) -> i32 {
    if proto == -1 { -1 } else { i32::from(proto as u8) }
}

// === impl Ends ===

impl Ends {
    /// IPv4-mapped addresses are IPv4: the process speaks IPv4 then, through a socket that could do both.
    pub(crate) fn new(client: Endpoint, server: Endpoint) -> Self {
        let (source, dest) = (v4(client.ip), v4(server.ip));
        let (v6, sip, dip) = match (source, dest) {
            (Some(source), Some(dest)) => (false, source, dest),
            (Some(source), None) if server.ip.is_unspecified() => (false, source, [0; 16]),
            (None, Some(dest)) if client.ip.is_unspecified() => (false, [0; 16], dest),
            _ => (true, v6(client.ip), v6(server.ip)),
        };
        Self { v6, sip, dip, sport: client.port, dport: server.port }
    }

    pub(crate) fn swapped(self) -> Self {
        Self { v6: self.v6, sip: self.dip, dip: self.sip, sport: self.dport, dport: self.sport }
    }

    /// Nothing is known of either end.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self { v6: self.v6, ..Self::default() }
    }

    /// IPv4 addresses as SysFlow writes them: first octet in the low byte.
    pub(crate) fn ipv4(&self) -> (i32, i32) {
        let low = |ip: &[u8; 16]| i32::from_le_bytes([ip[0], ip[1], ip[2], ip[3]]);
        if self.v6 { (0, 0) } else { (low(&self.sip), low(&self.dip)) }
    }
}

fn v4(ip: IpAddr) -> Option<[u8; 16]> {
    let IpAddr::V4(ip) = ip.to_canonical() else { return None };
    let mut out = [0; 16];
    out[..4].copy_from_slice(&ip.octets());
    Some(out)
}

fn v6(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}
