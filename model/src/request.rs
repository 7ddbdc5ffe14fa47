//! The requests of a client, with everything that the store's transaction depends on.

use std::fmt;

use crate::clock::Stamp;
use crate::key::{Name, Pod, Pool, Revision};
use crate::spec::Spec;
use crate::txn::LeaseId;

/// The caller, its pool, and the lease for new keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Caller {
    pub(crate) pod: Pod,
    pub(crate) nonce: u8,
    pub(crate) pool: Pool,
    pub(crate) lease: Option<LeaseId>,
}

/// A pool's spec as seen, and the mod revision that stands for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Terms {
    pub(crate) spec: Spec,
    pub(crate) revision: Revision,
    /// V of a claim: that of the spec, or what the lease has room for.
    pub(crate) validity: u8,
}

/// Mod revisions from the read of the rank. A change of one of them invalidates the rank.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RankGuard {
    pub(crate) reclaims: Revision,
    pub(crate) epoch: Revision,
}

/// An own slot as found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AdoptRequest {
    pub(crate) name: Name,
    pub(crate) create: Revision,
    pub(crate) modified: Revision,
    pub(crate) validity: u8,
    pub(crate) quarantine: u8,
    pub(crate) lease: Option<LeaseId>,
}

/// The lease of a quarantine after a force release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum QuarantineLease {
    /// One that was granted before.
    Granted(LeaseId),
    /// None. Whoever reads it grants one of this number of ticks.
    Unsettled(u8),
}

/// What a release records in the quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum QuarantineRecord {
    /// Nothing: the app has ended.
    Nothing,
    /// The pod's number, until the lease of the quarantine expires.
    Pod,
    /// The pod's number, for as long as the pod lives: no lease.
    PodForLife,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Request {
    /// Grant a lease and read (T0).
    Begin,
    /// Read (T0). A waiter that wakes up does it too.
    Read,
    /// T1: this name, or else a ticket.
    Claim { name: Name, sentinel: Revision, terms: Terms, seen: Option<Stamp> },
    /// T1 without its first branch: a ticket.
    Join { terms: Terms },
    /// Read at a new ticket's revision: slots and quarantines as they were when it was created.
    ReadAt { ticket: Revision, rank: Option<u8>, terms: Terms },
    /// T2: this name for the ticket.
    Redeem { name: Name, ticket: Revision, guard: RankGuard, terms: Terms, seen: Option<Stamp> },
    /// T3: become the younger incarnation of the pod's own slot, on the slot's lease.
    Adopt(AdoptRequest),
    /// T4: reserve timestamps.
    Reserve { name: Name, own_mod_revision: Revision, seen: Revision, until: i8 },
    /// T5: release the slot into a quarantine on the lease `quarantine`.
    Release {
        name: Name,
        create: Revision,
        own_mod_revision: Revision,
        quarantine: LeaseId,
        record: QuarantineRecord,
        emitted: Option<i8>,
    },
    /// T6: release the slot by force, into a quarantine.
    ForceRelease { holder: Pod, name: Name, create: Revision, quarantine: QuarantineLease },
    /// T7: the name that the pod had, ahead of the queue. During a freeze only before the deadline. `quarantine` is the
    /// mod revision of the quarantine that names the pod.
    Reclaim { name: Name, terms: Terms, despite_freeze: bool, quarantine: Option<Revision> },
    /// After an ambiguous result: reads whether the request was applied. If not, it is sent again.
    Confirm(Box<Self>),
    /// Revoke a lease.
    Revoke(LeaseId),
}

/// A request that its sender has given up, or a copy of one. It may land late, or never.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LateRequest {
    pub(crate) caller: Caller,
    pub(crate) request: Request,
}

// === impl Request ===

impl Request {
    /// Whether it can change the store. Otherwise a late copy has no effect.
    pub(crate) fn writes(&self) -> bool {
        !matches!(self, Self::Begin | Self::Read | Self::ReadAt { .. } | Self::Confirm(_))
    }

