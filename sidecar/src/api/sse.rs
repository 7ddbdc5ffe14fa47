//! `?watch`: one event at once, then one per change, as server-sent events.
//!
//! An event carries the same JSON as the plain answer. A slow reader skips to the newest state: it
//! is told where things stand, not how they came to be.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use cairn_kit::serve;
use futures::StreamExt as _;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio_stream::wrappers::WatchStream;

use super::http::refuse;
use crate::applied::{Applied, Watch};

/// Half of the connections: watchers must never keep the probe out.
const MAX_WATCHERS: usize = 32;
/// Below the minute after which proxies and clients give a silent connection up.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Counts the watchers.
#[derive(Clone, Debug)]
pub struct Watchers(Arc<Semaphore>);

impl Default for Watchers {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_WATCHERS)))
    }
}

impl Watchers {
    /// Follows what `view` makes of each state. A state of which it makes nothing is an event of
    /// type `error` with the sentence.
    pub fn stream<T, F>(&self, applied: Watch, view: F) -> Response
    where
        T: Serialize,
        F: Fn(&Applied) -> Result<T, String> + Send + 'static,
    {
        let Ok(permit) = Arc::clone(&self.0).try_acquire_owned() else {
            let sentence =
                format!("{MAX_WATCHERS} clients are watching already; ask without watch");
            return refuse(StatusCode::SERVICE_UNAVAILABLE, sentence);
        };
        let mut last = String::new();
        let events = WatchStream::new(applied).filter_map(move |applied| {
            // Moved in, so that it is given back when the client goes.
            let _held = &permit;
            let (kind, data) = match view(&applied) {
                Ok(value) => ("claims", serde_json::to_string(&value).unwrap_or_default()),
                Err(sentence) => ("error", sentence),
            };
            let changed = data != last;
            if changed {
                last.clone_from(&data);
            }
            let event = Event::default().event(kind).data(data);
            std::future::ready(changed.then_some(Ok::<_, Infallible>(event)))
        });
        let events = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
        (Extension(serve::Stream), events).into_response()
    }
}
