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
use crate::kv::{Change, Span, prefix_end};

const OPERATION: &str = "watching";

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
        let to = prefix_end(&prefix);
        let span = Span::range(prefix, to);
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
        let (member, stream) = self.open_watch(&each_from(&spans, from)).await?;
        Ok(Watcher { etcd: self, spans, from, replaced, member, stream })
    }

    /// Opens a stream with a watch of each span, from its revision on. The first watch has the number 1.
    pub(super) async fn open_watch(
        &self,
        spans: &[(Span, i64)],
    ) -> Result<(ChosenMember, WatchStream), Error> {
        self.call("opening a watch", |client| {
            let mut watches = watch_client(client);
            let requests: Vec<_> = (1..).zip(spans).map(watch_request).collect();
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

impl Etcd {
    /// The response, if it is of the known cluster and the watch goes on.
    pub(super) async fn check_watch(
        &self,
        member: &ChosenMember,
        message: Result<Option<WatchResponse>, etcd_client::Error>,
    ) -> Result<WatchResponse, Error> {
        let endpoint = || member.endpoint().to_owned();
        let message = message.map_err(|source| watch_error(member, source))?;
        let Some(batch) = message else {
            return Err(Error::Malformed { operation: OPERATION });
        };
        self.check_cluster(member, batch.header()).await?;
        if batch.canceled() {
            let reason = match batch.compact_revision() {
                0 => batch.cancel_reason().to_owned(),
                revision => format!("it has forgotten everything before revision {revision}"),
            };
            return Err(Error::WatchEnded { endpoint: endpoint(), reason });
        }
        Ok(batch)
    }

    /// An event as a plain value.
    pub(super) fn plain_change(&self, event: &etcd_client::Event) -> Option<Change> {
        let mut found = convert::key_value(event.kv()?.clone());
        found.key = self.prefix.inner(&found.key).into_owned();
        Some(match event.event_type() {
            EventType::Put => Change::Put(found),
            EventType::Delete => Change::Delete(found.key),
        })
    }
}

pub(super) fn watch_error(member: &ChosenMember, source: etcd_client::Error) -> Error {
    classify::call_failed(OPERATION, member.endpoint(), source)
}

fn watch_request((id, (span, from)): (i64, &(Span, i64))) -> (String, WatchOptions) {
    let mut options = WatchOptions::new().with_start_revision(*from).with_watch_id(id);
    if let Some(to) = &span.to {
        options = options.with_range(to.as_str());
    }
    if span.deletions_only {
        options = options.with_filters([WatchFilterType::NoPut]);
    }
    (span.from.clone(), options)
}

fn each_from(spans: &[Span], from: i64) -> Vec<(Span, i64)> {
    spans.iter().map(|span| (span.clone(), from)).collect()
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
        let batch = self.etcd.check_watch(&self.member, message).await?;
        let newest = batch.events().iter().filter_map(|event| Some(event.kv()?.mod_revision()));
        if let Some(newest) = newest.max() {
            self.from = newest.saturating_add(1);
        }
        Ok(batch.events().iter().filter_map(|event| self.etcd.plain_change(event)).collect())
    }

    async fn reopen(&mut self) -> Result<(), Error> {
        let spans = each_from(&self.spans, self.from);
        (self.member, self.stream) = self.etcd.open_watch(&spans).await?;
        Ok(())
    }
}
