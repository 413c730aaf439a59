//! Sockets and who is at their other end.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sysflow::record::op;

use crate::{
    Recorder,
    emit::Cause,
    op::{AT_FDCWD, Addr, Endpoint, Ignored, Tuple},
    recorder::{At, Io, Outcome},
    state::fd::{Ends, Fd, FdKind, Role, Socket},
};

const AF_UNIX: u32 = 1;
const AF_INET: u32 = 2;
const AF_INET6: u32 = 10;
const SOCK_STREAM: u32 = 1;
const SOCK_DGRAM: u32 = 2;
const SOCK_RAW: u32 = 3;
const SOCK_CLOEXEC: u32 = 0o2_000_000;
const EINPROGRESS: i64 = -115;

const ICMP: i8 = 1;
const TCP: i8 = 6;
const UDP: i8 = 17;
/// SysFlow's number for raw sockets: 254.
const RAW: i8 = 254_u8 as i8;
const UNKNOWN: i8 = -1;

impl Recorder {
    pub(crate) fn socket(
        &mut self,
        at: At,
        ret: i64,
        (domain, kind, proto): (u32, u32, u32),
        io: &mut Io<'_>,
    ) -> Outcome {
        if ret < 0 {
            return Outcome::Ignored(Ignored::Failed);
        }
        let cloexec = kind & SOCK_CLOEXEC != 0;
        let fd = match domain {
            AF_UNIX => self.path_fd("", b'u', 0, cloexec),
            AF_INET | AF_INET6 => {
                let ends = Ends { v6: domain == AF_INET6, ..Ends::default() };
                let socket = Socket { ends, proto: protocol(kind, proto), role: Role::Unknown };
                Fd { kind: FdKind::Inet(socket), open_flags: 0, cloexec }
            }
            _ => Fd { kind: FdKind::Other, open_flags: 0, cloexec },
        };
        self.new_fd(at, ret, fd, io)
    }

    pub(crate) fn socket_pair(
        &mut self,
        at: At,
        ret: i64,
        fds: [i64; 2],
        (source, peer): (u64, u64),
        io: &mut Io<'_>,
    ) -> Outcome {
        if ret < 0 {
            return Outcome::Ignored(Ignored::Failed);
        }
        let name =
            if self.habits.collector_entities { String::new() } else { format!("{source:x}->{peer:x}") };
        let fd = self.path_fd(&name, b'u', 0, false);
        self.new_pair(at, fds, fd, fd, io)
    }

    pub(crate) fn bind(
        &mut self,
        at: At,
        ret: i64,
        number: i64,
        addr: Option<&Addr<'_>>,
        io: &mut Io<'_>,
    ) -> Outcome {
        if ret < 0 {
            return Outcome::Ignored(Ignored::Failed);
        }
        let fd = self.fd(at, number, io);
        match (fd.kind, addr) {
            (FdKind::Inet(socket), Some(Addr::Inet(local))) => {
                if local.port == 0 {
                    return Outcome::Folded;
                }
                let local = Ends::new(Endpoint { ip: unspecified(local.ip), port: 0 }, *local);
                let proto = socket.proto;
                self.put_fd(at.slot, number, Fd { kind: FdKind::Bound { local, proto }, ..fd });
                self.socket_event(at, number, local, proto, op::BIND, io);
                Outcome::Folded
            }
            (FdKind::Path { restype: b'u', .. }, Some(Addr::Unix(path))) => {
                let name = self.unix_path(at, path, io);
                let fd = self.path_fd(&name, b'u', 0, fd.cloexec);
                self.put_fd(at.slot, number, fd);
                Outcome::Folded
            }
            (FdKind::Unknown, _) => Outcome::UnknownFd,
            _ => Outcome::Ignored(Ignored::FdKind),
        }
    }

    pub(crate) fn listen(&mut self, at: At, ret: i64, number: i64, io: &mut Io<'_>) -> Outcome {
        if ret < 0 {
            return Outcome::Ignored(Ignored::Failed);
        }
        match self.fd(at, number, io).kind {
            FdKind::Bound { local, proto } => {
                self.socket_event(at, number, local, proto, op::LISTEN, io);
                Outcome::Folded
            }
            FdKind::Unknown => Outcome::UnknownFd,
            _ => Outcome::Ignored(Ignored::FdKind),
        }
    }

