//! What happens, as it happens: server-sent events.
//!
//! A client that does not keep up is let go: it comes back after [`RETRY`], names the last alert that it has, and is given
//! those after it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use sysflow::GraphId;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::extract::Graph;
use super::{App, Problem};
use crate::alert::Alert;
use crate::stop::Stop;
use crate::world::World;

/// Media type of server-sent events.
pub(super) const KIND: &str = "text/event-stream";

/// Streams at the same time.
pub(super) const MAX_STREAMS: usize = 128;

/// When a client asks again after an end.
const RETRY: Duration = Duration::from_secs(3);

/// How often a graph is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// After so long without news a comment is sent, so that what stands in between does not cut the connection.
const STILL_HERE: Duration = Duration::from_secs(15);

/// One client's view.
struct Feed {
    world: Arc<World>,
    stop: Stop,
    /// Sent before anything that comes.
    first: VecDeque<Event>,
    alerts: Receiver<Arc<Alert>>,
    /// Of this graph only, and its changes.
    graph: Option<Watched>,
    _slot: OwnedSemaphorePermit,
}

struct Watched {
    id: GraphId,
    text: String,
    seen: u64,
    tick: Interval,
}

/// `GET /api/v1/alerts/stream`.
pub(super) async fn alerts(State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    Ok(answer(Feed::open(&app, None, last_seen(&headers))?))
}

/// `GET /api/v1/graphs/{id}/stream`.
pub(super) async fn graph(
    State(app): State<App>,
    Graph(id): Graph,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    Ok(answer(Feed::open(&app, Some(id), last_seen(&headers))?))
}

fn last_seen(headers: &HeaderMap) -> Option<&str> {
    headers.get("last-event-id")?.to_str().ok()
}

fn answer(feed: Feed) -> Response {
    let events =
        unfold(feed, |mut feed| async move { Some((Ok::<_, Infallible>(feed.next().await?), feed)) });
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(STILL_HERE)).into_response();
    // A proxy that collects answers would show nothing for hours.
    response.headers_mut().insert("x-accel-buffering", axum::http::HeaderValue::from_static("no"));
    response
}

impl Feed {
    fn open(app: &App, graph: Option<GraphId>, last: Option<&str>) -> Result<Self, Problem> {
        let slot = Arc::clone(&app.streams).try_acquire_owned().map_err(|_| {
            let detail = format!("at most {MAX_STREAMS} are served at the same time; try again later");
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many streams at once", detail)
                .with(axum::http::header::RETRY_AFTER, "10")
        })?;
        let id = graph.map(|graph| graph.to_string());
        let state = app.world.lock();
        let mut first = VecDeque::from([Event::default().retry(RETRY).comment("alerts and changes follow")]);
        if let Some(last) = last {
            first.extend(state.alerts.after(last, id.as_deref()).iter().map(|alert| told(alert)));
        }
        // While the state is held, so that nothing falls between what was and what comes.
        let alerts = state.alerts.subscribe();
        let watched = match graph.zip(id) {
            None => None,
            Some((id, text)) => {
                let Some(seen) = state.revision(id) else {
                    let detail = "only a graph in memory changes; /api/v1/graphs lists those";
                    return Err(Problem::new(StatusCode::NOT_FOUND, format!("no live graph {id}"), detail));
                };
                first.push_back(changed(&text, seen));
                let mut tick = interval(LOOK);
                tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
                Some(Watched { id, text, seen, tick })
            }
        };
        drop(state);
        Ok(Self {
            world: Arc::clone(&app.world),
            stop: app.stop.clone(),
            first,
            alerts,
            graph: watched,
            _slot: slot,
        })
    }

    /// The next event; `None` is the end.
    async fn next(&mut self) -> Option<Event> {
        if let Some(event) = self.first.pop_front() {
            return Some(event);
        }
        loop {
            let Self { world, stop, alerts, graph, .. } = self;
            tokio::select! {
                () = stop.wait() => return None,
                alert = alerts.recv() => {
                    // Too slow: what it missed is gone from here, and is asked for anew.
                    let alert = alert.ok()?;
                    let is_wanted = graph.as_ref().is_none_or(|graph| alert.graph() == Some(&graph.text));
                    if is_wanted {
                        return Some(told(&alert));
                    }
                }
                revision = news(world, graph) => {
                    if let (Some(revision), Some(graph)) = (revision, graph.as_mut())
                        && revision != graph.seen
                    {
                        graph.seen = revision;
                        return Some(changed(&graph.text, revision));
                    }
                }
            }
        }
    }
}

/// Looks at the graph after a while; never returns when there is none.
async fn news(world: &World, graph: &mut Option<Watched>) -> Option<u64> {
    match graph {
        Some(graph) => {
            graph.tick.tick().await;
            world.lock().revision(graph.id)
        }
        None => std::future::pending().await,
    }
}

fn told(alert: &Alert) -> Event {
    // JSON has no line ends that it does not escape.
    Event::default().event("alert").id(&alert.id).data(alert.with_id())
}

fn changed(graph: &str, revision: u64) -> Event {
    let data = serde_json::json!({ "id": graph, "revision": revision });
    Event::default().event("graph").data(data.to_string())
}
