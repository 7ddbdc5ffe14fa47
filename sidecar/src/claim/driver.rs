//! Carries out the actions of the lease machine on a store and passes their results back as events.
//!
//! One loop: the first of a response, a watch event, a timer and the shutdown goes into the machine as an event. The
//! actions that the machine returns start at once. There is at most one watch. Deadlines start from the instant at
//! which a request is sent; it is read here, before the request leaves.

use std::future;
use std::sync::Arc;
use std::time::Duration;

use cairn_core::claim::ClaimState;
use cairn_core::lease::{self, Action, EndReason, Event, Machine, Watch};
use cairn_core::time::BootInstant;
use cairn_kit::clock::Clock;
use cairn_store::{Class, Error, Kv, Performed, Store};
use futures::future::{Fuse, FutureExt, LocalBoxFuture};
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::debug;
use uuid::Uuid;

use super::Deps;
use crate::failures::FailureLog;
use crate::ids;
use crate::publish::mark;
use crate::snapshot::{Claim, Snapshot};

/// The longest time between two looks at the clock: timers stop while the machine is suspended, and deadlines do not.
const LONGEST_NAP: Duration = Duration::from_secs(1);

/// Outside a pod the process ends if etcd does not answer within this time, so that the user sees why. It is longer
/// than an election of etcd.
const FIRST_CONTACT: Duration = Duration::from_secs(8);

/// The request timeout during the release. A process has less than a second after SIGTERM, and the member that it
/// asks first may be shutting down too.
const RELEASE_TIMEOUT: Duration = Duration::from_millis(250);

/// For revokes that are pending at the end. A lease that is not revoked expires by itself.
const REVOKE_TIMEOUT: Duration = Duration::from_millis(200);

/// Drives the claims of one pod.
#[derive(Debug)]
pub struct Driver<K> {
    store: Arc<Store<K>>,
    clock: Arc<dyn Clock>,
    machine: Machine,
    started: BootInstant,
    /// For each claim, whether this process has held it.
    was_held: Vec<bool>,
    /// Whether the store has ever responded.
    had_contact: bool,
    failures: FailureLog,
    last_error: Option<Error>,
}

// === impl Driver ===

