//! What the store holds: members, owners, the map, the epoch and the hold.
//!
//! Leases are not modelled. A member's record may vanish at any time, so the model has etcd's early ends of leases too.
//! Not for: which writes are done (`transaction.rs`).

use crate::place::{PerPod, PerShard, Pod};

/// A revision of the store. Zero: there is none.
pub(crate) type Revision = u8;

/// An epoch. Zero: the store has none.
pub(crate) type Epoch = u8;

/// A session J: the epoch, and the create revision of the member's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Session {
    pub(crate) epoch: Epoch,
    pub(crate) create: Revision,
}

/// The value of a shard's key, with its mod revision: the fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Granted {
    pub(crate) pod: Pod,
    pub(crate) session: Session,
    pub(crate) revision: Revision,
}

/// A member's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Member {
    pub(crate) create: Revision,
    pub(crate) modified: Revision,
    pub(crate) nonce: u8,
    pub(crate) draining: bool,
}

/// The map in force: a number that stands for its count of shards, with the mod revision of its key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ShardMap {
    pub(crate) count: u8,
    pub(crate) revision: Revision,
}

/// The leader's value: its place in the order in which values were put, with the mod revision of its key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LeaderValue {
    pub(crate) number: u8,
    pub(crate) revision: Revision,
}

/// Whether owners may change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Hold {
    /// They may.
    #[default]
    None,
    /// A hold without a lease: it lasts until it is put on one.
    Unsettled,
    /// A hold on a lease of so many more ticks.
    Left(u8),
}

/// The keys of one group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Store {
    pub(crate) revision: Revision,
    pub(crate) epoch: Epoch,
    pub(crate) hold: Hold,
    pub(crate) members: PerPod<Option<Member>>,
    pub(crate) owners: PerShard<Option<Granted>>,
    pub(crate) map: ShardMap,
    pub(crate) value: LeaderValue,
    /// The pods that are kept out.
    pub(crate) out: PerPod<bool>,
}

// === impl Hold ===

impl Hold {
    pub(crate) fn is_there(self) -> bool {
        self != Self::None
    }

    pub(crate) fn tick(&mut self) {
        if let Self::Left(left) = self {
            *left = left.saturating_sub(1);
            if *left == 0 {
                *self = Self::None;
            }
        }
    }
}

// === impl Store ===

impl Store {
    /// Whether the record of a session is there.
    pub(crate) fn has(&self, pod: Pod, session: Session) -> bool {
        self.members[pod].is_some_and(|member| member.create == session.create)
    }

    /// Whether no shard has an owner.
    pub(crate) fn is_free(&self) -> bool {
        self.owners.values().into_iter().all(Option::is_none)
    }

    /// Every revision in it, to be renumbered.
    pub(crate) fn revisions(&mut self, visit: &mut impl FnMut(&mut Revision)) {
        visit(&mut self.revision);
        visit(&mut self.map.revision);
        visit(&mut self.value.revision);
        for member in self.members.values_mut().into_iter().flatten() {
            visit(&mut member.create);
            visit(&mut member.modified);
        }
        for granted in self.owners.values_mut().into_iter().flatten() {
            granted.revisions(visit);
        }
    }
}

// === impl Granted ===

impl Granted {
    pub(crate) fn revisions(&mut self, visit: &mut impl FnMut(&mut Revision)) {
        visit(&mut self.session.create);
        visit(&mut self.revision);
    }
}
