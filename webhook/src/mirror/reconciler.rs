//! The loop around the [`MirrorState`]: it feeds events, and carries out writes to pods and chores in etcd.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use cairn_core::coordination::path::GroupPath;
use cairn_kit::clock;
use cairn_kit::errors::report;
use cairn_store::Store;
use cairn_store::coordination::Cleaned;
use cairn_store::etcd::Etcd;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use kube::Client;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::claims::place::Place;
use super::claims_watch::Update;
use super::desired::News;
use super::events::PodEvent;
use super::limit::RequestLimit;
use super::state::{MirrorState, Write, WriteResult};
use super::upkeep::{self, ApiServer};
use super::writer::{self, WriteError};
use super::{Counted, Metrics, pod};

/// The period of the census. People read the counts, and each change is a write to the API server.
const CENSUS_EVERY: Duration = Duration::from_secs(1);

/// The period in which dead groups are looked for. They are dead after an hour.
const GROUPS_EVERY: Duration = Duration::from_mins(1);

/// What the loop needs.
pub struct Reconciler {
    pub(super) client: Client,
    pub(super) store: Store<Arc<Etcd>>,
    pub(super) updates: mpsc::Receiver<Update>,
    pub(super) leader: watch::Receiver<bool>,
    pub(super) events: mpsc::Sender<PodEvent>,
    pub(super) counts: watch::Sender<Counted>,
    pub(super) limit: Arc<RequestLimit>,
    pub(super) metrics: Metrics,
}

// === impl Reconciler ===

impl Reconciler {
    /// Runs until one of its inputs ends.
    pub async fn run(mut self) {
        let mut state = MirrorState::default();
        let mut writes = FuturesUnordered::new();
        let mut chores = FuturesUnordered::new();
        let api = ApiServer { client: self.client.clone(), limit: Arc::clone(&self.limit) };
        let mut pods = pin!(pod::watched(self.client.clone()));
        let mut census = interval(CENSUS_EVERY);
        census.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut groups = interval(GROUPS_EVERY);
        groups.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut removals = FuturesUnordered::new();
        let mut failing = false;
        self.lead(&mut state);
        loop {
            while let Some(write) = self.next(&mut state) {
                let client = self.client.clone();
                writes.push(async move {
                    let (outcome, error) = writer::write(&client, &write).await;
                    (write, outcome, error)
                });
            }
            for chore in state.chores(Instant::now(), clock::now().wall) {
                let (store, api) = (self.store.clone(), api.clone());
                chores.push(async move {
                    let done = upkeep::perform(&store, &api, &chore).await;
                    (chore, done)
                });
            }
            let wake = state.wake().into_iter().chain(state.chores_wake()).min();
            tokio::select! {
                update = self.updates.recv() => match update {
                    Some(update) => state.update(update, Instant::now()),
                    None => return,
                },
                event = pods.next() => match event {
                    Some(Ok(event)) => state.watched(event, Instant::now()),
                    Some(Err(error)) => {
                        tracing::warn!("the watch of pods was interrupted: {}", report(&error));
                    }
                    None => return,
                },
                Some((write, outcome, error)) = writes.next(), if !writes.is_empty() => {
                    self.report(&write, error.as_ref(), &mut failing);
                    let written = matches!(outcome, WriteResult::Written(_));
                    let lag = state.written(&write.pod, outcome, Instant::now());
                    if written {
                        self.metrics.patched(lag);
                        self.publish(write);
                    }
                }
                Some((chore, done)) = chores.next(), if !chores.is_empty() => {
                    match &done {
                        Ok(()) => tracing::debug!(path = %chore.path, task = chore.task.name(), "done"),
                        Err(error) => tracing::warn!(path = %chore.path, "will try again: {}", report(error)),
                    }
                    state.chore_done(&chore, done.is_ok(), Instant::now());
                }
                changed = self.leader.changed() => match changed {
                    Ok(()) => self.lead(&mut state),
                    Err(_) => return,
                },
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
                _ = census.tick() => self.count(&mut state),
                // A group that is still there is looked at again in the next round.
                _ = groups.tick(), if removals.is_empty() => {
                    for path in state.dead_groups(Instant::now()) {
                        removals.push(remove(self.store.clone(), path));
                    }
                }
                Some(removed) = removals.next(), if !removals.is_empty() => {
                    if removed {
                        self.metrics.removed_group();
                    }
                }
            }
        }
    }