impl<K: Kv + 'static> Driver<K> {
    /// A driver that has not started.
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
            mint_checkpoints: ids::checkpoint::read(&config.dir, &config.pools, uid),
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
            had_contact: false,
            failures: FailureLog::default(),
            last_error: None,
        }
    }

    /// Claims and renews until the shutdown, and then releases.
    pub async fn run(mut self, deps: &Deps) -> EndReason {
        let mut running = FuturesUnordered::new();
        let mut watching = Fuse::terminated();
        let mut event = Event::Start;
        let mut terminating = false;
        let mut snapshots = deps.snapshots.subscribe();
        // The app has missed its heartbeat.
        let mut silent = false;
        loop {
            for action in self.machine.step(self.clock.now(), event) {
                match action {
                    Action::Finish(reason) => {
                        let _ = timeout(REVOKE_TIMEOUT, running.collect::<Vec<_>>()).await;
                        self.publish(deps);
                        return reason;
                    }
                    Action::Watch(watch) => watching = self.watch(watch).fuse(),
                    Action::Unwatch => watching = Fuse::terminated(),
                    action => running.push(self.start(action)),
                }
            }
            self.publish(deps);
            let usual = self.machine.time_limits();
            // The session shares the connection.
            let session = deps.config.coordination.as_ref().map(|own| own.terms.validity);
            let usual = session.map_or(usual, |validity| usual.at_most(validity.request_timeout()));
            let needed = self.machine.needed_ttl();
            let needed = session.map_or(needed, |validity| needed.max(validity.lease_ttl()));
            let limits = if terminating { usual.at_most(RELEASE_TIMEOUT) } else { usual };
            self.store.kv().set_time_limits(limits);
            self.store.kv().set_longest_lease(needed);
            let may_give_up = !deps.config.in_pod && !self.had_contact && !terminating;
            event = tokio::select! {
                Some(Performed { event, error }) = running.next() => {
                    self.record(event.as_ref(), error, deps);
                    event.unwrap_or(Event::Tick)
                }
                event = &mut watching => event,
                () = self.nap() => Event::Tick,
                () = app_changed(&mut snapshots, silent) => {
                    silent = !silent;
                    Event::Silent(silent)
                }
                () = deps.shutdown.draining(), if !terminating => {
                    terminating = true;
                    // Minting ends first, so that the release can record the last timestamp.
                    for (pool, fence, until) in deps.ids.close() {
                        self.machine.note_minted(&pool, fence, until);
                    }
                    Event::Terminate
                }
            };
            let waited = self.clock.now().boot.since(self.started);
            if may_give_up && !self.had_contact && waited > FIRST_CONTACT {
                return EndReason::Failed(no_contact(self.last_error.as_ref()));
            }
        }
    }

    async fn nap(&self) {
        let now = self.clock.now();
        let until = self.machine.wake_at(now);
        sleep(until.map_or(LONGEST_NAP, |until| until.since(now.boot).min(LONGEST_NAP))).await;
    }

    /// Opens a watch. After a failure the machine reads the pool again and opens a new watch.
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

    /// Starts an action. Deadlines start from the instant that is read here.
    fn start(&self, action: Action) -> LocalBoxFuture<'static, Performed> {
        let store = Arc::clone(&self.store);
        let clock = Arc::clone(&self.clock);
        async move { store.perform(clock.now().boot, action).await }.boxed_local()
    }

    /// Counts and logs the result of an action.
    fn record(&mut self, event: Option<&Event>, error: Option<Error>, deps: &Deps) {
        let now = self.clock.now().boot;
        match event {
            Some(Event::Renewed(renewal)) => {
                deps.metrics.renewed(now.since(renewal.sent), slack(&deps.snapshots.borrow(), now));
            }
            Some(Event::RenewingFailed { .. }) => deps.metrics.renewal_failed(),
            _ => {}
        }
        let Some(error) = error else {
            self.had_contact |= event.is_some();
            if let Some(line) = self.failures.succeeded(now) {
                line.log();
            }
            return;
        };
        // A store that did not apply the request has responded. So has another cluster that is accepted later.
        self.had_contact |= error.class() == Class::NotApplied
            || matches!(error, Error::OtherCluster { accepted_after: Some(_), .. });
        self.failures.failed(now, &error).log();
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
        let claims = shown.into_iter().zip(&self.was_held);
        let claims = claims.map(|(status, was_held)| Claim { status, was_held: *was_held });
        let claims: Vec<_> = claims.collect();
        deps.snapshots.send_if_modified(|current| {
            let changed = current.claims != claims || current.failure.is_some();
            if changed {
                let coordination = current.coordination.clone();
                *current = Arc::new(Snapshot { claims, failure: None, coordination });
            }
            changed
        });
    }
}

/// How long the claims would still have been believed without the renewal that was answered now: the shortest of them.
fn slack(snapshot: &Snapshot, now: BootInstant) -> Option<Duration> {
    let slots = snapshot.claims.iter().filter_map(|claim| claim.status.identity.slot.as_ref());
    slots.map(|slot| slot.valid_until_boottime.since(now)).min()
}

/// Waits until the session's driver tells that the app does not call any more, or is back.
async fn app_changed(snapshots: &mut watch::Receiver<Arc<Snapshot>>, silent: bool) {
    let changed = snapshots.wait_for(|snapshot| snapshot.app_is_silent() != silent).await.is_ok();
    if !changed {
        future::pending::<()>().await;
    }
}

/// Why a process outside a pod ends: the store has never responded.
fn no_contact(last: Option<&Error>) -> String {
    match last {
        Some(error @ Error::OtherCluster { .. }) => error.report(),
        Some(error) => format!("{}; is etcd running at the --etcd address?", error.report()),
        None => "etcd does not answer; is it running at the --etcd address?".to_owned(),
    }
}

#[cfg(test)]
mod tests;
