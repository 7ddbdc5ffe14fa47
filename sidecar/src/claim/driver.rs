//! Carries out the lease machine's actions on a store, and tells it what came of them.
//!
//! One loop: whatever comes first of an answer, a wake-up and the shutdown goes into the machine as
//! an event; the actions that come out are started at once. An open watch is one more such answer, of
//! which there is one at most. The send instant of everything that a deadline may start from is
//! captured here, before the request leaves.

use std::sync::Arc;
use std::time::Duration;

use cairn_core::claim::ClaimState;
use cairn_core::lease::{self, Action, Event, Machine, Watch};
use cairn_core::time::BootInstant;
use cairn_kit::clock::Clock;
use cairn_store::{Class, Error, Kv, Performed, Store};
use futures::future::{Fuse, FutureExt, LocalBoxFuture};
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::time::{sleep, timeout};
use tracing::debug;
use uuid::Uuid;

use super::trouble::TroubleLog;
use super::{Deps, DriverEnd};
use crate::ids;
use crate::publish::mark;
use crate::snapshot::{Claim, Snapshot};

/// Timers stand still while the machine sleeps, deadlines do not: look at the clock this often.
const LONGEST_NAP: Duration = Duration::from_secs(1);

/// Outside a pod somebody sits before the screen: say that etcd cannot be reached, and end. Longer
/// than an election, shorter than patience.
const FIRST_CONTACT: Duration = Duration::from_secs(8);

/// How long one member may take over a part of the release. A process that is asked to stop has less than a
/// second, and the first member may be the one that is being stopped with it.
const RELEASE_PATIENCE: Duration = Duration::from_millis(250);

/// Drives one pod's claims.
#[derive(Debug)]
pub struct Driver<K> {
    store: Arc<Store<K>>,
    clock: Arc<dyn Clock>,
    machine: Machine,
    /// Since when this process asks, and which of its claims it has held.
    started: BootInstant,
    was_held: Vec<bool>,
    /// Whether the store has ever answered.
    contact: bool,
    /// What went wrong, so that it is logged once and not every second.
    trouble: TroubleLog,
    last_error: Option<Error>,
}

// === impl Driver ===

