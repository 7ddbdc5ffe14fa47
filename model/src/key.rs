//! The keys of the store, as small values instead of strings, and the revisions they carry.

/// A pod's number.
pub(crate) type Pod = u8;
/// A pool's number, in the byte order of names.
pub(crate) type Pool = u8;
/// The key of a slot within its pool.
pub(crate) type Name = u8;
/// A revision of the store; 0 stands for "does not exist".
pub(crate) type Revision = u16;

/// Revisions that are remembered anywhere are renumbered to multiples of this. So a store whose
/// revisions start anew can write between two of them, more often than one step does.
pub(crate) const GAP: Revision = 16;

/// A key. The order is that of the store's key space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Key {
    /// The epoch.
    Epoch,
    /// A pool's spec.
    Spec(Pool),
    /// A pool's freeze: while it exists, nothing is granted.
    Freeze(Pool),
    /// A pod's owner record in a pool.
    Owner(Pod, Pool),
    /// The queue's sentinel, put by every pod that joins.
    Sentinel(Pool),
    /// Put by every re-claim ahead of the queue.
    Reclaims(Pool),
    /// A name's clock reservation.
    Clock(Pool, Name),
    /// A pod's ticket.
    Ticket(Pool, Pod),
    /// A held slot.
    Slot(Pool, Name),
    /// A name in quarantine.
    Quarantine(Pool, Name),
}

/// Keys that are listed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Range {
    /// All tickets of a pool.
    Tickets(Pool),
    /// All slots of a pool.
    Slots(Pool),
    /// All quarantines of a pool.
    Quarantines(Pool),
}

// === impl Key ===

impl Key {
    /// The pool whose waiters watch this key's range: tickets, slots and quarantines.
    pub(crate) fn watched_in(self) -> Option<Pool> {
        match self {
            Self::Ticket(pool, _) | Self::Slot(pool, _) | Self::Quarantine(pool, _) => Some(pool),
            _ => None,
        }
    }
}

// === impl Range ===

impl Range {
    pub(crate) fn contains(self, key: Key) -> bool {
        match (self, key) {
            (Self::Tickets(pool), Key::Ticket(of, _))
            | (Self::Slots(pool), Key::Slot(of, _))
            | (Self::Quarantines(pool), Key::Quarantine(of, _)) => pool == of,
            _ => false,
        }
    }
}
