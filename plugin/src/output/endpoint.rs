//! The socket that somebody else listens on: who that is, how often it is tried, and what was told of it.

use std::{
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::peer;

const FIRST_RETRY: Duration = Duration::from_millis(50);
const LAST_RETRY: Duration = Duration::from_secs(5);

/// A place to connect to.
#[derive(Debug)]
pub(super) struct Endpoint {
    path: PathBuf,
    peer_uids: Vec<u32>,
    retry: Duration,
    /// What was told of the connection last, so that it is told once.
    told: String,
}

// === impl Endpoint ===

impl Endpoint {
    pub(super) fn new(path: PathBuf, peer_uids: Vec<u32>) -> Self {
        Self { path, peer_uids, retry: FIRST_RETRY, told: String::new() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Connects a socket of this `kind`, such as `SOCK_STREAM`, to one that a trusted user serves.
    pub(super) fn connect(&self, kind: libc::c_int) -> Result<OwnedFd, String> {
        let socket = peer::connect(&self.path, kind).map_err(|e| e.to_string())?;
        let who = peer::peer_of(&socket).map_err(|e| e.to_string())?;
        if peer::is_trusted(who.uid, &self.peer_uids, &self.path) {
            Ok(socket)
        } else {
            Err(format!("it is served by uid {}, which is not in peer_uids", who.uid))
        }
    }

    /// It takes what is sent: after the next break it is tried again at once.
    pub(super) fn works(&mut self) {
        self.retry = FIRST_RETRY;
    }

    /// The connection stands.
    pub(super) fn tell_connected(&mut self) {
        if self.told.is_empty() {
            return;
        }
        eprintln!("sysflow: connected to {}", self.path.display());
        self.told.clear();
    }

    /// The connection broke, or there is none; when to try again.
    pub(super) fn failed(&mut self, problem: &str) -> Instant {
        if self.told != problem {
            eprintln!("sysflow: {}: {problem}; trying again", self.path.display());
            problem.clone_into(&mut self.told);
        }
        let until = Instant::now() + self.retry;
        self.retry = (self.retry * 2).min(LAST_RETRY);
        until
    }
}
