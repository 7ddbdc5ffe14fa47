//! One pod of a benchmark: a lease machine and the loop that drives it on a store.
//!
//! The machine, the transactions and the time limits are those of a sidecar. Nothing is published.

use std::future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use cairn_core::claim::{ClaimState, Fence, Holder};
use cairn_core::lease::{Action, Config, EndReason, Event, Machine};
use cairn_core::pool::PoolName;
use cairn_kit::clock;
use cairn_store::{Error, Kv, Performed, Store};
use futures::future::{Fuse, FutureExt};
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::time::sleep;

use crate::claimants::{HeldName, Reporter, Update};
use crate::hold_mode::HoldMode;

/// The longest time between two looks at the clock; it is that of a sidecar.
const LONGEST_NAP: Duration = Duration::from_secs(1);

/// A name that a pod holds: its index in the pool, and the fence.
pub type HeldSlot = (usize, Fence);

/// Is told what a pod does.
pub trait Witness {
    /// The next event of the machine.
    fn event(&mut self, _event: &Event) {}
    /// A request is sent.
    fn sent(&mut self, _action: &Action) {}
    /// A request has failed.
    fn failed(&mut self, error: &Error);
    /// What the pod holds now. `ending`: it was told to end. The answer is whether it ends now.
    fn shows(&mut self, held: Option<HeldSlot>, ending: bool) -> bool;
    /// The pod has ended.
    fn ended(&mut self, reason: &EndReason);
}

/// Reports to the claimants of a herd.
struct Reports {
    mode: HoldMode,
    reporter: Reporter,
    rounds: usize,
    holds: bool,
}

/// The lease machine of pod `number`.
pub fn machine(namespace: &str, pool: &PoolName, number: usize) -> Machine {
    let uid = format!("pod-{number}");
    Machine::new(Config {
        holder: Holder {
            namespace: namespace.to_owned(),
            pod: uid.clone(),
            uid: uid.clone(),
            ..Holder::default()
        },
        group: None,
        pools: vec![pool.clone()],
        prefix: None,
        nonce: uid,
        inherited: Vec::new(),
        mint_checkpoints: Vec::new(),
        define_missing: false,
        in_pod: false,
        new_store: false,
    })
}

/// Claims and renews, and reports each change.
pub async fn live<K: Kv + 'static>(
    store: Arc<Store<K>>,
    machine: Machine,
    mode: HoldMode,
    reporter: Reporter,
) {
    let reports = Reports { mode, reporter, rounds: 0, holds: false };
    drive(store, machine, reports, future::pending()).await;
}

/// Claims and renews until `end` or until the witness says so, then releases.
pub async fn drive<K: Kv + 'static>(
    store: Arc<Store<K>>,
    mut machine: Machine,
    mut witness: impl Witness,
    end: impl Future<Output = ()>,
) {
    let mut end = pin!(end);
    let mut running = FuturesUnordered::new();
    let mut watching = Fuse::terminated();
    let mut event = Event::Start;
    let mut ending = false;
    loop {
        witness.event(&event);
        for action in machine.step(clock::now(), event) {
            match action {
                Action::Finish(reason) => {
                    // Pending requests, such as the revocation of the lease, end first.
                    while running.next().await.is_some() {}
                    return witness.ended(&reason);
                }
                Action::Watch(watch) => {
                    let store = Arc::clone(&store);
                    let changed = async move { store.changed(&watch).await };
                    watching = changed.boxed().fuse();
                }
                Action::Unwatch => watching = Fuse::terminated(),
                action => {
                    witness.sent(&action);
                    running.push(perform(Arc::clone(&store), action).boxed());
                }
            }
        }
        store.kv().set_time_limits(machine.time_limits());
        if witness.shows(held(&machine), ending) && !ending {
            ending = true;
            event = Event::Terminate;
            continue;
        }
        event = tokio::select! {
            Some(Performed { event, error }) = running.next() => {
                if let Some(error) = error {
                    witness.failed(&error);
                }
                event.unwrap_or(Event::Tick)
            }
            changed = &mut watching => changed.map_or(Event::WatchEnded, |()| Event::Woken),
            () = &mut end, if !ending => {
                ending = true;
                Event::Terminate
            }
            () = nap(&machine) => Event::Tick,
        };
    }
}

async fn perform<K: Kv>(store: Arc<Store<K>>, action: Action) -> Performed {
    let now = clock::now();
    store.perform(now.boot, action).await
}

async fn nap(machine: &Machine) {
    let now = clock::now();
    let until = machine.wake_at(now);
    sleep(until.map_or(LONGEST_NAP, |until| until.since(now.boot).min(LONGEST_NAP))).await;
}

fn held(machine: &Machine) -> Option<HeldSlot> {
    let shown = machine.statuses(clock::now()).into_iter().next()?;
    let slot = shown.identity.slot.filter(|_| shown.identity.state == ClaimState::Held)?;
    Some((slot.index?, slot.fence))
}

// === impl Reports ===

impl Witness for Reports {
    fn event(&mut self, event: &Event) {
        if let Event::Queued(queued) = event {
            self.reporter.tell(Update::Queued(queued.revision));
        }
    }

    fn sent(&mut self, action: &Action) {
        self.rounds += usize::from(!matches!(action, Action::Renew { .. }));
    }

    fn failed(&mut self, _error: &Error) {
        self.reporter.tell(Update::Failed);
    }

    fn shows(&mut self, held: Option<HeldSlot>, _ending: bool) -> bool {
        if held.is_some() == self.holds {
            return false;
        }
        self.holds = held.is_some();
        let rounds = self.rounds;
        match (held, self.mode) {
            (Some((index, fence)), mode) => {
                let held = HeldName { index, revision: fence.revision, rounds };
                self.reporter.tell(Update::Held(held));
                mode == HoldMode::Release
            }
            (None, HoldMode::Keep) => {
                self.reporter.tell(Update::Lost);
                false
            }
            (None, HoldMode::Release) => false,
        }
    }

    fn ended(&mut self, _reason: &EndReason) {
        self.reporter.tell(Update::Ended);
    }
}
