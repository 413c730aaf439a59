//! Unix sockets: connecting without waiting, and who is at the other end.

use std::{
    io, mem,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::{ffi::OsStrExt, fs::MetadataExt},
    },
    path::Path,
};

use super::directory::own_uid;

/// Credentials of the peer, as the kernel took them when it called listen or connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    pub(super) pid: i32,
    pub(super) uid: u32,
}

/// Connects to the socket at `path`, of type `SOCK_STREAM` or `SOCK_SEQPACKET`, and never waits for it.
///
/// A listener that does not accept and has its backlog full would make a blocking connect wait for as long as it
/// likes, and Falco's end with it. Here that is an error like any other.
pub(super) fn connect(path: &Path, kind: libc::c_int) -> io::Result<OwnedFd> {
    let mut address =
        libc::sockaddr_un { sun_family: libc::AF_UNIX as libc::sa_family_t, sun_path: [0; 108] };
    let bytes = path.as_os_str().as_bytes();
    // One byte is left for the NUL.
    if bytes.len() >= address.sun_path.len() || bytes.contains(&0) {
        let why = format!("a socket's path has at most {} bytes", address.sun_path.len() - 1);
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    for (to, from) in address.sun_path.iter_mut().zip(bytes) {
        *to = *from as libc::c_char;
    }
    // SAFETY: the call takes numbers only.
    let fd = unsafe { libc::socket(libc::AF_UNIX, kind | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor has just been opened and belongs to nobody else.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    let size = mem::size_of::<libc::sockaddr_un>() as libc::socklen_t;
    // SAFETY: the descriptor is open, the address is valid for reads of the size that is said; the call keeps neither.
    let done = unsafe { libc::connect(socket.as_raw_fd(), (&raw const address).cast(), size) };
    if done == 0 {
        return Ok(socket);
    }
    match io::Error::last_os_error() {
        e if e.kind() == io::ErrorKind::WouldBlock => {
            Err(io::Error::new(e.kind(), "it is listened on, but connections are not accepted"))
        }
        e => Err(e),
    }
}

/// Asks the kernel.
pub(super) fn peer_of(stream: &impl AsRawFd) -> io::Result<Peer> {
    let mut cred = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut len = mem::size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: the descriptor is open, `cred` and `len` are valid for writes of the size that `len` says.
    let done = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut cred).cast(),
            &raw mut len,
        )
    };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Peer { pid: cred.pid, uid: cred.uid })
}

/// Whether a processor of this user may have our records: root, ourselves, those that the operator lists, and the
/// owner of the socket's directory if no one else can write there.
pub(super) fn is_trusted(uid: u32, listed: &[u32], socket: &Path) -> bool {
    if uid == 0 || uid == own_uid() || listed.contains(&uid) {
        return true;
    }
    let Some(meta) = socket.parent().and_then(|dir| dir.symlink_metadata().ok()) else { return false };
    meta.is_dir() && meta.uid() == uid && meta.mode() & 0o022 == 0
}

/// Writes what the socket takes. A socket whose other end has gone gives an error, and no signal, which would end Falco.
pub(super) fn send(socket: &impl AsRawFd, bytes: &[u8]) -> io::Result<usize> {
    let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
    // SAFETY: the descriptor is open, the bytes are valid for reads of the length that is said; the call keeps neither.
    let sent = unsafe { libc::send(socket.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), flags) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Waits until the stream can be read, or written if asked for.
pub(super) fn wait(stream: &impl AsRawFd, write: bool, milliseconds: i32) {
    let events = libc::POLLIN | if write { libc::POLLOUT } else { 0 };
    let mut poll = libc::pollfd { fd: stream.as_raw_fd(), events, revents: 0 };
    // SAFETY: one valid pollfd, for the time of the call. What it says is found out by the next read or write.
    unsafe { libc::poll(&raw mut poll, 1, milliseconds) };
}
