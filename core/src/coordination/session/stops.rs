//! What the app was told to stop, until it is handed over.
//!
//! Invariants: a stop id is never used twice; the deadline of a stop moves no further; what was told to be stopping is
//! never served again under its fence.

use std::collections::{BTreeMap, BTreeSet};

use super::status::{Owned, Stopping};
use super::stop_id::StopId;
use crate::coordination::map::Shard;
use crate::coordination::owner::{Granted, Ownable};
use crate::coordination::validity::MARGIN;
use crate::time::BootInstant;

/// The stops of one process.
#[derive(Clone, Debug)]
pub(super) struct Stops {
    process: String,
    count: u64,
    required: bool,
    open: BTreeMap<Ownable, Stopping>,
}

// === impl Stops ===

impl Stops {
    /// `required`: only a confirmation ends a stop.
    pub(super) const fn new(process: String, required: bool) -> Self {
        Self { process, count: 0, required, open: BTreeMap::new() }
    }

    /// Tells the app to stop, unless it was told.
    pub(super) fn begin(&mut self, of: Ownable, fence: i64, valid_until: BootInstant) {
        if self.open.contains_key(&of) {
            return;
        }
        self.count += 1;
        let stop = StopId { process: self.process.clone(), count: self.count };
        let owned = Owned { fence };
        self.open.insert(of, Stopping { of, stop, valid_until, owned, confirmed: false });
    }

    /// The app has confirmed these. Ids of earlier stops mean nothing.
    pub(super) fn confirm(&mut self, ids: &[StopId]) {
        let ids: BTreeSet<&StopId> = ids.iter().collect();
        for stop in self.open.values_mut() {
            stop.confirmed |= ids.contains(&stop.stop);
        }
    }

    /// Forgets what is not owned under the same fence any more.
    pub(super) fn keep_owned(&mut self, own: &BTreeMap<Ownable, Granted>) {
        self.open.retain(|of, stop| {
            own.get(of).is_some_and(|granted| granted.revision == stop.owned.fence)
        });
    }

    /// The session is over.
    pub(super) fn clear(&mut self) {
        self.open.clear();
    }

    pub(super) fn contains(&self, of: Ownable) -> bool {
        self.open.contains_key(&of)
    }

    pub(super) fn shards(&self) -> impl Iterator<Item = Shard> {
        self.open.keys().filter_map(|of| match of {
            Ownable::Leader => None,
            Ownable::Shard(shard) => Some(*shard),
        })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Stopping> {
        self.open.values()
    }

    /// Whether the app does not act under the fence any more.
    pub(super) fn is_over(&self, stop: &Stopping, now: BootInstant) -> bool {
        stop.confirmed || self.ends_at(stop).is_some_and(|end| now >= end)
    }

    /// When an unconfirmed stop is over.
    pub(super) fn ends_at(&self, stop: &Stopping) -> Option<BootInstant> {
        (!self.required).then(|| stop.valid_until.after(MARGIN))
    }
}
