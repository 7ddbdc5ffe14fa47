//! A watch of a prefix, as batches of plain changes.
//!
//! A watch makes its user faster, and correctness must not depend on it. Its user lists again from time to time, and
//! after every error.
//!
//! A watch moves to new clients when clients are replaced, and is opened again when etcd ends it because users or roles
//! were changed. Invariant: it is opened again from the first revision that it has not delivered, so that no change is
//! lost. With several spans on one stream that holds only before the first batch, because each span is delivered at its
//! own pace; so [`Etcd::wait_for_change`] ends with the first batch.

use std::sync::Arc;

use etcd_client::{
    Client, EventType, WatchClient, WatchFilterType, WatchOptions, WatchResponse, WatchStream,
};
use tokio::sync::watch as channel;

use super::clients::{ChosenMember, Clients};
use super::{Etcd, MAX_MESSAGE, classify, convert};
use crate::error::Error;
use crate::kv::{KeyValue, Span};

const OPERATION: &str = "watching";

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
    spans: Vec<Span>,
    /// The first revision that was not delivered.
    from: i64,
    replaced: channel::Receiver<Arc<Clients>>,
    member: ChosenMember,
    stream: WatchStream,
}

impl Etcd {
    /// Watches a prefix from a revision on. A member that has lost its leader ends the stream.
    pub async fn watch(&self, prefix: &str, from_revision: i64) -> Result<Watcher<'_>, Error> {
        let prefix = self.prefix.outer(prefix).into_owned();
        let to = String::from_utf8_lossy(&convert::prefix_end(&prefix)).into_owned();
        let span = Span { from: prefix, to: Some(to), deletions_only: false };
        self.watch_spans(vec![span], from_revision).await
    }

    /// Waits for a change in any of the spans. All of them are watched on one stream.
    pub(super) async fn wait_for_change(&self, spans: Vec<Span>, from: i64) -> Result<(), Error> {
        let spans = spans.into_iter().map(|span| self.prefix.outer_span(span)).collect();
        let mut watcher = self.watch_spans(spans, from).await?;
        while watcher.next().await?.is_empty() {}
        Ok(())
    }

    async fn watch_spans(&self, spans: Vec<Span>, from: i64) -> Result<Watcher<'_>, Error> {
        // Subscribed first, so that a replacement during the call is not missed.
        let replaced = self.clients.subscribe();
        let (member, stream) = self.open_watch(&spans, from).await?;
        Ok(Watcher { etcd: self, spans, from, replaced, member, stream })
    }

    async fn open_watch(
        &self,
        spans: &[Span],
        from: i64,
    ) -> Result<(ChosenMember, WatchStream), Error> {
        self.call("opening a watch", |client| {
            let mut watches = watch_client(client);
            let requests: Vec<_> = spans.iter().map(|span| watch_request(span, from)).collect();
            async move {
                let mut requests = requests.into_iter();
                let (key, options) = requests.next().unwrap_or_default();
                let mut stream = watches.watch(key, Some(options)).await?;
                for (key, options) in requests {
                    stream.watch(key, Some(options)).await?;
                }
                Ok(stream)
            }
        })
        .await
    }
}

fn watch_request(span: &Span, from: i64) -> (String, WatchOptions) {
    let mut options = WatchOptions::new().with_start_revision(from);
    if let Some(to) = &span.to {
        options = options.with_range(to.as_str());
    }
    if span.deletions_only {
        options = options.with_filters([WatchFilterType::NoPut]);
    }
    (span.from.clone(), options)
}

fn watch_client(client: &Client) -> WatchClient {
    client.watch_client().max_decoding_message_size(MAX_MESSAGE)
}

// === impl Watcher ===

impl Watcher<'_> {
    /// Waits for the next batch of changes. After an error, list again.
    pub async fn next(&mut self) -> Result<Vec<Change>, Error> {
        let mut patience = None;
        loop {
            let message = tokio::select! {
                Ok(()) = self.replaced.changed() => None,
                message = self.stream.message() => Some(message),
            };
            let Some(message) = message else {
                self.reopen().await?;
                continue;
            };
            match self.received(message).await {
                Err(error) if classify::auth_changed(&error) => {
                    let patience = patience.get_or_insert_with(|| self.etcd.auth_patience());
                    if !patience.allows(&error).await {
                        return Err(error);
                    }
                    self.reopen().await?;
                }
                outcome => return outcome,
            }
        }
    }

    async fn received(
        &mut self,
        message: Result<Option<WatchResponse>, etcd_client::Error>,
    ) -> Result<Vec<Change>, Error> {
        let endpoint = || self.member.endpoint().to_owned();
        let message = message.map_err(|source| Error::Call {
            operation: OPERATION,
            endpoint: endpoint(),
            class: classify::class(&source),
            source: Box::new(source),
        })?;
        let Some(batch) = message else {
            return Err(Error::Malformed { operation: OPERATION });
        };
        self.etcd.check_cluster(&self.member, batch.header()).await?;
        if batch.canceled() {
            let reason = match batch.compact_revision() {
                0 => batch.cancel_reason().to_owned(),
                revision => format!("it has forgotten everything before revision {revision}"),
            };
            return Err(Error::WatchEnded { endpoint: endpoint(), reason });
        }
        let newest = batch.events().iter().filter_map(|event| Some(event.kv()?.mod_revision()));
        if let Some(newest) = newest.max() {
            self.from = newest.saturating_add(1);
        }
        Ok(batch.events().iter().filter_map(|event| self.change(event)).collect())
    }

    async fn reopen(&mut self) -> Result<(), Error> {
        (self.member, self.stream) = self.etcd.open_watch(&self.spans, self.from).await?;
        Ok(())
    }

    fn change(&self, event: &etcd_client::Event) -> Option<Change> {
        let mut found = convert::key_value(event.kv()?.clone());
        found.key = self.etcd.prefix.inner(&found.key).into_owned();
        Some(match event.event_type() {
            EventType::Put => Change::Put(found),
            EventType::Delete => Change::Delete(found.key),
        })
    }
}
