//! The checker: pure functions from journal and history to violations.
//!
//! It is sound and not complete: what a slow machine can explain is not reported.

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
pub mod timeline;

/// What was violated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Two pods could use one name at the same time.
    Overlap,
    /// Two apps ran with one identity in their variables at the same time.
    SharedIdentity,
    /// A pod could use a name longer than its slot allows.
    Outlived,
    /// As [`Kind::Outlived`], but a frozen member of etcd has just been continued, and no request of Cairn ended the
    /// slot: [`deposed`] describes what such a leader does to leases.
    Deposed,
    /// A later holder of a name has no greater fence.
    FenceOrder,
    /// A name was granted during its quarantine.
    ClaimedWhileResting,
    /// A pod holds two names of one pool.
    TwoNames,
    /// A pod that holds a name has a ticket for the same path.
    HolderQueues,
    /// A waiting pod was overtaken.
    Overtaken,
    /// An app used a claim that etcd never granted.
    NeverGranted,
    /// An ID was minted twice.
    DuplicateId,
    /// A name is not free although no living pod holds it.
    LostName,
    /// A pod waits although a name is free.
    Starved,
    /// A sidecar ended unexpectedly.
    Died,
}

/// A violation of what Cairn promises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What was violated.
    pub kind: Kind,
    /// The instant at which it was seen; the centre of its timeline.
    pub at: Nanos,
    /// The path, as the common prefix of its keys; empty when it is about none.
    pub path: String,
    /// The name; empty when it is about none.
    pub name: String,
    /// The fence of the violated claim; the default when it is about none.
    pub fence: Fence,
    /// The description.
    pub text: String,
}

/// All violations that evidence and history prove.
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
        write!(f, "{:?} of {}{}: {}", self.kind, self.path, self.name, self.text)
    }
}
