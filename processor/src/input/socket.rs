//! The socket's file: made, protected, and removed again.

use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::{fs, io};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::config::Kind;
use crate::error::{Error, Result};

/// Longest path of a unix socket on Linux, without the zero byte at its end.
const MAX_PATH: usize = 107;

/// Connections that may wait to be accepted; as many as the standard library's listeners have.
const BACKLOG: i32 = 128;

const LISTENED: &str = "another process listens there; stop it or choose another path";

/// A listening socket; its file goes when it is dropped.
#[derive(Debug)]
pub(super) struct Socket {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode of the file that we made.
    made: Option<(u64, u64)>,
}

impl Socket {
    /// Listens at `path`. Only a socket that nobody listens on any more is removed from there.
    pub(super) fn bind(path: &Path, kind: Kind, open_to_others: bool) -> Result<Self> {
        let length = path.as_os_str().len();
        if length > MAX_PATH {
            return Err(refused(
                path,
                &format!("the path has {length} bytes, unix sockets allow {MAX_PATH}; choose a shorter one"),
            ));
        }
        make_directory(path)?;
        remove_stale(path)?;
        let listener = listen(path, kind).map_err(|e| refused(path, &format!("{e}; choose another path")))?;
        // Connecting needs write permission. Who may deliver is decided by the peer's user id, not by the file.
        let mode = if open_to_others { 0o666 } else { 0o600 };
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(Error::io("protect", path))?;
        let made = fs::symlink_metadata(path).ok().map(|file| (file.dev(), file.ino()));
        Ok(Self { listener, path: path.to_owned(), made })
    }

    pub(super) fn listener(&self) -> &UnixListener {
        &self.listener
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // A successor may have taken the place already.
        let there = fs::symlink_metadata(&self.path).ok().map(|file| (file.dev(), file.ino()));
        if there.is_some() && there == self.made {
            _ = fs::remove_file(&self.path);
        }
    }
}

/// The standard library listens for streams only; its listener accepts whatever it is made of.
fn listen(path: &Path, kind: Kind) -> io::Result<UnixListener> {
    let kind = match kind {
        Kind::Stream => return UnixListener::bind(path),
        Kind::Seqpacket => SocketType::SEQPACKET,
    };
    let socket = rustix::net::socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

fn make_directory(path: &Path) -> Result<()> {
    let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) else {
        return Ok(());
    };
    fs::DirBuilder::new().recursive(true).mode(0o755).create(directory).map_err(|e| {
        refused(path, &format!("its directory cannot be made: {e}; make it or choose another path"))
    })
}

fn remove_stale(path: &Path) -> Result<()> {
    let file = match fs::symlink_metadata(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(refused(path, &format!("{e}; choose another path"))),
    };
    if !file.file_type().is_socket() {
        return Err(refused(path, "something else than a socket is there; remove it or choose another path"));
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(refused(path, LISTENED)),
        // One who listens for another kind of connection.
        Err(e) if e.raw_os_error() == Some(Errno::PROTOTYPE.raw_os_error()) => Err(refused(path, LISTENED)),
        Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(Error::io("remove the stale socket", path))
        }
        Err(e) => Err(refused(
            path,
            &format!("a socket is there and cannot be tried: {e}; remove it or choose another path"),
        )),
    }
}

fn refused(path: &Path, why: &str) -> Error {
    Error::Failed(format!("cannot listen on the socket {}: {why}", path.display()))
}
