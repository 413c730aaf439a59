//! The first messages of a connection.

use std::fs;
use std::os::unix::net::UnixStream;

use sysflow::stream::{self, Hello, Welcome};

use super::connection::send;
use super::intake::{Intake, Live};

/// Answers a hello; or the reason why the stream is refused, which the plugin was told then.
pub(super) fn answer<'a>(
    connection: &mut UnixStream,
    hello: &Hello,
    intake: &'a Intake,
) -> std::io::Result<Result<Live<'a>, String>> {
    let mut out = Vec::new();
    // The place is taken first: the connection before may have stored more until it ended.
    let entered = match intake.enter(&hello.node) {
        None => Err(format!("node {:?} has a live stream already", hello.node)),
        Some(live) => intake
            .stored(&hello.stream)
            .map(|stored| (live, stored))
            .map_err(|e| format!("the archive fails: {e}")),
    };
    let (live, stored) = match entered {
        Ok(entered) => entered,
        Err(reason) => {
            stream::encode_refused(&reason, &mut out);
            send(connection, &out)?;
            return Ok(Err(reason));
        }
    };
    stream::encode_welcome(&Welcome { stored, pid: std::process::id(), pid_ns: pid_namespace() }, &mut out);
    send(connection, &out)?;
    Ok(Ok(live))
}

/// Inode of our pid namespace, so that the plugin finds us among the host's processes; 0 when it cannot be told.
fn pid_namespace() -> u64 {
    let link = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let text = link.to_string_lossy();
    text.strip_prefix("pid:[").and_then(|rest| rest.strip_suffix(']')?.parse().ok()).unwrap_or(0)
}
