//! Drives the session of one pod: carries out the actions of the session machine on a store and passes their results
//! back as events. It decides nothing itself (`docs/coordination.md`).
//!
//! One loop: the first of an answer, a watch event, an order, a change of the claims, a timer and the shutdown goes
//! into the machine. The actions that it returns start at once. There is at most one watch. Deadlines start from the
//! instant at which a request is sent; it is read here, before the request leaves.

use std::sync::Arc;
use std::time::Duration;

use cairn_core::coordination::member::{ClaimedName, MemberState};
use cairn_core::coordination::path::GroupPath;
use cairn_core::coordination::picture::Changes;
use cairn_core::coordination::session::{Action, EndReason, Event, Machine, Status};
use cairn_core::coordination::write::{How, WriteAnswer, WriteKind};
use cairn_core::time::BootInstant;
use cairn_core::time_limits::TimeLimits;
use cairn_kit::clock::Clock;
use cairn_store::coordination::{Coordination as Group, Performed, Watch};
use cairn_store::{Error, Kv, Store};
use futures::future::LocalBoxFuture;
use futures::stream::{self, FuturesUnordered, LocalBoxStream, StreamExt};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::debug;

use crate::claim::Deps;
use crate::coordination::{Done, Link, Order, Told, next_order};
use crate::failures::FailureLog;
use crate::snapshot::Snapshot;

mod gate;
mod wanted;

/// The longest time between two looks at the clock: timers stop while the machine is suspended, and deadlines do not.
const LONGEST_NAP: Duration = Duration::from_secs(1);

/// The request timeout while leaving: a process has less than a second after SIGTERM.
const LEAVE_TIMEOUT: Duration = Duration::from_millis(250);

/// For revokes that are pending at the end. A lease that is not revoked expires by itself.
const REVOKE_TIMEOUT: Duration = Duration::from_millis(200);

/// Drives the session of one pod.
pub struct Driver<K> {
    group: Group<K>,
    store: Arc<Store<K>>,
    clock: Arc<dyn Clock>,
    machine: Machine,
    link: Link,
    snapshots: watch::Sender<Arc<Snapshot>>,
    watching: LocalBoxStream<'static, Result<Changes, Error>>,
    running: FuturesUnordered<LocalBoxFuture<'static, Performed>>,
    /// The changes of owners in the write under way.
    giving: (u64, u64),
    /// The status that was told last.
    last: Option<Arc<Status>>,
    had_session: bool,
    participated: bool,
    claims: Vec<ClaimedName>,
    failures: FailureLog,
    /// Since when the app's heartbeat is missed.
    missed: Option<BootInstant>,
    /// How many plans were counted.
    plans: u64,
    /// An order that came before this driver.
    first: Option<Order>,
    /// The pod is being deleted: there is no other session after this one.
    drained: bool,
    finished: Option<EndReason>,
}

/// How a driver has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Why.
    pub reason: EndReason,
    /// The pod is being deleted. Else only a missed heartbeat makes a session leave before the shutdown.
    pub drained: bool,
    /// The app does not call, and is no new one.
    pub silent: bool,
}

// === impl Driver ===

