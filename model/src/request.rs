//! What a client asks of the store, and everything the store's transaction depends on.

use std::fmt;

use crate::clock::Stamp;
use crate::key::{Name, Pod, Pool, Revision};
use crate::spec::Spec;
use crate::txn::LeaseId;

/// Who asks, for which pool, and the lease that new keys are to hang on.
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
    /// V as a claim gets it: the spec's, or what the lease has room for.
    pub(crate) validity: u8,
}

/// What a rank was read beside: mod revisions of what moves tickets against names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Since {
    pub(crate) shift: Revision,
    pub(crate) epoch: Revision,
}

/// An own slot as found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Adoption {
    pub(crate) name: Name,
    pub(crate) create: Revision,
    pub(crate) modified: Revision,
    pub(crate) validity: u8,
    pub(crate) quarantine: u8,
    pub(crate) lease: Option<LeaseId>,
}

/// How a name that was taken away comes to rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Rest {
    /// On a lease that was granted before.
    On(LeaseId),
    /// Without a lease, until somebody has seen it and grants one for these ticks.
    Unsettled(u8),
}

/// What a release leaves of the pod in the quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Leaves {
    /// Nothing: the app has ended.
    Nothing,
    /// The pod's number, until the lease `rest` runs out.
    Pod,
    /// The pod's number, for as long as the pod lives: no lease.
    PodForLife,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Request {
    /// Grant a lease and read (T0).
    Begin,
    /// Read (T0), as a waiter does too when it wakes up.
    Read,
    /// T1: this name, or else a ticket.
    Claim { name: Name, sentinel: Revision, terms: Terms, seen: Option<Stamp> },
    /// T1 without its first branch: a ticket.
    Queue { terms: Terms },
    /// The first look of a new ticket: slots and quarantines as they were when it was created.
    ReadAt { ticket: Revision, rank: Option<u8>, terms: Terms },
    /// T2: this name for our ticket.
    Take { name: Name, ticket: Revision, since: Since, terms: Terms, seen: Option<Stamp> },
    /// T3: be the younger incarnation in our own slot, on the lease that it hangs on.
    Adopt(Adoption),
    /// T4: reserve timestamps.
    Reserve { name: Name, own_mod_revision: Revision, seen: Revision, until: i8 },
    /// T5: give the slot back, into a quarantine on the lease `rest`.
    Release {
        name: Name,
        create: Revision,
        own_mod_revision: Revision,
        rest: LeaseId,
        leaves: Leaves,
        emitted: Option<i8>,
    },
    /// T6: take the slot away, into a quarantine.
    Force { holder: Pod, name: Name, create: Revision, rest: Rest },
    /// T7: the name that we had, ahead of the queue; during a hold only with a deadline not passed. `rest` is the
    /// mod revision of the quarantine that names us.
    Reclaim { name: Name, terms: Terms, holding: bool, rest: Option<Revision> },
    /// After an ambiguous result: did it land? And what to send again if not.
    Confirm(Box<Self>),
    /// Give a lease back.
    Revoke(LeaseId),
}

/// A request that its sender has given up, or a second copy of one: it may land late, or never.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Stray {
    pub(crate) caller: Caller,
    pub(crate) request: Request,
}

// === impl Request ===

impl Request {
    /// Whether it can change the store: only then a late copy matters.
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
            Self::Queue { terms } => visit(&mut terms.revision),
            Self::Reclaim { terms, rest, .. } => {
                visit(&mut terms.revision);
                rest.iter_mut().for_each(visit);
            }
            Self::ReadAt { ticket, terms, .. } => {
                visit(ticket);
                visit(&mut terms.revision);
            }
            Self::Take { ticket, since, terms, seen, .. } => {
                visit(ticket);
                visit(&mut since.shift);
                visit(&mut since.epoch);
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
            Self::Force { create, .. } => visit(create),
            Self::Confirm(request) => request.revisions(visit),
        }
    }

    /// Timestamps in it are relative to the present.
    pub(crate) fn tick(&mut self) {
        match self {
            Self::Claim { seen: Some(stamp), .. } | Self::Take { seen: Some(stamp), .. } => {
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
            Self::Queue { .. } => write!(f, "T1 for a ticket"),
            Self::ReadAt { ticket, .. } => write!(f, "a read at revision {ticket}"),
            Self::Take { name, ticket, terms, .. } => {
                write!(f, "T2 for name {name} with V {}, ticket {ticket}", terms.validity)
            }
            Self::Adopt(adoption) => write!(f, "T3 of name {}", adoption.name),
            Self::Reserve { name, until, .. } => write!(f, "T4 for name {name} until {until}"),
            Self::Release { name, own_mod_revision, .. } => {
                write!(f, "T5 of name {name}, mod {own_mod_revision}")
            }
            Self::Force { name, create, rest: Rest::On(_), .. } => {
                write!(f, "T6 of name {name}, fence {create}, at rest on a lease granted before")
            }
            Self::Force { name, create, rest: Rest::Unsettled(ticks), .. } => {
                write!(f, "T6 of name {name}, fence {create}, to rest for {ticks}")
            }
            Self::Reclaim { name, holding, rest, .. } => {
                let rest = if rest.is_some() { " out of its rest" } else { "" };
                write!(f, "T7 of name {name}{rest}{}", if *holding { ", hold or not" } else { "" })
            }
            Self::Confirm(request) => write!(f, "a get of the owner key after {request}"),
            Self::Revoke(lease) => write!(f, "a revocation of {lease:?}"),
        }
    }
}
