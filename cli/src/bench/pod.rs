//! One pod of a herd: a lease machine and the loop that drives it on a store.
//!
//! The same machine and the same transactions as a sidecar's, without what a sidecar publishes.

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

use super::hold_mode::HoldMode;
use super::race::{Held, Reporter, Told};

/// Timers stand still while the machine sleeps, deadlines do not: look as often as a sidecar does.
const LONGEST_NAP: Duration = Duration::from_secs(1);

/// A machine for the pod of this number.
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

/// Claims, renews, and tells what came of it.
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
            reporter.tell(Told::Queued(queued.revision));
        }
        for action in machine.step(clock::now(), event) {
            match action {
                Action::Finish(_) => {
                    // The lease goes back before the pod is gone.
                    while running.next().await.is_some() {}
                    reporter.tell(Told::Ended);
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
                (Some(held), HoldMode::Keep) => reporter.tell(Told::Held(held)),
                (Some(held), HoldMode::Release) => {
                    reporter.tell(Told::Held(held));
                    event = Event::Terminate;
                    continue;
                }
                (None, HoldMode::Keep) => reporter.tell(Told::Lost),
                (None, HoldMode::Release) => {}
            }
        }
        event = tokio::select! {
            Some(Performed { event, error: trouble }) = running.next() => {
                if trouble.is_some() {
                    reporter.tell(Told::Failed);
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

fn slot(machine: &Machine, rounds: usize) -> Option<Held> {
    let shown = machine.statuses(clock::now()).into_iter().next()?;
    let slot = shown.identity.slot.filter(|_| shown.identity.state == ClaimState::Held)?;
    Some(Held { index: slot.index?, revision: slot.fence.revision, rounds })
}
