//! `?watch`: one event at once, then one per change, as server-sent events.
//!
//! An event carries the same JSON as the response without `?watch`. A slow reader gets the newest state and misses
//! the states before it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use cairn_kit::serve;
use futures::{Stream, StreamExt as _};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_stream::wrappers::WatchStream;

use super::http::refuse;
use crate::applied::{Applied, Watch};

/// Half of the connections, so that the probe always gets one.
const MAX_WATCHERS: usize = 32;
/// Below the minute after which proxies and clients close a silent connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Limits the number of watchers.
#[derive(Clone, Debug)]
pub struct Watchers(Arc<Semaphore>);

impl Default for Watchers {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_WATCHERS)))
    }
}

impl Watchers {
    /// A place for one more watcher, held for as long as it watches; or the refusal.
    pub(super) fn admit(&self) -> Result<OwnedSemaphorePermit, String> {
        Arc::clone(&self.0)
            .try_acquire_owned()
            .map_err(|_| format!("{MAX_WATCHERS} clients are watching already; ask without watch"))
    }

    /// Streams the view of each state. A state without a view becomes an event of type `error` with the message.
    pub fn stream<T, F>(&self, applied: Watch, view: F) -> Response
    where
        T: Serialize,
        F: Fn(&Applied) -> Result<T, String> + Send + 'static,
    {
        let permit = match self.admit() {
            Ok(permit) => permit,
            Err(message) => return refuse(StatusCode::SERVICE_UNAVAILABLE, message),
        };
        let mut last = String::new();
        let events = WatchStream::new(applied).filter_map(move |applied| {
            // The stream owns the permit, so that it is free again when the client leaves.
            let _held = &permit;
            let (kind, data) = match view(&applied) {
                Ok(value) => ("claims", serde_json::to_string(&value).unwrap_or_default()),
                Err(message) => ("error", message),
            };
            let changed = data != last;
            if changed {
                last.clone_from(&data);
            }
            let event = Event::default().event(kind).data(data);
            std::future::ready(changed.then_some(Ok::<_, Infallible>(event)))
        });
        respond(events)
    }
}

/// The response with these events.
pub(super) fn respond<S>(events: S) -> Response
where
    S: Stream<Item = Result<Event, Infallible>> + Send + 'static,
{
    let events = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    (Extension(serve::Stream), events).into_response()
}
