//! The socket between plugin and service, and who may use it.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;

use super::{Finding, Subject};
use crate::config::Input;

const CHECK: &str = "socket";

/// Falco runs as root: it loads drivers.
const FALCO: u32 = 0;

pub(super) fn examine(input: &Input, subject: &Subject) -> Finding {
    let name = input.socket.display();
    let path = subject.seen(&input.socket);
    if input.peer_uids.as_ref().is_some_and(|uids| !uids.contains(&FALCO)) {
        return Finding::warning(
            CHECK,
            format!("peer_uids of {name} leaves out root, whom Falco runs as: its plugin is refused"),
            "add 0 to peer_uids, unless your Falco runs as one of those",
        );
    }
    let file = match fs::symlink_metadata(&path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return Finding::problem(CHECK, format!("{name} is not there"), "start the service: sysflow run");
        }
        Err(e) => {
            return Finding::unknown(CHECK, format!("{name}: {e}"), "run this as root");
        }
    };
    if !file.file_type().is_socket() {
        return Finding::problem(CHECK, format!("{name} is no socket"), "remove it, and start the service");
    }
    let directory = path.parent().and_then(|directory| fs::metadata(directory).ok());
    if let Some(directory) = directory
        && directory.mode() & 0o022 != 0
        // In a directory such as /tmp others cannot replace what is ours.
        && directory.mode() & 0o1000 == 0
    {
        return Finding::warning(
            CHECK,
            format!(
                "others can write into the directory of {name} (mode {:o}): they could put a socket of their own there",
                directory.mode() & 0o7777
            ),
            "give the directory mode 0755, owned by the user of the service",
        );
    }
    match UnixStream::connect(&path) {
        Ok(_) => Finding::ok(
            CHECK,
            format!("{name} listens: user {}, mode {:o}", file.uid(), file.mode() & 0o7777),
        ),
        Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => Finding::problem(
            CHECK,
            format!("nobody listens on {name}: it was left behind"),
            "start the service: sysflow run; it takes the place",
        ),
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => Finding::unknown(
            CHECK,
            format!(
                "{name} is of user {}, mode {:o}: this user may not try it",
                file.uid(),
                file.mode() & 0o7777
            ),
            "run this as root",
        ),
        Err(e) => Finding::problem(CHECK, format!("{name}: {e}"), "restart the service"),
    }
}
