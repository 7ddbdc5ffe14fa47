//! The judge: pure functions from what holders did and what etcd did to what must not have happened.
//!
//! It is sound rather than sharp: whatever a slow machine can explain is not reported.

use std::fmt;

use cairn_core::claim::Fence;

use crate::boottime::Nanos;
use crate::history::History;
use crate::journal::Evidence;
use crate::pools::Layout;

pub mod deposed;
pub mod environment;
pub mod grants;
pub mod ids;
pub mod outlived;
pub mod overlap;
pub mod replay;
pub mod trail;

/// What was violated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Two pods could use one name at the same time.
    Overlap,
    /// Two apps ran with one identity in their variables at the same time.
    SharedIdentity,
    /// A pod could use a name longer than its slot allows.
    Outlived,
    /// As [`Kind::Outlived`] or [`Kind::Overlap`], but a member of etcd that had been frozen has just
    /// gone on: [`deposed`] says what such a leader does to leases. No request of ours does it.
    Deposed,
    /// A later holder of a name has no greater fence.
    FenceOrder,
    /// A resting name was given out.
    ClaimedWhileResting,
    /// A pod has two names of one pool.
    TwoNames,
    /// A pod that holds a name stands in its pool's queue.
    HolderQueues,
    /// A waiting pod was passed over.
    Overtaken,
    /// An app used a claim that etcd never made.
    NeverGranted,
    /// An ID was minted twice.
    DuplicateId,
    /// A name is not free although nobody who lives has it.
    LostName,
    /// A pod waits although a name is free.
    Starved,
    /// A sidecar ended though nobody asked it to.
    Died,
}

/// Something that must not have happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What.
    pub kind: Kind,
    /// The instant around which to look.
    pub at: Nanos,
    /// The prefix of the keys that it is about; empty when it is about none.
    pub place: String,
    /// The name that it is about; empty when it is about none.
    pub name: String,
    /// The fence of the claim that was broken; the default when there is none.
    pub fence: Fence,
    /// In a sentence.
    pub text: String,
}

/// Everything that the evidence and the history prove.
pub fn judge(layout: &Layout, evidence: &Evidence, history: &History) -> Vec<Violation> {
    let mut found = overlap::check(&evidence.holds);
    found.extend(outlived::check(layout, &evidence.holds, history));
    deposed::attribute(&mut found, &evidence.thaws, history);
    found.extend(environment::check(layout, evidence, history).0);
    found.extend(ids::check(&evidence.minted));
    let (violations, granted) = replay::check(layout, history, &evidence.stalls);
    found.extend(violations);
    found.extend(grants::check(&evidence.holds, history, &granted));
    found.sort_by_key(|violation| violation.at);
    found
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of {}{}: {}", self.kind, self.place, self.name, self.text)
    }
}