    /// Every revision in it, to be renumbered.
    pub(crate) fn revisions(&mut self, visit: &mut dyn FnMut(&mut Revision)) {
        match self {
            Self::Begin | Self::Read | Self::Revoke(_) => {}
            Self::Claim { sentinel, terms, seen, .. } => {
                visit(sentinel);
                visit(&mut terms.revision);
                if let Some(stamp) = seen {
                    visit(&mut stamp.revision);
                }
            }
            Self::Join { terms } => visit(&mut terms.revision),
            Self::Reclaim { terms, quarantine, .. } => {
                visit(&mut terms.revision);
                quarantine.iter_mut().for_each(visit);
            }
            Self::ReadAt { ticket, terms, .. } => {
                visit(ticket);
                visit(&mut terms.revision);
            }
            Self::Redeem { ticket, guard, terms, seen, .. } => {
                visit(ticket);
                visit(&mut guard.reclaims);
                visit(&mut guard.epoch);
                visit(&mut terms.revision);
                if let Some(stamp) = seen {
                    visit(&mut stamp.revision);
                }
            }
            Self::Adopt(adoption) => {
                visit(&mut adoption.create);
                visit(&mut adoption.modified);
            }
            Self::Reserve { own_mod_revision, seen, .. } => {
                visit(own_mod_revision);
                visit(seen);
            }
            Self::Release { create, own_mod_revision, .. } => {
                visit(create);
                visit(own_mod_revision);
            }
            Self::ForceRelease { create, .. } => visit(create),
            Self::Confirm(request) => request.revisions(visit),
        }
    }

    /// Timestamps in it are relative to the present.
    pub(crate) fn tick(&mut self) {
        match self {
            Self::Claim { seen: Some(stamp), .. } | Self::Redeem { seen: Some(stamp), .. } => {
                stamp.until = crate::clock::age(stamp.until);
            }
            Self::Reserve { until, .. } | Self::Release { emitted: Some(until), .. } => {
                *until = crate::clock::age(*until);
            }
            Self::Confirm(request) => request.tick(),
            _ => {}
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begin => write!(f, "a grant and T0"),
            Self::Read => write!(f, "T0"),
            Self::Claim { name, terms, .. } => {
                write!(f, "T1 for name {name} with V {}, or else a ticket", terms.validity)
            }
            Self::Join { .. } => write!(f, "T1 for a ticket"),
            Self::ReadAt { ticket, .. } => write!(f, "a read at revision {ticket}"),
            Self::Redeem { name, ticket, terms, .. } => {
                write!(f, "T2 for name {name} with V {}, ticket {ticket}", terms.validity)
            }
            Self::Adopt(adoption) => write!(f, "T3 of name {}", adoption.name),
            Self::Reserve { name, until, .. } => write!(f, "T4 for name {name} until {until}"),
            Self::Release { name, own_mod_revision, .. } => {
                write!(f, "T5 of name {name}, mod {own_mod_revision}")
            }
            Self::ForceRelease {
                name, create, quarantine: QuarantineLease::Granted(_), ..
            } => {
                write!(
                    f,
                    "T6 of name {name}, fence {create}, into a quarantine on a lease granted before"
                )
            }
            Self::ForceRelease {
                name,
                create,
                quarantine: QuarantineLease::Unsettled(ticks),
                ..
            } => {
                write!(
                    f,
                    "T6 of name {name}, fence {create}, into a quarantine of {ticks} without a lease"
                )
            }
            Self::Reclaim { name, despite_freeze, quarantine, .. } => {
                let source = if quarantine.is_some() { " out of its quarantine" } else { "" };
                write!(
                    f,
                    "T7 of name {name}{source}{}",
                    if *despite_freeze { ", also during a freeze" } else { "" }
                )
            }
            Self::Confirm(request) => write!(f, "a get of the owner key after {request}"),
            Self::Revoke(lease) => write!(f, "a revocation of {lease:?}"),
        }
    }
}
