//! Web sockets: after both sides have agreed to them, bytes go through as they are.

use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;
use tokio::sync::Semaphore;

use super::headers;
use crate::api::Problem;
use crate::stop::Stop;

/// Answers the client as the server did and connects the two until one of them ends, or the proxy does.
pub(super) fn join(client: OnUpgrade, mut server: Response, slots: Arc<Semaphore>, stop: Stop) -> Response {
    let Ok(slot) = slots.try_acquire_owned() else {
        let detail = "close a page of Falcosidekick-UI and try again";
        return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many web sockets", detail).into_response();
    };
    let protocol = headers::upgrade(server.headers());
    let upgraded = hyper::upgrade::on(&mut server);
    let mut answered: HeaderMap = std::mem::take(server.headers_mut());
    headers::forward(&mut answered);
    if let Some(protocol) = &protocol {
        headers::set_upgrade(&mut answered, protocol);
    }
    tokio::spawn(async move {
        let joined = async {
            let (client, server) = tokio::try_join!(client, upgraded)?;
            _ = copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(server)).await;
            Ok::<_, hyper::Error>(())
        };
        tokio::select! {
            joined = joined => if let Err(error) = joined {
                tracing::debug!(%error, "a web socket was not opened");
            },
            () = stop.wait() => {}
        }
        drop(slot);
    });
    (StatusCode::SWITCHING_PROTOCOLS, answered).into_response()
}