impl<K: Kv + 'static> Driver<K> {
    /// A driver that has not started.
    pub fn new(deps: &Deps, link: Link, path: GroupPath, store: Store<K>) -> Self {
        let store = Arc::new(store);
        let uid = deps.holder.uid.clone();
        let machine = Machine::new(wanted::config(deps, &link));
        Self {
            group: Group::new(Arc::clone(&store), path, uid),
            store,
            clock: Arc::clone(&deps.clock),
            machine,
            link,
            snapshots: deps.snapshots.clone(),
            watching: stream::pending().boxed_local(),
            running: FuturesUnordered::new(),
            giving: (0, 0),
            last: None,
            had_session: false,
            participated: false,
            claims: Vec::new(),
            failures: FailureLog::default(),
            missed: None,
            plans: 0,
            first: None,
            drained: false,
            finished: None,
        }
    }

    /// Carries this order out first.
    #[must_use]
    pub fn beginning_with(self, first: Option<Order>) -> Self {
        Self { first, ..self }
    }

    /// Keeps the session until it is over.
    pub async fn run(mut self, deps: &Deps) -> Ended {
        let orders = Arc::clone(&self.link.orders);
        let mut orders = orders.lock().await;
        let mut snapshots = deps.snapshots.subscribe();
        let mut terminating = false;
        let mut event = Event::Start;
        let alone = deps.config.pools.is_empty();
        loop {
            if alone {
                // Else the driver of the claims does it, for both.
                let validity = self.link.own.config.terms.validity;
                let usual = validity.request_timeout();
                let limit = if terminating { usual.min(LEAVE_TIMEOUT) } else { usual };
                self.store.kv().set_time_limits(TimeLimits::fixed(limit));
                self.store.kv().set_longest_lease(validity.lease_ttl());
            }
            self.step(event);
            if let Some(reason) = self.finished.take() {
                let pending = std::mem::take(&mut self.running);
                let _ = timeout(REVOKE_TIMEOUT, pending.collect::<Vec<_>>()).await;
                self.ended(&reason, deps.shutdown.is_draining());
                return Ended { reason, drained: self.drained, silent: self.is_silent() };
            }
            self.tell();
            if let Some(first) = self.first.take() {
                event = self.ordered(first);
                continue;
            }
            let pause = self.pause();
            let restarts = self.link.restarts.clone();
            event = tokio::select! {
                Some(done) = self.running.next() => self.performed(done),
                found = self.watching.next() => self.watched(found),
                order = next_order(&mut orders) => self.ordered(order),
                Ok(()) = snapshots.changed() => self.claimed(&snapshots.borrow_and_update()),
                () = sleep(pause) => Event::Tick,
                () = restarts.all_new(), if self.is_silent() => Event::Tick,
                () = deps.shutdown.draining(), if !terminating => {
                    terminating = true;
                    Event::Terminate
                }
            };
        }
    }

    /// Takes an event in and starts what follows from it.
    fn step(&mut self, event: Event) {
        for action in self.machine.step(self.clock.now(), event) {
            match action {
                Action::Finish(reason) => self.finished = Some(reason),
                Action::Watch { from, shards, progress, elsewhere } => {
                    let watch = Watch { from, shards, progress, elsewhere };
                    self.watching = self.group.watch(watch).boxed_local();
                }
                Action::Unwatch => self.watching = stream::pending().boxed_local(),
                action => self.start(action),
            }
        }
        let plans = self.machine.plans();
        self.link.counters.plans.inc_by(plans - std::mem::replace(&mut self.plans, plans));
    }

    /// Starts an action. Deadlines start from the instant that is read here.
    fn start(&mut self, action: Action) {
        if let Action::Write(write) = &action {
            self.giving = given_and_taken(&write.kind);
        }
        let (group, clock) = (self.group.clone(), Arc::clone(&self.clock));
        self.running.push(Box::pin(async move {
            let sent = clock.now().boot;
            group.perform(sent, action).await
        }));
    }

    fn performed(&mut self, done: Performed) -> Event {
        let Performed { event, error } = done;
        let counters = &self.link.counters;
        match &event {
            Some(Event::Renewed(_)) => {
                counters.renewals.inc();
            }
            Some(Event::RenewFailed(_)) => {
                counters.renewal_failures.inc();
            }
            Some(Event::Written(WriteAnswer::Committed { .. })) => {
                let (given, taken) = std::mem::take(&mut self.giving);
                counters.hand_overs.inc_by(given);
                counters.takeovers.inc_by(taken);
            }
            _ => {}
        }
        let now = self.clock.now().boot;
        match error {
            Some(error) => self.failures.failed(now, &error).log(),
            None => {
                if let Some(line) = self.failures.succeeded(now) {
                    line.log();
                }
            }
        }
        event.unwrap_or(Event::Tick)
    }

    fn watched(&mut self, found: Option<Result<Changes, Error>>) -> Event {
        match found {
            Some(Ok(changes)) => Event::Changed(changes),
            Some(Err(error)) => {
                debug!("{}", error.report());
                self.watching = stream::pending().boxed_local();
                Event::WatchEnded(error.report())
            }
            None => {
                self.watching = stream::pending().boxed_local();
                Event::WatchEnded("the watch has ended".to_owned())
            }
        }
    }

    fn ordered(&mut self, order: Order) -> Event {
        match order {
            Order::Drain => {
                self.drained = true;
                Event::Drain
            }
            // Nobody waits for the answer any more: a heartbeat of then is none of now.
            Order::Command(_, reply) if reply.is_closed() => Event::Tick,
            Order::Command(command, reply) => {
                let now = self.clock.now();
                let puts_before = self.machine.status(now).leader.puts;
                let answer = self.machine.command(now, command);
                // What follows is told before the answer, and begins at once.
                if let Err(refusal) = answer {
                    let _ = reply.send(Err(refusal));
                } else {
                    self.step(Event::Tick);
                    self.tell();
                    let status = Arc::new(self.machine.status(self.clock.now()));
                    let record = self.machine.wanted_record();
                    let _ = reply.send(Ok(Done { status, record, puts_before }));
                }
                Event::Tick
            }
        }
    }

    /// The claims go into the record once they are held.
    fn claimed(&mut self, snapshot: &Snapshot) -> Event {
        let claims = snapshot.claims.iter().filter(|claim| claim.is_held());
        let claims: Vec<_> = claims
            .filter_map(|claim| {
                let identity = &claim.status.identity;
                let slot = identity.slot.as_ref()?;
                Some(ClaimedName { pool: identity.pool.to_string(), name: slot.name.clone() })
            })
            .collect();
        if claims == self.claims {
            return Event::Tick;
        }
        self.claims.clone_from(&claims);
        Event::Claims(claims)
    }

    fn pause(&self) -> Duration {
        let now = self.clock.now();
        let until = self.machine.wake_at(now);
        until.map_or(LONGEST_NAP, |until| until.since(now.boot).min(LONGEST_NAP))
    }

    /// Tells what the machine says, if it has changed.
    fn tell(&mut self) {
        let status = self.machine.status(self.clock.now());
        self.had_session |= status.session.is_some();
        self.participated |= status.state != MemberState::Viewer;
        let gate = self.gate(&status);
        self.snapshots.send_if_modified(|snapshot| {
            let changed = snapshot.coordination.as_ref() != Some(&gate);
            if changed {
                Arc::make_mut(snapshot).coordination = Some(gate);
            }
            changed
        });
        if self.last.as_deref() == Some(&status) {
            return;
        }
        let status = Arc::new(status);
        self.link.told.send_replace(Arc::new(Told {
            status: self.had_session.then(|| Arc::clone(&status)),
            waiting: status.reason.clone().unwrap_or_default(),
            ended: false,
        }));
        self.last = Some(status);
    }

    fn ended(&mut self, reason: &EndReason, shutdown: bool) {
        let mut status = self.machine.status(self.clock.now());
        if let EndReason::Failed(why) | EndReason::Fenced(why) = reason {
            status.reason = Some(why.clone());
        }
        let waiting = status.reason.clone().unwrap_or_default();
        let status = self.had_session.then(|| Arc::new(status));
        // Without a heartbeat the member has left, and another session follows.
        let ended = shutdown || self.drained || *reason != EndReason::Left;
        self.link.told.send_replace(Arc::new(Told { status, waiting, ended }));
    }
}

/// How many owners a write gives to others, and how many it takes.
fn given_and_taken(kind: &WriteKind) -> (u64, u64) {
    let WriteKind::Owners { changes, .. } = kind else { return (0, 0) };
    changes.iter().fold((0, 0), |(given, taken), change| match change.how {
        How::HandOver { .. } => (given + 1, taken),
        How::Claim { .. } | How::TakeOver { .. } => (given, taken + 1),
        How::Free { .. } => (given, taken),
    })
}
