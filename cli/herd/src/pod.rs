//! One pod of the benchmark: a lease machine and the loop that drives it on a store.
//!
//! The machine and the transactions are those of a sidecar. Nothing is published.

use std::sync::Arc;
use std::time::Duration;

use cairn_core::claim::{ClaimState, Holder};
use cairn_core::lease::{Action, Config, Event, Machine};
use cairn_core::pool::PoolName;
use cairn_kit::clock;
use cairn_store::{Kv, Performed, Store};
use futures::future::{Fuse, FutureExt};
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::time::sleep;

use crate::claimants::{HeldName, Reporter, Update};
use crate::hold_mode::HoldMode;

/// The longest time between two looks at the clock; it is that of a sidecar.
const LONGEST_NAP: Duration = Duration::from_secs(1);

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
    mut machine: Machine,
    mode: HoldMode,
    reporter: Reporter,
) {
    let mut running = FuturesUnordered::new();
    let mut watching = Fuse::terminated();
    let mut event = Event::Start;
    let mut held = None;
    let mut rounds = 0;
    loop {
        if let Event::Queued(queued) = &event {
            reporter.tell(Update::Queued(queued.revision));
        }
        for action in machine.step(clock::now(), event) {
            match action {
                Action::Finish(_) => {
                    // Pending requests, such as the revocation of the lease, end first.
                    while running.next().await.is_some() {}
                    reporter.tell(Update::Ended);
                    return;
                }
                Action::Watch(watch) => {
                    let store = Arc::clone(&store);
                    let changed = async move { store.changed(&watch).await };
                    watching = changed.boxed().fuse();
                }
                Action::Unwatch => watching = Fuse::terminated(),
                action => {
                    rounds += usize::from(!matches!(action, Action::Renew { .. }));
                    running.push(perform(Arc::clone(&store), action).boxed());
                }
            }
        }
        let holds = slot(&machine, rounds);
        if holds.is_some() != held.is_some() {
            held = holds;
            match (held, mode) {
                (Some(held), HoldMode::Keep) => reporter.tell(Update::Held(held)),
                (Some(held), HoldMode::Release) => {
                    reporter.tell(Update::Held(held));
                    event = Event::Terminate;
                    continue;
                }
                (None, HoldMode::Keep) => reporter.tell(Update::Lost),
                (None, HoldMode::Release) => {}
            }
        }
        event = tokio::select! {
            Some(Performed { event, error }) = running.next() => {
                if error.is_some() {
                    reporter.tell(Update::Failed);
                }
                event.unwrap_or(Event::Tick)
            }
            changed = &mut watching => changed.map_or(Event::WatchEnded, |()| Event::Woken),
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

fn slot(machine: &Machine, rounds: usize) -> Option<HeldName> {
    let shown = machine.statuses(clock::now()).into_iter().next()?;
    let slot = shown.identity.slot.filter(|_| shown.identity.state == ClaimState::Held)?;
    Some(HeldName { index: slot.index?, revision: slot.fence.revision, rounds })
}
