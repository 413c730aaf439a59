//! Who is at the other end of a unix socket.

use std::{
    io, mem,
    os::{
        fd::AsRawFd,
        unix::{fs::MetadataExt, net::UnixStream},
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

/// Asks the kernel.
pub(super) fn peer_of(stream: &UnixStream) -> io::Result<Peer> {
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

/// Waits until the stream can be read, or written if asked for.
pub(super) fn wait(stream: &UnixStream, write: bool, milliseconds: i32) {
    let events = libc::POLLIN | if write { libc::POLLOUT } else { 0 };
    let mut poll = libc::pollfd { fd: stream.as_raw_fd(), events, revents: 0 };
    // SAFETY: one valid pollfd, for the time of the call. What it says is found out by the next read or write.
    unsafe { libc::poll(&raw mut poll, 1, milliseconds) };
}