    fn socket_event(&mut self, at: At, number: i64, local: Ends, proto: i8, flag: i32, io: &mut Io<'_>) {
        if self.records_new_kinds() && !self.habits.consume {
            self.write_process_once(at.slot, at.ts, Cause::Other, io);
            self.write_socket_event(at, number, local, proto, flag, io);
        }
    }

    pub(crate) fn connect(
        &mut self,
        at: At,
        ret: i64,
        number: i64,
        tuple: Option<&Tuple<'_>>,
        addr: Option<&Addr<'_>>,
        io: &mut Io<'_>,
    ) -> Outcome {
        let mut fd = self.fd_of_call(at, ret, number, io);
        // The collector's library forgets where a refused connection wanted to go: a port scan would not show.
        if ret >= 0 || ret == EINPROGRESS || !self.habits.collector_entities {
            match (&mut fd.kind, tuple, addr) {
                (FdKind::Inet(_) | FdKind::Bound { .. }, Some(Tuple::Inet { source, dest }), _) => {
                    let dest = match addr {
                        Some(Addr::Inet(asked)) if dest.port == 0 => asked,
                        _ => dest,
                    };
                    fd.kind = FdKind::Inet(client(&fd.kind, Ends::new(*source, *dest)));
                }
                (FdKind::Inet(_) | FdKind::Bound { .. }, None, Some(Addr::Inet(dest))) => {
                    let source = Endpoint { ip: unspecified(dest.ip), port: 0 };
                    fd.kind = FdKind::Inet(client(&fd.kind, Ends::new(source, *dest)));
                }
                (FdKind::Path { restype: b'u', .. }, Some(Tuple::Unix { source, dest, path }), _) => {
                    let path = self.text(path);
                    let name = format!("{source:x}->{dest:x} {path}");
                    fd = self.path_fd(&name, b'u', 0, fd.cloexec);
                }
                (FdKind::Path { restype: b'u', .. }, None, Some(Addr::Unix(path))) if !path.is_empty() => {
                    let name = self.unix_path(at, path, io);
                    fd = self.path_fd(&name, b'u', 0, fd.cloexec);
                }
                _ => {}
            }
        } else {
            self.refuse_like_collector(&mut fd, addr);
        }
        if fd.kind != FdKind::Unknown {
            self.put_fd(at.slot, number, fd);
        }
        self.printed_like_collector(&fd, ret >= 0 || ret == EINPROGRESS);
        self.flow(at, number, &fd, op::CONNECT, 0, io)
    }

    /// Where a refused connection wanted to go the collector's library knows only if the event says so at its start,
    /// which those before 2022 do not. The socket is then named by what is left in a buffer: the last text that the
    /// library made of any address or user.
    fn refuse_like_collector(&mut self, fd: &mut Fd, addr: Option<&Addr<'_>>) {
        match (&mut fd.kind, addr) {
            (FdKind::Path { restype: b'u', .. }, Some(Addr::Unix(path))) => {
                let name = self.text(path);
                *fd = self.path_fd(&name, b'u', 0, fd.cloexec);
            }
            (FdKind::Path { restype: b'u', .. }, None) => {
                let name = self.printed.clone();
                *fd = self.path_fd(&name, b'u', 0, fd.cloexec);
            }
            (FdKind::Inet(socket), Some(Addr::Inet(dest))) => {
                let asked = Ends::new(*dest, *dest);
                if asked.v6 == socket.ends.v6 {
                    (socket.ends.dip, socket.ends.dport) = (asked.dip, asked.dport);
                }
            }
            (FdKind::Inet(socket), None) => (socket.ends.dip, socket.ends.dport) = ([0; 16], 0),
            _ => {}
        }
    }

    /// Keeps the text that the collector's library makes of a connection.
    fn printed_like_collector(&mut self, fd: &Fd, connected: bool) {
        if !self.habits.collector_entities {
            return;
        }
        self.printed = match fd.kind {
            FdKind::Path { path, restype: b'u' } if connected => self.files.text(path).to_owned(),
            FdKind::Inet(Socket { ends, .. }) if !ends.v6 => {
                let ip = |ip: [u8; 16]| Ipv4Addr::new(ip[0], ip[1], ip[2], ip[3]);
                format!("{}:{}->{}:{}", ip(ends.sip), ends.sport, ip(ends.dip), ends.dport)
            }
            _ => return,
        };
    }