    /// The next write. Beyond the limit its pod is due again, and what is written is decided then.
    fn next(&self, state: &mut MirrorState) -> Option<Write> {
        let write = state.next(Instant::now())?;
        match self.limit.take() {
            Ok(()) => Some(write),
            Err(until) => {
                self.metrics.limited();
                state.postpone(&write.pod, until);
                None
            }
        }
    }

    fn lead(&mut self, state: &mut MirrorState) {
        let leads = *self.leader.borrow_and_update();
        self.metrics.lead(leads);
        state.lead(leads, Instant::now());
    }

    fn count(&self, state: &mut MirrorState) {
        if let Some((totals, leader_changes)) = state.totals() {
            self.metrics.coordinate(&totals, leader_changes);
        }
        if let Some(census) = state.census() {
            self.metrics.count(&census);
            self.counts.send_if_modified(|counts| {
                let census = Some(census);
                let differs = **counts != census;
                if differs {
                    *counts = Arc::new(census);
                }
                differs
            });
        }
    }

    fn publish(&self, write: Write) {
        let Write { pod, name, owner, news, .. } = write;
        for news in news {
            log(&pod.namespace, &name, &news);
            let (namespace, name, uid) = (pod.namespace.clone(), name.clone(), pod.uid.clone());
            let event = PodEvent { namespace, name, uid, owner: owner.clone(), news };
            if self.events.try_send(event).is_err() {
                tracing::debug!(pod = pod.uid, "an Event was dropped: too many at once");
            }
        }
    }

    /// Logs the first failure of a series as a warning, the others at debug level: an API server that is down fails
    /// the writes of all pods.
    fn report(&self, write: &Write, error: Option<&WriteError>, failing: &mut bool) {
        let Some(error) = error else {
            *failing = false;
            return;
        };
        self.metrics.failed();
        if *failing {
            tracing::debug!(pod = write.name, "will try again: {}", report(error));
        } else {
            tracing::warn!(pod = write.name, "will try again: {}", report(error));
        }
        *failing = true;
    }
}

/// Removes the keys of a group that has had no member for long. Answers whether they are gone.
async fn remove(store: Store<Arc<Etcd>>, path: GroupPath) -> bool {
    match store.clean_group(&path).await {
        Ok(Cleaned::Yes) => {
            tracing::info!(%path, "removed what a group without members has left");
            true
        }
        Ok(Cleaned::InUse) => {
            tracing::debug!(%path, "a group without members cannot be removed now");
            false
        }
        Err(error) => {
            tracing::warn!(%path, error = error.report(), "a group without members could not be removed");
            false
        }
    }
}

fn log(namespace: &str, pod: &str, news: &News) {
    match news {
        News::Claimed { pool, name, fence } => {
            tracing::info!(namespace, pod, %pool, name, fence, "showed the claim on the pod");
        }
        News::Waiting { pool, place: Place { before, exhausted } } => {
            tracing::info!(namespace, pod, %pool, before, exhausted, "the pod waits for a name");
        }
        News::Lost { pool, name, kept } => {
            tracing::info!(namespace, pod, %pool, name, kept, "took the lost claim off the pod");
        }
        News::Leads { group } => tracing::info!(namespace, pod, group, "the pod leads its group"),
        News::Stuck { shards, leader } => {
            tracing::warn!(namespace, pod, shards, leader, "the pod's hand-over is stuck");
        }
        News::GroupLooksGenerated { hint } => {
            tracing::info!(namespace, pod, hint, "the pod's group looks generated");
        }
    }
}
