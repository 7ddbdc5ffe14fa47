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
pub struct Ahead {
    /// How many.
    pub rank: usize,
    /// The key of the one that is [`FRONT`] places ahead.
    pub landmark: Option<String>,
}

/// The answer to [`super::Action::Claim`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// The slot is ours.
    Won(Won),
    /// A compare failed, and there is no ticket: look again.
    Outrun,
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
pub struct Past {
    /// Held slots.
    pub held: HashSet<String>,
    /// Slots in quarantine.
    pub resting: HashSet<String>,
    /// Mod revision of the key that every re-claim ahead of the queue moves.
    pub reclaims: i64,
}

/// T2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redemption {
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
    /// [`Past::reclaims`] or [`super::View::reclaims`], of the read that gave the rank: a name that
    /// was taken ahead of the queue shifts every later rank.
    pub reclaims: i64,
}

/// Leaving the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawal {
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
    pub landmark: Option<String>,
}

// === impl Claimed ===

impl Claimed {
    /// The slot, if it is ours.
    pub fn won(self) -> Option<Won> {
        match self {
            Self::Won(won) => Some(won),
            Self::Outrun | Self::Queued(_) => None,
        }
    }
}