impl<K: Kv + 'static> Driver<K> {
    /// A driver that has not begun.
    pub fn new(deps: &Deps, store: Store<K>) -> Self {
        let config = &deps.config;
        let now = deps.clock.now();
        let uid = &deps.holder.uid;
        let inherited =
            config.pools.iter().filter_map(|pool| mark::inherited(&config.dir, pool, uid));
        let machine = Machine::new(lease::Config {
            holder: deps.holder.clone(),
            group: config.group.clone(),
            pools: config.pools.clone(),
            prefix: config.prefix.clone(),
            nonce: Uuid::new_v4().simple().to_string(),
            inherited: inherited.collect(),
            mint_checkpoints: ids::mark::read(&config.dir, &config.pools, uid),
            define_missing: !config.in_pod,
            in_pod: config.in_pod,
            new_store: config.new_store,
        });
        Self {
            store: Arc::new(store),
            clock: Arc::clone(&deps.clock),
            machine,
            started: now.boot,
            was_held: vec![false; config.pools.len()],
            contact: false,
            trouble: TroubleLog::default(),
            last_error: None,
        }
    }

    /// Claims, renews, and releases after the shutdown.
    pub async fn run(mut self, deps: &Deps) -> DriverEnd {
        let mut running = FuturesUnordered::new();
        let mut watching = Fuse::terminated();
        let mut event = Event::Start;
        let mut terminating = false;
        loop {
            for action in self.machine.step(self.clock.now(), event) {
                match action {
                    Action::Finish(outcome) => {
                        // Returned leases are nobody's business any more, but are worth a moment.
                        let _ = timeout(LONGEST_NAP / 5, running.collect::<Vec<_>>()).await;
                        self.publish(deps);
                        return outcome.into();
                    }
                    Action::Watch(watch) => watching = self.watch(watch).fuse(),
                    Action::Unwatch => watching = Fuse::terminated(),
                    action => running.push(self.start(action)),
                }
            }
            self.publish(deps);
            let patience = self.machine.request_timeout();
            let hurry = if terminating { RELEASE_PATIENCE } else { patience };
            self.store.kv().set_request_timeout(patience.min(hurry));
            self.store.kv().set_longest_lease(self.machine.needed_ttl());
            let given_up = !deps.config.in_pod && !self.contact && !terminating;
            event = tokio::select! {
                Some(Performed { event, error: trouble }) = running.next() => {
                    self.note(event.as_ref(), trouble, deps);
                    event.unwrap_or(Event::Tick)
                }
                event = &mut watching => event,
                () = self.nap() => Event::Tick,
                () = deps.shutdown.draining(), if !terminating => {
                    terminating = true;
                    // From here on nothing more is minted, so that the release can say how far it went.
                    for (pool, fence, until) in deps.ids.close() {
                        self.machine.note_minted(&pool, fence, until);
                    }
                    Event::Terminate
                }
            };
            let waited = self.clock.now().boot.since(self.started);
            if given_up && !self.contact && waited > FIRST_CONTACT {
                return DriverEnd::Failed(no_contact(self.last_error.as_ref()));
            }
        }
    }

    async fn nap(&self) {
        let now = self.clock.now();
        let until = self.machine.wake_at(now);
        sleep(until.map_or(LONGEST_NAP, |until| until.since(now.boot).min(LONGEST_NAP))).await;
    }

    /// Opens a watch. One that fails costs nothing but time, and is opened again after a look.
    fn watch(&self, watch: Watch) -> LocalBoxFuture<'static, Event> {
        let store = Arc::clone(&self.store);
        async move {
            match store.changed(&watch).await {
                Ok(()) => Event::Woken,
                Err(error) => {
                    debug!("{}", error.report());
                    Event::WatchEnded
                }
            }
        }
        .boxed_local()
    }

    /// Starts an action. The send instant of everything that a deadline may start from is captured
    /// here.
    fn start(&self, action: Action) -> LocalBoxFuture<'static, Performed> {
        let store = Arc::clone(&self.store);
        let clock = Arc::clone(&self.clock);
        async move { store.perform(clock.now().boot, action).await }.boxed_local()
    }

    /// Counts and logs what an answer means.
    fn note(&mut self, answer: Option<&Event>, trouble: Option<Error>, deps: &Deps) {
        match answer {
            Some(Event::Renewed(_)) => deps.metrics.renewed(),
            Some(Event::RenewingFailed) => deps.metrics.renewal_failed(),
            _ => {}
        }
        let now = self.clock.now().boot;
        let Some(error) = trouble else {
            self.contact |= answer.is_some();
            if let Some(line) = self.trouble.succeeded(now) {
                line.log();
            }
            return;
        };
        // One that refuses for the moment answers all the same; so does a cluster that may be believed
        // after a while.
        self.contact |= error.class() == Class::NotApplied
            || matches!(error, Error::OtherCluster { accepted_after: Some(_), .. });
        self.trouble.failed(now, &error).log();
        self.last_error = Some(error);
    }

    fn publish(&mut self, deps: &Deps) {
        let now = self.clock.now();
        let shown = self.machine.statuses(now);
        for (was_held, shown) in self.was_held.iter_mut().zip(&shown) {
            if shown.identity.state == ClaimState::Held && !*was_held {
                *was_held = true;
                deps.metrics.claimed_after(now.boot.since(self.started));
            }
        }
        let claims = shown.into_iter().zip(&self.was_held).map(|(shown, was_held)| Claim {
            identity: shown.identity,
            on_loss: shown.on_loss,
            quarantine: shown.quarantine,
            clock: shown.clock,
            minting: shown.minting,
            mark: shown.mark,
            was_held: *was_held,
        });
        let snapshot = Snapshot { claims: claims.collect(), failure: None };
        deps.snapshots.send_if_modified(|current| {
            let changed = **current != snapshot;
            if changed {
                *current = Arc::new(snapshot);
            }
            changed
        });
    }
}

/// Why a process without Kubernetes ends: the store has never given a good answer.
fn no_contact(last: Option<&Error>) -> String {
    match last {
        Some(error @ Error::OtherCluster { .. }) => error.report(),
        Some(error) => format!("{}; is etcd running at the --etcd address?", error.report()),
        None => "etcd does not answer; is it running at the --etcd address?".to_owned(),
    }
}

impl From<lease::EndReason> for DriverEnd {
    fn from(outcome: lease::EndReason) -> Self {
        match outcome {
            lease::EndReason::Released => Self::Released,
            lease::EndReason::Fenced(sentence) => Self::Fenced(sentence),
            lease::EndReason::Failed(sentence) => Self::Failed(sentence),
        }
    }
}

#[cfg(test)]
mod tests;
