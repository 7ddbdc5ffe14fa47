//! What the machine and a store say to each other about waiting (PROTOCOL, T2 and Waiting).
//!
//! A ticket's place is its create revision: the rank of a ticket is the number of tickets created
//! before it. The k-th ticket takes the k-th free name. When one such pair is done both lists lose
//! that element, every other pair stays as it was, and nobody tries what another is about to take.

use std::collections::HashSet;

use super::{LeaseId, Won};
use crate::claim::SlotRecord;
use crate::keys::ClaimPath;

/// So many waiting pods watch every release and may overtake an abandoned ticket; those behind them
/// watch the ticket so many places ahead. Enough for a burst of releases, few enough that one
/// release does not wake a whole herd.
pub const FRONT: usize = 16;

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
    /// The key of the one that is [`FRONT`] places ahead.
    pub watched_ticket: Option<String>,
}

/// The answer to [`super::Action::Claim`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimAnswer {
    /// The slot is ours.
    Won(Won),
    /// A compare failed, and there is no ticket: look again.
    Conflict,
    /// We wait.
    Queued(Queued),
}

/// A ticket that was made, or was there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queued {
    /// The ticket's create revision.
    pub revision: i64,
    /// Its rank at that very revision; `None` when it was there already.
    pub rank: Option<usize>,
}

/// Which slots were not free at some revision, by their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PastView {
    /// Held slots.
    pub held: HashSet<String>,
    /// Slots in quarantine.
    pub quarantined: HashSet<String>,
    /// What else must not have changed since.
    pub seen: RankGuard,
}

/// What makes a rank void although no slot and no ticket ahead has changed: mod revisions, 0 for
/// absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RankGuard {
    /// Of the key that every re-claim ahead of the queue moves: the names behind it shift.
    pub reclaims: i64,
    /// Of the epoch, which moves with every hold: a rank that silence has lowered is void after one.
    pub epoch: i64,
}

/// T2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedeemRequest {
    /// Where.
    pub path: ClaimPath,
    /// Which slot, by key.
    pub key: String,
    /// The slot's value.
    pub record: SlotRecord,
    /// The lease that all keys hang on.
    pub lease: LeaseId,
    /// The ticket's create revision.
    pub ticket: i64,
    /// The spec's mod revision as read.
    pub spec: i64,
    /// From the same read as the rank.
    pub seen: RankGuard,
}

/// Leaving the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaveQueueRequest {
    /// Where.
    pub path: ClaimPath,
    /// Whose ticket.
    pub uid: String,
    /// Its create revision; `None` when the transaction that may have made it had no answer.
    pub ticket: Option<i64>,
}

/// What a waiting pod wants to be woken by: the pool's spec and hold, and either every release and
/// every departure from the queue, or the departure of one ticket ahead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// Where.
    pub path: ClaimPath,
    /// Changes from this revision on.
    pub from: i64,
    /// The ticket to watch; `None` in the front of the queue.
    pub watched_ticket: Option<String>,
}

// === impl Claimed ===

impl ClaimAnswer {
    /// The slot, if it is ours.
    pub fn won(self) -> Option<Won> {
        match self {
            Self::Won(won) => Some(won),
            Self::Conflict | Self::Queued(_) => None,
        }
    }
}
