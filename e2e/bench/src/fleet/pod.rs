//! One pod: its witness writes down what happens in the roll.
//!
//! Not for: files, probes and the API, and enrolment.

use std::sync::Arc;

use cairn_core::lease::{Action, EndReason, Machine};
use cairn_herd::pod::{HeldSlot, Witness, drive};
use cairn_store::etcd::Etcd;
use cairn_store::{Error, Store};
use futures::future::FutureExt as _;
use tokio::sync::oneshot;

use super::roll::Roll;

/// Which pod it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) number: usize,
    /// The number of its pool.
    pub(super) pool: usize,
}

/// Writes into the roll.
struct Entry {
    place: Place,
    roll: Arc<Roll>,
}

/// Claims and renews until `end`, then releases.
pub(super) async fn live(
    store: Arc<Store<Etcd>>,
    machine: Machine,
    place: Place,
    roll: Arc<Roll>,
    end: oneshot::Receiver<()>,
) {
    drive(store, machine, Entry { place, roll }, end.map(drop)).await;
}

// === impl Entry ===

impl Witness for Entry {
    fn sent(&mut self, _action: &Action) {
        self.roll.sent();
    }

    fn failed(&mut self, error: &Error) {
        self.roll.failed(error);
    }

    fn shows(&mut self, held: Option<HeldSlot>, ending: bool) -> bool {
        let name = held.map(|(index, fence)| ((self.place.pool, index), fence));
        self.roll.shows(self.place.number, name, ending);
        false
    }

    fn ended(&mut self, reason: &EndReason) {
        self.roll.ended(self.place.number, reason);
    }
}
