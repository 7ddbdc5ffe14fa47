//! One pod: the lease machine of the sidecar and the sidecar's store, on a connection of its own.
//!
//! Not for: files, probes and the API, and enrolment.

use std::sync::Arc;
use std::time::Duration;

use cairn_core::claim::{ClaimState, Fence};
use cairn_core::lease::{Action, Event, Machine};
use cairn_kit::clock;
use cairn_store::etcd::Etcd;
use cairn_store::{Kv as _, Performed, Store};
use futures::future::{Fuse, FutureExt as _};
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::roll::Roll;

/// The longest time between two looks at the clock; it is that of a sidecar.
const LONGEST_NAP: Duration = Duration::from_secs(1);

/// Claims and renews until `end`, then releases. Writes everything down in the roll.
pub(super) async fn live(
    store: Arc<Store<Etcd>>,
    mut machine: Machine,
    number: usize,
    roll: Arc<Roll>,
    mut end: oneshot::Receiver<()>,
) {
    let mut running = FuturesUnordered::new();
    let mut watching = Fuse::terminated();
    let mut event = Event::Start;
    let mut ending = false;
    loop {
        for action in machine.step(clock::now(), event) {
            match action {
                Action::Finish(reason) => {
                    // Pending requests, such as the revocation of the lease, end first.
                    while running.next().await.is_some() {}
                    return roll.ended(number, &reason);
                }
                Action::Watch(watch) => {
                    let store = Arc::clone(&store);
                    watching = async move { store.changed(&watch).await }.boxed().fuse();
                }
                Action::Unwatch => watching = Fuse::terminated(),
                action => {
                    roll.sent();
                    running.push(perform(Arc::clone(&store), action).boxed());
                }
            }
        }
        store.kv().set_request_timeout(machine.request_timeout());
        roll.shows(number, slot(&machine), ending);
        event = tokio::select! {
            Some(Performed { event, error }) = running.next() => {
                if let Some(error) = error {
                    roll.failed(&error);
                }
                event.unwrap_or(Event::Tick)
            }
            changed = &mut watching => changed.map_or(Event::WatchEnded, |()| Event::Woken),
            _ = &mut end, if !ending => {
                ending = true;
                Event::Terminate
            }
            () = nap(&machine) => Event::Tick,
        };
    }
}

async fn perform(store: Arc<Store<Etcd>>, action: Action) -> Performed {
    let now = clock::now();
    store.perform(now.boot, action).await
}

async fn nap(machine: &Machine) {
    let now = clock::now();
    let until = machine.wake_at(now);
    sleep(until.map_or(LONGEST_NAP, |until| until.since(now.boot).min(LONGEST_NAP))).await;
}

/// The name that is held, and its fence.
fn slot(machine: &Machine) -> Option<(usize, Fence)> {
    let shown = machine.statuses(clock::now()).into_iter().next()?;
    let slot = shown.identity.slot.filter(|_| shown.identity.state == ClaimState::Held)?;
    Some((slot.index?, slot.fence))
}
