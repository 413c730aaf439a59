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
pub use client::{Client, Outcome};

use backoff::Backoff;

/// Sends what is in the queue until it is to stop.
pub async fn deliver(client: Client, queue: Arc<Queue>, metrics: Arc<Metrics>, stop: Stop) {
    tokio::select! {
        () = stop.wait() => {}
        result = forever(&client, &queue, &metrics) => match result {
            Ok(never) => match never {},
            Err(error) => tracing::error!(%error, "the alert queue cannot be read: alerts are not sent any more"),
        },
    }
}

async fn forever(
    client: &Client,
    queue: &Queue,
    metrics: &Metrics,
) -> crate::error::Result<std::convert::Infallible> {
    let mut backoff = Backoff::default();
    loop {
        let item = queue.next().await?;
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
        queue.done(&item)?;
    }
}
