//! `sysflow install`: what has to be done as another user before Falco or the service starts.
//!
//! An image without a shell has no `cp` and no `chown`; its init containers run this instead.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Write, stdout};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustix::fs::{Mode, OFlags};

use crate::capture::find_plugin;
use crate::error::{self, Error, Result};

/// File name of our plugin.
const PLUGIN: &str = "libsysflow.so";

#[derive(Debug, clap::Args)]
#[command(after_help = "Example: sysflow install --plugin /opt/sysflow --own /run/sysflow --owner 65532")]
pub(super) struct Args {
    /// Put libsysflow.so, which lies beside this program or in /usr/lib/sysflow, into this directory.
    #[arg(long, value_name = "DIR", required_unless_present = "own")]
    plugin: Option<PathBuf>,
    /// Make this directory where it is missing, and give it to the owner with mode 0755; may be repeated.
    #[arg(long, value_name = "DIR", requires = "owner")]
    own: Vec<PathBuf>,
    /// User, and group if it is another number, that directories are given to.
    #[arg(long, value_name = "UID[:GID]", requires = "own")]
    owner: Option<Owner>,
}

/// Numbers of a user and a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Owner {
    uid: u32,
    gid: u32,
}

impl FromStr for Owner {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (uid, gid) = text.split_once(':').unwrap_or((text, text));
        let number =
            |text: &str| text.parse().map_err(|_| format!("{text:?} is no number of a user or group"));
        Ok(Self { uid: number(uid)?, gid: number(gid)? })
    }
}

pub(super) fn run(args: &Args) -> Result<()> {
    let mut out = stdout().lock();
    for directory in &args.own {
        let Some(owner) = args.owner else { continue };
        own(directory, owner)?;
        writeln!(out, "{}: belongs to {}:{}", directory.display(), owner.uid, owner.gid)
            .map_err(error::stdout)?;
    }
    if let Some(directory) = &args.plugin {
        let there = copy_plugin(directory)?;
        writeln!(out, "{}: installed", there.display()).map_err(error::stdout)?;
    }
    Ok(())
}

/// Never follows a link: this runs as root, and who owned the directory before may have left one.
fn own(path: &Path, owner: Owner) -> Result<()> {
    match DirBuilder::new().mode(0o755).create(path) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(Error::io("make", path)(e)),
        _ => {}
    }
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(path, flags, Mode::empty())
        .map(File::from)
        .map_err(|e| Error::io("open the directory", path)(e.into()))?;
    fchown(&directory, Some(owner.uid), Some(owner.gid)).map_err(Error::io("give away", path))?;
    // Whoever could write there could take the socket's place.
    directory.set_permissions(Permissions::from_mode(0o755)).map_err(Error::io("protect", path))
}

/// Under another name first: a Falco that runs keeps the file that it has mapped, and never sees half of one.
fn copy_plugin(directory: &Path) -> Result<PathBuf> {
    let from = find_plugin()?;
    let (to, part) = (directory.join(PLUGIN), directory.join(format!("{PLUGIN}.part")));
    let copied = fs::copy(&from, &part)
        .map_err(|e| Error::Failed(format!("cannot copy {} to {}: {e}", from.display(), part.display())))
        .and_then(|_| {
            fs::set_permissions(&part, Permissions::from_mode(0o644)).map_err(Error::io("protect", &part))
        })
        .and_then(|()| fs::rename(&part, &to).map_err(Error::io("rename", &part)));
    if copied.is_err() {
        _ = fs::remove_file(&part);
    }
    copied.map(|()| to)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    #[test]
    fn an_owner_is_one_or_two_numbers() {
        assert_eq!("65532".parse(), Ok(Owner { uid: 65532, gid: 65532 }));
        assert_eq!("1:2".parse(), Ok(Owner { uid: 1, gid: 2 }));
        for wrong in ["", "nobody", "1:", ":1", "-1", "4294967296"] {
            assert!(wrong.parse::<Owner>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_directory_is_made_and_closed_to_others_but_a_link_is_not_followed() {
        let scratch = tempfile::tempdir().unwrap();
        let me = Owner { uid: rustix::process::getuid().as_raw(), gid: rustix::process::getgid().as_raw() };
        let directory = scratch.path().join("run");
        own(&directory, me).unwrap();
        fs::set_permissions(&directory, Permissions::from_mode(0o777)).unwrap();
        own(&directory, me).unwrap();
        let there = fs::metadata(&directory).unwrap();
        assert_eq!((there.mode() & 0o7777, there.uid()), (0o755, me.uid));
        let link = scratch.path().join("link");
        symlink(&directory, &link).unwrap();
        assert!(own(&link, me).unwrap_err().to_string().contains("link"));
    }
}
