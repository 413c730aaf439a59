//! Delivery of queued alerts to Falcosidekick: one JSON object a request, over a connection that is kept.
//!
//! Falcosidekick answers 200 once it could decode an alert, 400 when it could not, and has no key by which it could
//! tell a repetition. So what surely did not arrive (no connection) is tried until it does, what may have arrived
//! (no answer) once more, and what it cannot decode is a bug of ours: logged, counted, not repeated.

mod backoff;
mod client;

use std::sync::Arc;

use crate::metrics::Metrics;
use crate::queue::Queue;
use crate::stop::Stop;
pub(crate) use client::chain;
pub use client::{Client, Outcome, Page, client_tls};

use backoff::Backoff;

/// Sends what is in the queue until it is to stop.
pub async fn deliver(client: Client, queue: Arc<Queue>, metrics: Arc<Metrics>, stop: Stop) {
    tokio::select! {
        () = stop.wait() => {}
        never = forever(&client, &queue, &metrics) => match never {},
    }
}

async fn forever(client: &Client, queue: &Queue, metrics: &Metrics) -> std::convert::Infallible {
    let mut backoff = Backoff::default();
    loop {
        let item = match queue.next().await {
            Ok(item) => item,
            Err(error) => {
                let wait = backoff.next();
                tracing::error!(%error, retry_in = ?wait, "the alert queue cannot be read");
                tokio::time::sleep(wait).await;
                continue;
            }
        };
        let mut unanswered = 0;
        loop {
            let outcome = client.post(item.body.clone()).await;
            metrics.posts.add(outcome.label(), 1);
            match outcome {
                Outcome::Accepted => {
                    backoff.reset();
                    break;
                }
                Outcome::Rejected(why) => {
                    tracing::error!(%why, alert = %item.body, "Falcosidekick cannot decode an alert; please report this");
                    break;
                }
                Outcome::NoAnswer(why) if unanswered > 0 => {
                    tracing::error!(%why, "Falcosidekick did not answer twice: one alert may be lost");
                    break;
                }
                Outcome::NoAnswer(why) => {
                    tracing::warn!(%why, "Falcosidekick did not answer; one more try");
                    unanswered += 1;
                    tokio::time::sleep(backoff.next()).await;
                }
                Outcome::Unreachable(why) => {
                    let wait = backoff.next();
                    tracing::warn!(%why, retry_in = ?wait, waiting = queue.depth(), "Falcosidekick cannot be reached");
                    tokio::time::sleep(wait).await;
                }
            }
        }
        // The queue goes on in memory, and writes down where it is as soon as it can: a full disk ends no delivery.
        if let Err(error) = queue.done(&item) {
            tracing::error!(%error, "cannot note that an alert was sent: after a restart it may be sent again");
        }
    }
}
