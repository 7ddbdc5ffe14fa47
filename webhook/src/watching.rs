//! Follows a Kubernetes watch: errors are logged and retried with a growing pause, for ever.

use std::fmt::Debug;

use cairn_kit::errors::report;
use futures::{Stream, StreamExt as _};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{Error, Event};
use tracing::warn;

/// Hands every event to `apply`. `what` names the watched things in log lines.
pub async fn follow<K: Debug>(
    what: &'static str,
    stream: impl Stream<Item = Result<Event<K>, Error>> + Send,
    mut apply: impl FnMut(Event<K>),
) {
    let mut stream = std::pin::pin!(stream.default_backoff());
    while let Some(event) = stream.next().await {
        match event {
            Ok(event) => apply(event),
            Err(error) => warn!("watching {what}: {}", report(&error)),
        }
    }
}
