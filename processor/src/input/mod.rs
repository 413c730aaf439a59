//! Records from plugins: a unix socket, one connection a stream, one live stream a node. Or from collectors that speak
//! SysFlow's own stream, in which nothing is numbered or acknowledged: for those the second half of the first invariant holds.
//!
//! Invariants:
//! * a frame is in the archive before it is acknowledged, and the records of a stream are there exactly once, in order;
//! * what is archived was decoded first: a broken frame ends its connection and leaves no trace;
//! * records reach the engine in the order in which they were archived.

mod connection;
mod handshake;
mod intake;
mod packets;
mod peer;
mod socket;

use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::config::{self, Kind};
use crate::engine::Batch;
use crate::error::{Error, Result};
use crate::stop::Stop;
use peer::Peers;

pub use intake::{Intake, StreamId};

/// How often waiting threads look whether to stop.
const TICK: Duration = Duration::from_millis(200);

/// A socket that plugins connect to.
#[derive(Debug)]
pub struct Input {
    path: PathBuf,
    thread: JoinHandle<()>,
    closing: Stop,
}

/// Listens at a path and serves connections until `stop`; records go to `engine`.
pub fn listen(
    config: &config::Input,
    intake: Arc<Intake>,
    engine: SyncSender<Batch>,
    stop: Stop,
) -> Result<Input> {
    let own = rustix::process::getuid().as_raw();
    let allowed = config.peer_uids.clone().unwrap_or_else(|| vec![0, own]);
    let open_to_others = allowed.iter().any(|&uid| uid != 0 && uid != own);
    let peers = Peers::new(allowed)?;
    let socket = socket::Socket::bind(&config.socket, config.kind, open_to_others)?;
    let kind = config.kind;
    let path = config.socket.clone();
    let closing = Stop::default();
    let closes = closing.clone();
    let thread = std::thread::Builder::new()
        .name("input".into())
        .spawn(move || accept(&socket, kind, &peers, &intake, &engine, &stop, &closes))
        .map_err(|source| Error::Io { what: "cannot start a thread".into(), source })?;
    Ok(Input { path, thread, closing })
}

impl Input {
    /// Path of the socket.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes no more connections; those there are go on to their end.
    pub fn close(&self) {
        self.closing.stop();
    }

    /// Waits for all connections to end, after [`Input::close`] or `stop`.
    pub fn join(self) {
        if self.thread.join().is_err() {
            tracing::error!(socket = %self.path.display(), "the input's thread panicked; please report this");
        }
    }
}

fn accept(
    socket: &socket::Socket,
    kind: Kind,
    peers: &Peers,
    intake: &Arc<Intake>,
    engine: &SyncSender<Batch>,
    stop: &Stop,
    closing: &Stop,
) {
    let mut connections: Vec<JoinHandle<()>> = Vec::new();
    while !stop.is_set() && !closing.is_set() {
        connections.retain(|thread| !thread.is_finished());
        let stream = match next(socket.listener()) {
            Ok(Some(stream)) => stream,
            Ok(None) => continue,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                std::thread::sleep(TICK);
                continue;
            }
        };
        if !peers.admit(&stream) {
            intake.metrics().connections.add("foreign_user", 1);
            continue;
        }
        let (intake, engine, stop) = (Arc::clone(intake), engine.clone(), stop.clone());
        match std::thread::Builder::new().name("connection".into()).spawn(move || match kind {
            Kind::Stream => connection::serve(stream, &intake, &engine, &stop),
            Kind::Seqpacket => packets::serve(stream, &intake, &engine, &stop),
        }) {
            Ok(thread) => connections.push(thread),
            Err(error) => tracing::warn!(%error, "cannot start a thread for a connection"),
        }
    }
    for thread in connections {
        if thread.join().is_err() {
            tracing::error!("a connection's thread panicked; please report this");
        }
    }
}

/// The next connection, or `None` after a while without one.
fn next(listener: &UnixListener) -> std::io::Result<Option<UnixStream>> {
    let mut waiting = [PollFd::from_borrowed_fd(listener.as_fd(), PollFlags::IN)];
    let tick = Timespec { tv_sec: 0, tv_nsec: i64::from(TICK.subsec_nanos()) };
    match poll(&mut waiting, Some(&tick)) {
        Ok(0) | Err(rustix::io::Errno::INTR) => Ok(None),
        Ok(_) => listener.accept().map(|(stream, _)| Some(stream)),
        Err(errno) => Err(errno.into()),
    }
}
