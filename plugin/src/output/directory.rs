//! A directory that only we can write to, and files in it that were not there before.
//!
//! Falco runs as root; whoever can plant a link where it writes can have it write anywhere. So the directory is
//! opened once, must be ours and closed to others, and files are made relative to it, never through a link.

use std::{
    ffi::CString,
    fs::{DirBuilder, File, OpenOptions},
    io,
    os::{
        fd::{AsRawFd, FromRawFd},
        unix::{
            ffi::OsStrExt,
            fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
        },
    },
    path::{Path, PathBuf},
};

/// An output that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DirectoryError {
    /// It is not there and cannot be made.
    #[error("cannot use directory {path}: {source}", path = path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others can write to it, or it is somebody else's.
    #[error(
        "directory {path} must belong to uid {uid} with mode 0700, it has uid {owner} and mode {mode:04o}",
        path = path.display()
    )]
    NotOurs {
        /// Which.
        path: PathBuf,
        /// Who we are.
        uid: u32,
        /// Who has it.
        owner: u32,
        /// Its permissions.
        mode: u32,
    },
    /// The writer thread could not be started.
    #[error("cannot start the writer thread: {0}")]
    Thread(io::Error),
}

/// An open directory.
#[derive(Debug)]
pub(super) struct Directory {
    handle: File,
    pub(super) path: PathBuf,
}

impl Directory {
    /// Opens it, made with mode 0700 if it is not there.
    pub(super) fn open(path: &Path) -> Result<Self, DirectoryError> {
        let fail = |source| DirectoryError::Open { path: path.to_owned(), source };
        match DirBuilder::new().mode(0o700).recursive(false).create(path) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(fail(e)),
            _ => {}
        }
        let handle = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC)
            .open(path)
            .map_err(fail)?;
        let meta = handle.metadata().map_err(fail)?;
        let uid = own_uid();
        if meta.uid() != uid || meta.mode() & 0o077 != 0 {
            let (owner, mode) = (meta.uid(), meta.mode() & 0o7777);
            return Err(DirectoryError::NotOurs { path: path.to_owned(), uid, owner, mode });
        }
        Ok(Self { handle, path: path.to_owned() })
    }

    /// Makes a file that was not there, to write to it and to read that again.
    pub(super) fn create(&self, name: &str) -> io::Result<File> {
        self.open_file(name, libc::O_RDWR | libc::O_CREAT | libc::O_EXCL)
    }

    /// Opens a file that is there, to read it. Anything but a file of ours is an error.
    pub(super) fn read(&self, name: &str) -> io::Result<File> {
        self.open_ours(name, libc::O_RDONLY)
    }

    /// The same, to write to it as well.
    pub(super) fn reopen(&self, name: &str) -> io::Result<File> {
        self.open_ours(name, libc::O_RDWR)
    }

    fn open_ours(&self, name: &str, access: libc::c_int) -> io::Result<File> {
        // Without O_NONBLOCK, somebody's fifo would make us wait for its other end.
        let file = self.open_file(name, access | libc::O_NONBLOCK)?;
        let meta = file.metadata()?;
        if meta.is_file() && meta.uid() == own_uid() {
            Ok(file)
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{name} is not a file of ours")))
        }
    }

    fn open_file(&self, name: &str, flags: libc::c_int) -> io::Result<File> {
        let name = c_name(name)?;
        let flags = flags | libc::O_NOFOLLOW | libc::O_CLOEXEC;
        // SAFETY: the descriptor is open while `self` lives, the name ends with NUL; the call keeps neither.
        let fd = unsafe { libc::openat(self.handle.as_raw_fd(), name.as_ptr(), flags, 0o600) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor has just been opened and belongs to nobody else.
        Ok(unsafe { File::from_raw_fd(fd) })
    }

    /// Gives a file another name, which must not be taken.
    pub(super) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.rename_with(from, to, libc::RENAME_NOREPLACE)
    }

    /// Gives a file another name, in place of the file that has it.
    pub(super) fn replace(&self, from: &str, to: &str) -> io::Result<()> {
        self.rename_with(from, to, 0)
    }

    fn rename_with(&self, from: &str, to: &str, flags: libc::c_uint) -> io::Result<()> {
        let (from, to) = (c_name(from)?, c_name(to)?);
        let dir = self.handle.as_raw_fd();
        // SAFETY: the descriptor is open while `self` lives, the names end with NUL; the call keeps none of them.
        let done = unsafe { libc::renameat2(dir, from.as_ptr(), dir, to.as_ptr(), flags) };
        if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Removes a file.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        let name = c_name(name)?;
        // SAFETY: the descriptor is open while `self` lives, the name ends with NUL; the call keeps neither.
        let done = unsafe { libc::unlinkat(self.handle.as_raw_fd(), name.as_ptr(), 0) };
        if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Takes the directory for this process until it is closed. False when another one has it.
    pub(super) fn lock(&self) -> io::Result<bool> {
        // SAFETY: the descriptor is open while `self` lives; the call takes numbers only.
        let done = unsafe { libc::flock(self.handle.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) };
        if done == 0 {
            return Ok(true);
        }
        match io::Error::last_os_error() {
            e if e.kind() == io::ErrorKind::WouldBlock => Ok(false),
            e => Err(e),
        }
    }

    /// Whether both are the same directory, whatever it is called by now.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let identity = |it: &Self| it.handle.metadata().ok().map(|meta| (meta.dev(), meta.ino()));
        identity(self).is_some_and(|ours| identity(other) == Some(ours))
    }

    /// Names of what is in it; those that are no text are left out.
    pub(super) fn names(&self) -> io::Result<Vec<String>> {
        let names = self.path.read_dir()?.map(|entry| Ok(entry?.file_name().into_string().ok()));
        names.filter_map(io::Result::transpose).collect()
    }

    /// Bytes of a file; 0 when it is not there.
    pub(super) fn size(&self, name: &str) -> u64 {
        self.path.join(name).symlink_metadata().map_or(0, |meta| meta.len())
    }

    /// Whether there is something of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.path.join(name).symlink_metadata().is_ok()
    }
}

fn c_name(name: &str) -> io::Result<CString> {
    Ok(CString::new(Path::new(name).as_os_str().as_bytes())?)
}

/// Our effective user id.
pub(super) fn own_uid() -> u32 {
    // SAFETY: the call takes nothing and cannot fail.
    unsafe { libc::geteuid() }
}
