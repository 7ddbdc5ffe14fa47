//! A watch of a prefix, as batches of plain changes.
//!
//! A watch makes its user faster, and correctness must not depend on it. Its user lists again from time to time, and
//! after every error.

use etcd_client::{Client, EventType, WatchClient, WatchFilterType, WatchOptions, WatchStream};

use super::{Etcd, MAX_MESSAGE, convert};
use crate::error::Error;
use crate::kv::{KeyValue, Span};

/// One change below the watched prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The key was put; this is its new value.
    Put(KeyValue),
    /// The key was deleted, or its lease has expired.
    Delete(String),
}

/// An open watch.
#[derive(Debug)]
pub struct Watcher<'e> {
    etcd: &'e Etcd,
    /// The index of the member that serves it.
    member: usize,
    stream: WatchStream,
}

impl Etcd {
    /// Watches a prefix from a revision on. A member that has lost its leader ends the stream.
    pub async fn watch(&self, prefix: &str, from_revision: i64) -> Result<Watcher<'_>, Error> {
        let options = WatchOptions::new().with_prefix().with_start_revision(from_revision);
        let prefix = self.prefix.outer(prefix).into_owned();
        let (member, stream) = self
            .call("opening a watch", |client| {
                let mut watches = watch_client(client);
                async move { watches.watch(prefix, Some(options)).await }
            })
            .await?;
        Ok(Watcher { etcd: self, member, stream })
    }

    /// Waits for a change in any of the spans. All of them are watched on one stream.
    pub(super) async fn wait_for_change(&self, spans: Vec<Span>, from: i64) -> Result<(), Error> {
        let spans: Vec<Span> = spans.into_iter().map(|span| self.prefix.outer_span(span)).collect();
        let (member, stream) = self
            .call("opening a watch", |client| {
                let mut watches = watch_client(client);
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
        let mut watcher = Watcher { etcd: self, member, stream };
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

fn watch_client(client: &Client) -> WatchClient {
    client.watch_client().max_decoding_message_size(MAX_MESSAGE)
}

// === impl Watcher ===

impl Watcher<'_> {
    /// Waits for the next batch of changes. After an error, list again.
    pub async fn next(&mut self) -> Result<Vec<Change>, Error> {
        const OPERATION: &str = "watching";
        let message = self.stream.message().await.map_err(|source| Error::Call {
            operation: OPERATION,
            endpoint: self.endpoint(),
            class: super::classify::class(&source),
            source: Box::new(source),
        })?;
        let Some(batch) = message else {
            return Err(Error::Malformed { operation: OPERATION });
        };
        self.etcd.check_cluster(self.member, batch.header()).await?;
        if batch.canceled() {
            return Err(Error::Malformed { operation: OPERATION });
        }
        Ok(batch.events().iter().filter_map(|event| self.change(event)).collect())
    }

    fn change(&self, event: &etcd_client::Event) -> Option<Change> {
        let mut found = convert::key_value(event.kv()?.clone());
        found.key = self.etcd.prefix.inner(&found.key).into_owned();
        Some(match event.event_type() {
            EventType::Put => Change::Put(found),
            EventType::Delete => Change::Delete(found.key),
        })
    }

    fn endpoint(&self) -> String {
        let member = self.etcd.members.get(self.member);
        member.map(|member| member.endpoint.clone()).unwrap_or_default()
    }
}
