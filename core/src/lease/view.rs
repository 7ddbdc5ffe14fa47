//! What a read of the store shows; each view is of one revision.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::claim::OwnerRecord;
use crate::pool::PoolName;
use crate::quarantine::Quarantine;
use crate::time::UnixMillis;

/// etcd's identifier of a lease.
pub type LeaseId = i64;

/// The answer to a [`super::ReadRequest`]; all of one revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolView {
    /// That revision.
    pub revision: i64,
    /// The specs of the pod's pools, as JSON with their mod revisions.
    pub specs: Vec<(PoolName, Vec<u8>, i64)>,
    /// Whether the pool is frozen.
    pub frozen: bool,
    /// How long the freeze still lasts, where that is known.
    pub frozen_for: Option<Duration>,
    /// The epoch, when the store has one.
    pub epoch: Option<i64>,
    /// The epoch's mod revision. It moves with every freeze.
    pub epoch_revision: i64,
    /// Owner records of this pod.
    pub owners: Vec<FoundOwner>,
    /// The request did not ask for slots, quarantines and notes: this view shows none.
    pub without_lists: bool,
    /// Keys of held slots.
    pub held: HashSet<String>,
    /// Keys of slots in quarantine, or that must still go into it.
    pub quarantined: HashSet<String>,
    /// The greatest mod revision among the keys of held and quarantined slots.
    pub newest: i64,
    /// Mod revision of the queue's sentinel; 0 when nobody ever queued.
    pub sentinel: i64,
    /// Mod revision of the key that every re-claim moves; 0 before the first.
    pub reclaims: i64,
    /// Quarantined slots, by key, whose quarantine does not end by itself yet.
    pub unsettled: Vec<String>,
    /// Quarantine notes whose slot is gone: by key, the mod revision, which is the claim's revision. These slots
    /// are among the quarantined ones.
    pub notes: HashMap<String, i64>,
    /// How many tickets there are.
    pub queued: usize,
    /// Our own ticket.
    pub ticket: Option<Ticket>,
    /// The tickets before ours, when the request asked for them.
    pub ahead: Option<TicketsAhead>,
    /// The quarantine of the wanted slot, when it names a holder.
    pub wanted_quarantine: Option<Quarantine>,
    /// By the slots' keys: until when time is reserved. Empty when the request did not ask for it.
    pub clocks: HashMap<String, UnixMillis>,
}

/// An owner record as found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundOwner {
    /// The pool.
    pub pool: PoolName,
    /// The record.
    pub record: OwnerRecord,
    /// Shared with the slot.
    pub create_revision: i64,
    /// Shared with the slot.
    pub mod_revision: i64,
    /// The lease that it hangs on.
    pub lease: LeaseId,
}

/// Our own ticket as found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Its create revision.
    pub revision: i64,
    /// The lease that it hangs on.
    pub lease: LeaseId,
}

/// The tickets that were created before ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TicketsAhead {
    /// How many.
    pub rank: usize,
    /// The key of the one that is [`super::FRONT`] tickets ahead.
    pub watched_ticket: Option<String>,
}

/// What makes a rank invalid although no slot and no ticket ahead has changed: mod revisions, 0 for absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RankGuard {
    /// Of the key that every re-claim moves: a re-claim shifts the free names against the tickets.
    pub reclaims: i64,
    /// Of the epoch, which moves with every freeze: an effective rank that idle time has lowered is invalid
    /// after a freeze.
    pub epoch: i64,
}

/// The answer to [`super::Action::ReadAt`]: which slots were not free at that revision, by key. Of the
/// names that begin with one key, if only that was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PastView {
    /// Held slots, and those whose quarantine must still begin.
    pub held: HashSet<String>,
    /// Slots in quarantine.
    pub quarantined: HashSet<String>,
    /// What must not have changed since.
    pub seen: RankGuard,
}

// === impl PoolView ===

impl PoolView {
    /// What a rank of this read depends on beside the tickets and the slots.
    pub fn rank_guard(&self) -> RankGuard {
        RankGuard { reclaims: self.reclaims, epoch: self.epoch_revision }
    }
}

// === impl PastView ===

impl PastView {
    /// Whether the slot of this key was free, as far as it was asked for.
    pub(super) fn is_free(&self, key: &str) -> bool {
        !self.held.contains(key) && !self.quarantined.contains(key)
    }
}
