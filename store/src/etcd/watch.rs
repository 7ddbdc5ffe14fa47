//! A watch over a prefix, as batches of plain changes.
//!
//! A watch makes its user faster, never right: whoever uses one lists again from time to time, and
//! after every error.

use etcd_client::{EventType, WatchFilterType, WatchOptions, WatchStream};

use super::{Etcd, convert};
use crate::error::Error;
use crate::kv::{KeyValue, Span};

/// One change below the watched prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The key as it stands now.
    Put(KeyValue),
    /// The key is gone, by deletion or because its lease ran out.
    Delete(String),
}

/// An open watch.
#[derive(Debug)]
pub struct Watcher {
    endpoint: String,
    stream: WatchStream,
}

impl Etcd {
    /// Watches a prefix from a revision on. The stream needs a leader: a partitioned member ends it.
    pub async fn watch(&self, prefix: &str, from_revision: i64) -> Result<Watcher, Error> {
        let options = WatchOptions::new().with_prefix().with_start_revision(from_revision);
        let prefix = prefix.to_owned();
        let endpoint = self.member()?.1.endpoint.clone();
        let stream = self
            .call("opening a watch", |client| {
                let mut watches = client.watch_client();
                async move { watches.watch(prefix, Some(options)).await }
            })
            .await?;
        Ok(Watcher { endpoint, stream })
    }

    /// Waits for a change in any of the spans, all of them watched on one stream.
    pub(super) async fn wait_for_change(&self, spans: Vec<Span>, from: i64) -> Result<(), Error> {
        let endpoint = self.member()?.1.endpoint.clone();
        let stream = self
            .call("opening a watch", |client| {
                let mut watches = client.watch_client();
                async move {
                    let mut requests = spans.into_iter().map(|span| watch_request(span, from));
                    let (key, options) = requests.next().unwrap_or_default();
                    let mut stream = watches.watch(key, Some(options)).await?;
                    for (key, options) in requests {
                        stream.watch(key, Some(options)).await?;
                    }
                    Ok(stream)
                }
            })
            .await?;
        let mut watcher = Watcher { endpoint, stream };
        while watcher.next().await?.is_empty() {}
        Ok(())
    }
}

fn watch_request(span: Span, from: i64) -> (String, WatchOptions) {
    let mut options = WatchOptions::new().with_start_revision(from);
    if let Some(to) = span.to {
        options = options.with_range(to);
    }
    if span.deletions_only {
        options = options.with_filters([WatchFilterType::NoPut]);
    }
    (span.from, options)
}

impl Watcher {
    /// The next batch of changes; waits as long as nothing changes. After an error, list again.
    pub async fn next(&mut self) -> Result<Vec<Change>, Error> {
        const OPERATION: &str = "watching";
        let message = self.stream.message().await.map_err(|source| Error::Call {
            operation: OPERATION,
            endpoint: self.endpoint.clone(),
            class: super::classify::class(&source),
            source: Box::new(source),
        })?;
        let Some(batch) = message.filter(|batch| !batch.canceled()) else {
            return Err(Error::Malformed { operation: OPERATION });
        };
        Ok(batch.events().iter().filter_map(change).collect())
    }
}

fn change(event: &etcd_client::Event) -> Option<Change> {
    let found = convert::key_value(event.kv()?.clone());
    Some(match event.event_type() {
        EventType::Put => Change::Put(found),
        EventType::Delete => Change::Delete(found.key),
    })
}
