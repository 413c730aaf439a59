//! The listening socket and its connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::patient::{PATIENCE, Patient};
use crate::error::{Error, Result};
use crate::stop::Stop;

/// Connections at the same time; more wait to be accepted.
const MAX_CONNECTIONS: usize = 512;

/// A client that has not sent the head of its request by then is cut off.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long answers under way may take when the service stops.
const GRACE: Duration = Duration::from_secs(2);

/// A bound socket.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
}

/// Listens; the error says what to do when the port is taken.
pub async fn bind(address: SocketAddr) -> Result<Server> {
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(Server { listener }),
        Err(e) => {
            let hint = match e.kind() {
                std::io::ErrorKind::AddrInUse => {
                    "another program uses this port; choose another one with --listen or api.listen"
                }
                std::io::ErrorKind::PermissionDenied => {
                    "ports below 1024 need privileges; choose another one with --listen or api.listen"
                }
                _ => "choose another address with --listen or api.listen",
            };
            Err(Error::Failed(format!("cannot listen on {address}: {e}; {hint}")))
        }
    }
}

impl Server {
    /// Address with the port that was chosen when 0 was asked for.
    pub fn address(&self) -> Result<SocketAddr> {
        self.listener
            .local_addr()
            .map_err(|source| Error::Io { what: "cannot tell the listening address".into(), source })
    }

    /// Answers until it is to stop; then what is under way may end.
    pub async fn serve(self, router: Router, stop: Stop) {
        let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = stop.wait() => break,
            };
            let (connection, router, stop) = match accepted {
                Ok((connection, _)) => (connection, router.clone(), stop.clone()),
                Err(error) => {
                    // Too many open files, most likely: it passes.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            tokio::spawn(async move {
                answer(connection, router, stop).await;
                drop(slot);
            });
        }
        _ = tokio::time::timeout(GRACE, slots.acquire_many(MAX_CONNECTIONS as u32)).await;
    }
}

async fn answer(connection: TcpStream, router: Router, stop: Stop) {
    _ = connection.set_nodelay(true);
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(32 << 10)
        .serve_connection(TokioIo::new(Patient::new(connection, PATIENCE)), TowerToHyperService::new(router))
        .with_upgrades();
    tokio::pin!(serving);
    tokio::select! {
        _ = serving.as_mut() => {}
        () = stop.wait() => {
            serving.as_mut().graceful_shutdown();
            // Errors are the client's: it went away or spoke no HTTP.
            _ = serving.await;
        }
    }
}
