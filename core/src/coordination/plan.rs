//! The plan: which member should hand which shard to whom (docs/coordination.md, The plan).
//!
//! Every member computes the whole plan on its own picture and carries out its own part: the moves whose `from` it is,
//! and the moves without a `from` whose `to` it is. The plan is a function of its input: integers, no clock, no chance,
//! and the order of the members does not matter.
//!
//! Invariants:
//! - a member within its quota neither gives nor takes a shard that has an owner;
//! - a draining member takes nothing;
//! - carrying out moves leads to an empty plan.
//!
//! Not for: when the plan may be carried out. Holds, takeover delays, calm, the wait before the first map, and which
//! members are passed over are of [`super::session`].

mod exceptions;
mod generation;
mod leader;
mod planner;
mod quota;
mod recipients;

use super::map::{Shard, ShardMap};
use super::member::SessionId;
use crate::time::UnixMillis;

pub use leader::leader;

use planner::Planner;

/// The plan version that this code computes and announces in its record.
pub const CURRENT: u32 = 1;

/// What the plan is made of.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The map in force.
    pub map: ShardMap,
    /// The plan version by which to plan: [`agreed`].
    pub version: u32,
    /// Who may own shards, and the draining members that still do. Other members are left out.
    pub members: &'a [Candidate<'a>],
    /// The owner of each shard by its number, as an index into `members`. `None`: the shard is free, or its owner's
    /// session has ended, or its owner is left out of `members`. Shards beyond the end of the slice are free.
    pub owners: &'a [Option<usize>],
    /// Shards whose owner's session has ended, with the member that is a later session of the same pod (C6 c).
    pub orphans: &'a [(Shard, usize)],
    /// Shards that the member that plans was told to stop. They are handed over in any case, to itself if need be.
    pub stopping: &'a [Shard],
    /// Whether members above their quota give shards to members below it.
    pub may_balance: bool,
    /// Members that did not take an available shard in time: the shard goes to another.
    pub passed_over: &'a [(Shard, usize)],
}

/// A member that may own or does own something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// The pod's UID.
    pub uid: &'a str,
    /// How much it takes in proportion to others, at least 1.
    pub weight: u32,
    /// The generation of the workload.
    pub generation: &'a str,
    /// When the pod was admitted.
    pub admitted: UnixMillis,
    /// Its session.
    pub session: SessionId,
    /// It gives all away and takes nothing.
    pub draining: bool,
    /// It has resigned the leadership. Shards do not depend on it.
    pub resigned: bool,
}

/// Who should hand what to whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// At most one move per shard.
    pub moves: Vec<Move>,
}

/// A shard that should have another owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Move {
    /// The shard.
    pub shard: Shard,
    /// The member that hands it over (C5), an index into [`Input::members`]; `None`: `to` claims it or takes it over
    /// (C4, C6).
    pub from: Option<usize>,
    /// Its next owner. The same as `from` when a stopping shard stays: its owner hands it to itself, for a new fence.
    pub to: usize,
}

/// The version that all plan by: the lowest that anybody announces, so that members of two versions have one plan.
/// Versions above [`CURRENT`] are not known here and count as it; our own record is among them.
pub fn agreed(announced: impl IntoIterator<Item = u32>) -> u32 {
    announced.into_iter().fold(CURRENT, u32::min).max(1)
}

/// The moves that lead from the owners to the quotas.
///
/// In this order: what returns to its member (own orphans, stopping shards of a member that has room), available
/// shards (free ones, orphans, draining members', stopping ones), surplus. Each in the order of shards.
pub fn plan(input: &Input<'_>) -> Plan {
    // Version 1 is the only one. The next one is chosen here by `input.version`.
    plan_by(input, |member| u64::from(member.weight.max(1)))
}

/// The plan with another reading of weights: what a second plan version could differ in.
fn plan_by(input: &Input<'_>, weight: impl Fn(&Candidate<'_>) -> u64) -> Plan {
    let mut planner = Planner::new(input, weight);
    planner.give_back();
    planner.place_available();
    if input.may_balance {
        planner.balance();
    }
    planner.finish()
}

// === impl Input ===

impl Input<'_> {
    /// The owner of each shard of the map, in the order of shards. An owner that is not in `members` is none.
    fn owners(&self) -> impl Iterator<Item = Option<usize>> {
        let known = |owner: Option<usize>| owner.filter(|index| *index < self.members.len());
        let beyond = std::iter::repeat(None);
        let shards = usize::try_from(self.map.shards).unwrap_or(usize::MAX);
        self.owners.iter().copied().map(known).chain(beyond).take(shards)
    }

    fn owner(&self, shard: Shard) -> Option<usize> {
        let owner = self.owners.get(usize::try_from(shard).ok()?).copied().flatten();
        owner.filter(|index| *index < self.members.len())
    }

    fn in_map(&self, shard: Shard) -> bool {
        shard < self.map.shards
    }

    fn is_draining(&self, member: usize) -> bool {
        self.members.get(member).is_some_and(|member| member.draining)
    }
}

#[cfg(test)]
mod tests;
