//! Who is at the other end of a connection.

use std::io;
use std::os::unix::net::UnixStream;

use tokio::net::unix::UCred;
use tokio::runtime::{Builder, Runtime};

use crate::error::{Error, Result};

/// Users that may deliver records: whoever can, can also make alerts.
#[derive(Debug)]
pub(super) struct Peers {
    allowed: Vec<u32>,
    /// Tokio asks the kernel about a socket only inside a runtime.
    ///
    /// `rustix::net::sockopt::socket_peercred` would need none, but its process id cannot be 0, and 0 is what the kernel
    /// says of a peer outside of our pid namespace: of Falco, whenever both run in containers. The standard library's
    /// own `peer_cred` is not stable, and one call is no reason for another crate over libc. The runtime costs nothing
    /// more than what tokio is here for anyhow: it has no thread, and is entered for this call only.
    runtime: Runtime,
}

impl Peers {
    pub(super) fn new(allowed: Vec<u32>) -> Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_io()
            .build()
            .map_err(|source| Error::Io { what: "cannot look at peers of sockets".into(), source })?;
        Ok(Self { allowed, runtime })
    }

    /// Whether the user at the other end may deliver.
    pub(super) fn admit(&self, stream: &UnixStream) -> bool {
        match self.ask(stream) {
            Ok(peer) if self.allowed.contains(&peer.uid()) => true,
            Ok(peer) => {
                tracing::warn!(
                    uid = peer.uid(),
                    pid = peer.pid(),
                    allowed = ?self.allowed,
                    "refused a connection: its user is not in peer_uids"
                );
                false
            }
            Err(error) => {
                tracing::warn!(%error, "refused a connection: its user cannot be told");
                false
            }
        }
    }

    fn ask(&self, stream: &UnixStream) -> io::Result<UCred> {
        let _inside = self.runtime.enter();
        // Tokio's half is another descriptor of the same socket: what is set on one holds for both.
        stream.set_nonblocking(true)?;
        let peer = tokio::net::UnixStream::from_std(stream.try_clone()?)?.peer_cred()?;
        stream.set_nonblocking(false)?;
        Ok(peer)
    }
}