    pub(crate) fn accept(
        &mut self,
        at: At,
        ret: i64,
        tuple: Option<&Tuple<'_>>,
        cloexec: bool,
        io: &mut Io<'_>,
    ) -> Outcome {
        if ret < 0 {
            return Outcome::Ignored(Ignored::Failed);
        }
        let fd = match tuple {
            Some(Tuple::Inet { source, dest }) => {
                let ends = Ends::new(*source, *dest);
                let socket = Socket { ends, proto: TCP, role: Role::Server };
                Fd { kind: FdKind::Inet(socket), open_flags: 0, cloexec }
            }
            Some(Tuple::Unix { source, dest, path }) => {
                let path = self.text(path);
                self.path_fd(&format!("{source:x}->{dest:x} {path}"), b'u', 0, cloexec)
            }
            None => Fd { kind: FdKind::Other, open_flags: 0, cloexec },
        };
        let outcome = self.new_fd(at, ret, fd, io);
        if outcome != Outcome::Folded || fd.kind == FdKind::Other {
            return outcome;
        }
        self.printed_like_collector(&fd, true);
        self.flow(at, ret, &fd, op::ACCEPT, 0, io)
    }

    pub(crate) fn shutdown(&mut self, at: At, ret: i64, number: i64, io: &mut Io<'_>) -> Outcome {
        let fd = self.fd_of_call(at, ret, number, io);
        if ret < 0 && (fd.kind == FdKind::Unknown || !self.habits.collector_entities) {
            return Outcome::Ignored(Ignored::Failed);
        }
        self.flow(at, number, &fd, op::SHUTDOWN, 0, io)
    }

    /// Path of a unix socket; abstract ones have a NUL or `@` first and no directory.
    fn unix_path(&mut self, at: At, path: &[u8], io: &mut Io<'_>) -> String {
        match path.first() {
            None | Some(0 | b'@') => self.text(path),
            _ => self.absolute(at, AT_FDCWD, path, io),
        }
    }
}

/// A socket that connects; a datagram server that does so stays the server.
fn client(kind: &FdKind, ends: Ends) -> Socket {
    match kind {
        FdKind::Bound { proto: UDP, .. } => Socket { ends: ends.swapped(), proto: UDP, role: Role::Server },
        FdKind::Bound { proto, .. } => Socket { ends, proto: *proto, role: Role::Client },
        FdKind::Inet(socket) => Socket { ends, role: Role::Client, ..*socket },
        _ => Socket { ends, proto: UNKNOWN, role: Role::Client },
    }
}

fn unspecified(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// IP protocol of a socket from its type and the protocol asked for.
fn protocol(kind: u32, proto: u32) -> i8 {
    const IPPROTO_ICMP: u32 = 1;
    const IPPROTO_TCP: u32 = 6;
    const IPPROTO_UDP: u32 = 17;
    const IPPROTO_ICMPV6: u32 = 58;
    const IPPROTO_RAW: u32 = 255;
    match (kind & 0xff, proto) {
        (SOCK_RAW, _) | (_, IPPROTO_RAW) => RAW,
        (_, IPPROTO_TCP) | (SOCK_STREAM, 0) => TCP,
        (_, IPPROTO_UDP) | (SOCK_DGRAM, 0) => UDP,
        (_, IPPROTO_ICMP | IPPROTO_ICMPV6) => ICMP,
        _ => UNKNOWN,
    }
}

/// What a send or receive tells of the peer; true when the descriptor has changed. A TCP connection was told of
/// when it was made.
pub(super) fn learn_peer(fd: &mut Fd, tuple: &Tuple<'_>, receives: bool) -> bool {
    let Tuple::Inet { source, dest } = tuple else { return false };
    let (proto, mut role, ends) = match fd.kind {
        FdKind::Inet(socket) if socket.is_connected() => return false,
        FdKind::Inet(socket) => (socket.proto, socket.role, socket.ends),
        FdKind::Bound { proto, .. } => (proto, Role::Server, Ends::default()),
        _ => return false,
    };
    let told = Ends::new(*source, *dest);
    // The same two ends: which of them is the client was decided before.
    if ends == told || ends == told.swapped() {
        return false;
    }
    if role == Role::Unknown {
        role = if receives { Role::Server } else { Role::Client };
    }
    // A receive names the peer first, a send the process itself; flows go from client to server.
    let told = if receives == (role == Role::Server) { told } else { told.swapped() };
    let proto = if proto == UNKNOWN { UDP } else { proto };
    fd.kind = FdKind::Inet(Socket { ends: told, proto, role });
    true
}
