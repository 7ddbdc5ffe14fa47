//! Follows keys on one stream of watches, with progress ([`Follow`]).
//!
//! etcd delivers each watch of a stream at its own pace. It answers a request for progress only once every watch of
//! the stream has delivered everything up to the revision that the answer names (since etcd 3.4.25 and 3.5.8).
//!
//! Invariants: all that one revision has changed in a span comes in one response, because fragments are not asked for;
//! after a stream was opened again, each watch goes on with the first revision that it has not delivered.

use std::collections::BTreeMap;
use std::convert::Infallible;

use etcd_client::{WatchResponse, WatchStream};
use tokio::time::{Duration, Interval, MissedTickBehavior, interval};

use super::clients::ChosenMember;
use super::watch::watch_error;
use super::{Etcd, classify};
use crate::error::Error;
use crate::kv::{Change, Delta, Deltas, Follow, Span};

/// The number of no watch: the response is about all of them.
const EVERY_WATCH: i64 = -1;

/// A period of zero would never end.
const SHORTEST_PERIOD: Duration = Duration::from_millis(10);

/// Puts the responses of several watches in order.
#[derive(Debug)]
struct Order {
    /// For each watch, the first revision that it has not delivered.
    next: Vec<i64>,
    /// Changes of the other watches that wait until the first watch has come as far.
    waiting: BTreeMap<i64, Vec<Change>>,
}

impl Etcd {
    /// Follows until an error. Moves to new clients when clients are replaced.
    pub(super) async fn follow_spans(&self, follow: Follow, deltas: &Deltas) -> Error {
        match self.try_follow(follow, deltas).await {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }

    async fn try_follow(&self, follow: Follow, deltas: &Deltas) -> Result<Infallible, Error> {
        let Follow { spans, from, progress, elsewhere } = self.prefix.outer_follow(follow);
        if elsewhere {
            let member = self.next_member().await?;
            self.leave(&member);
        }
        let mut order = Order::new(spans.len(), from);
        let mut ticks = interval(progress.max(SHORTEST_PERIOD));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.reset();
        let mut patience = None;
        loop {
            match self.follow_stream(&spans, &mut order, &mut ticks, deltas).await {
                Ok(()) => {}
                Err(error) if classify::auth_changed(&error) => {
                    let patience = patience.get_or_insert_with(|| self.auth_patience());
                    if !patience.allows(&error).await {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Follows on one stream, until clients are replaced.
    async fn follow_stream(
        &self,
        spans: &[Span],
        order: &mut Order,
        ticks: &mut Interval,
        deltas: &Deltas,
    ) -> Result<(), Error> {
        // Subscribed first, so that a replacement during the call is not missed.
        let mut replaced = self.clients.subscribe();
        let (member, mut stream) = self.open_watch(&order.spans(spans)).await?;
        loop {
            let message = tokio::select! {
                Ok(()) = replaced.changed() => return Ok(()),
                message = stream.message() => message,
                _ = ticks.tick() => {
                    ask_for_progress(&member, &mut stream).await?;
                    continue;
                }
            };
            let response = self.check_watch(&member, message).await?;
            for delta in self.ordered(order, &response) {
                let _ = deltas.unbounded_send(delta);
            }
            if order.needs_progress(&response) {
                ask_for_progress(&member, &mut stream).await?;
            }
        }
    }

    fn ordered(&self, order: &mut Order, response: &WatchResponse) -> Vec<Delta> {
        if response.created() {
            return Vec::new();
        }
        if response.watch_id() == EVERY_WATCH {
            let revision = response.header().map_or(0, etcd_client::ResponseHeader::revision);
            return order.progress(revision);
        }
        let mut found: BTreeMap<i64, Vec<Change>> = BTreeMap::new();
        for event in response.events() {
            let Some(revision) = event.kv().map(etcd_client::KeyValue::mod_revision) else {
                continue;
            };
            found.entry(revision).or_default().extend(self.plain_change(event));
        }
        // The first watch has the number 1.
        let watch = usize::try_from(response.watch_id().saturating_sub(1)).unwrap_or_default();
        found.into_iter().flat_map(|(revision, found)| order.add(watch, revision, found)).collect()
    }
}

async fn ask_for_progress(member: &ChosenMember, stream: &mut WatchStream) -> Result<(), Error> {
    stream.request_progress().await.map_err(|source| watch_error(member, source))
}

// === impl Order ===

impl Order {
    fn new(watches: usize, from: i64) -> Self {
        Self { next: vec![from; watches], waiting: BTreeMap::new() }
    }

    /// From where each watch goes on.
    fn spans(&self, spans: &[Span]) -> Vec<(Span, i64)> {
        spans.iter().cloned().zip(self.next.iter().copied()).collect()
    }

    /// What a watch has delivered.
    fn add(&mut self, watch: usize, revision: i64, changes: Vec<Change>) -> Vec<Delta> {
        if let Some(next) = self.next.get_mut(watch) {
            *next = (*next).max(revision.saturating_add(1));
        }
        if watch == 0 {
            let mut ready = self.release(revision.saturating_sub(1));
            ready.push(Delta { revision, changes });
            ready.extend(self.release(revision));
            ready
        } else if self.next.first().is_some_and(|first| revision < *first) {
            vec![Delta { revision, changes }]
        } else {
            self.waiting.entry(revision).or_default().extend(changes);
            Vec::new()
        }
    }

    /// Every watch has delivered everything up to this revision.
    fn progress(&mut self, revision: i64) -> Vec<Delta> {
        for next in &mut self.next {
            *next = (*next).max(revision.saturating_add(1));
        }
        let mut ready = self.release(revision);
        ready.push(Delta { revision, changes: Vec::new() });
        ready
    }

    /// Whether something waits that this response has brought.
    fn needs_progress(&self, response: &WatchResponse) -> bool {
        !self.waiting.is_empty() && !response.events().is_empty()
    }

    fn release(&mut self, up_to: i64) -> Vec<Delta> {
        let later = self.waiting.split_off(&up_to.saturating_add(1));
        let ready = std::mem::replace(&mut self.waiting, later);
        ready.into_iter().map(|(revision, changes)| Delta { revision, changes }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(name: &str) -> Vec<Change> {
        vec![Change::Delete(name.to_owned())]
    }

    fn shown(deltas: Vec<Delta>) -> Vec<(i64, usize)> {
        deltas.into_iter().map(|delta| (delta.revision, delta.changes.len())).collect()
    }

    #[test]
    fn changes_elsewhere_wait_until_the_first_watch_has_come_as_far() {
        let mut order = Order::new(2, 5);
        assert_eq!(shown(order.add(1, 7, change("epoch"))), []);
        assert_eq!(shown(order.add(0, 6, change("a"))), [(6, 1)]);
        assert_eq!(shown(order.add(0, 8, change("b"))), [(7, 1), (8, 1)]);
        assert_eq!(shown(order.add(1, 8, change("epoch"))), [(8, 1)], "late, and never too early");
        assert_eq!(shown(order.add(1, 9, change("epoch"))), []);
        assert_eq!(shown(order.progress(10)), [(9, 1), (10, 0)]);
    }

    #[test]
    fn each_watch_goes_on_with_what_it_has_not_delivered() {
        let spans = [Span::key("a"), Span::key("b")];
        let from = |order: &Order| order.spans(&spans).into_iter().map(|(_, from)| from);
        let mut order = Order::new(2, 5);
        order.add(0, 9, change("a"));
        assert!(from(&order).eq([10, 5]), "the second watch may be behind");
        order.progress(20);
        assert!(from(&order).eq([21, 21]));
    }
}
