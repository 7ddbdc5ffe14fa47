//! Measures the plan: the first map, and one member that joins or drains.

use std::hint::black_box;
use std::time::Duration;

use cairn_core::coordination::map::{KeyHash, ShardMap};
use cairn_core::coordination::member::SessionId;
use cairn_core::coordination::plan::{CURRENT, Candidate, Input, Plan, plan};
use cairn_core::time::UnixMillis;

use super::group::Group;
use super::timing::median;

/// The shards of the measurement: the most that a group may have.
pub const SHARDS: u32 = 10_000;

/// The advice of the documentation: ten times as many shards as members.
const SHARDS_PER_MEMBER: u32 = 10;

/// A plan is carried out in rounds, because a member gives at most a tenth of its shards at a time.
const MOST_ROUNDS: usize = 1000;

/// The time of a plan.
#[derive(Clone, Debug)]
pub struct Planned {
    /// Over how many members.
    pub members: usize,
    /// The first map.
    pub first: Duration,
    /// One has joined.
    pub joins: Duration,
    /// How many moves that plan has.
    pub join_moves: usize,
    /// One drains.
    pub drains: Duration,
    /// How many moves that plan has.
    pub drain_moves: usize,
    /// Nothing is to be done.
    pub rest: Duration,
}

/// Members, and the shards that they own by plans.
#[derive(Clone, Debug)]
pub struct Members {
    shards: u32,
    uids: Vec<String>,
    numbers: Vec<usize>,
    /// The owner of each shard, by its place.
    owners: Vec<Option<usize>>,
    created: usize,
}

/// Measures plans of 10,000 shards.
pub fn measure(members: usize) -> Planned {
    let empty = Members::without(SHARDS, members);
    let mut group = empty.clone();
    group.settle(&[]);
    let mut more = group.clone();
    more.add();
    let of = |group: &Members, draining: &[usize]| {
        let moves = group.plan(draining).moves.len();
        (median(|| drop(black_box(group.plan(draining)))), moves)
    };
    let (first, _) = of(&empty, &[]);
    let (rest, _) = of(&group, &[]);
    let (joins, join_moves) = of(&more, &[]);
    let (drains, drain_moves) = of(&group, &[3]);
    Planned { members, first, joins, join_moves, drains, drain_moves, rest }
}

// === impl Members ===

impl Members {
    /// Members that own as many shards as the documentation advises.
    pub fn new(members: usize) -> Self {
        let mut group = Self::without(shards_for(members), members);
        group.settle(&[]);
        group
    }

    /// Members of which none owns a shard.
    fn without(shards: u32, members: usize) -> Self {
        let owners = vec![None; shards as usize];
        let mut group = Self { shards, uids: Vec::new(), numbers: Vec::new(), owners, created: 0 };
        for _ in 0..members {
            group.add();
        }
        group
    }

    /// One more joins, and gets its shards.
    pub fn join(&mut self) {
        self.add();
        self.settle(&[]);
    }

    /// The one at this place drains and leaves.
    pub fn leave(&mut self, place: usize) {
        self.settle(&[place]);
        self.uids.remove(place);
        self.numbers.remove(place);
        for owner in self.owners.iter_mut().flatten().filter(|owner| **owner > place) {
            *owner -= 1;
        }
    }

    /// How many shards there are.
    pub const fn shards(&self) -> u32 {
        self.shards
    }

    /// The members' UIDs.
    pub fn uids(&self) -> &[String] {
        &self.uids
    }

    /// The members' numbers, which stay theirs.
    pub fn numbers(&self) -> impl Iterator<Item = usize> {
        self.numbers.iter().copied()
    }

    /// The number of the owner of each shard.
    pub fn owned(&self) -> impl Iterator<Item = (u32, usize)> {
        let owners = (0..).zip(&self.owners);
        owners.filter_map(|(shard, owner)| Some((shard, *self.numbers.get((*owner)?)?)))
    }

    fn add(&mut self) {
        self.uids.push(Group::uid(self.created));
        self.numbers.push(self.created);
        self.created += 1;
    }

    /// Carries plans out until nothing is to be done.
    fn settle(&mut self, draining: &[usize]) {
        for _ in 0..MOST_ROUNDS {
            let moves = self.plan(draining).moves;
            if moves.is_empty() {
                return;
            }
            for next in moves {
                if let Some(owner) = self.owners.get_mut(next.shard as usize) {
                    *owner = Some(next.to);
                }
            }
        }
    }

    fn plan(&self, draining: &[usize]) -> Plan {
        let members: Vec<Candidate<'_>> = (0..)
            .zip(&self.uids)
            .map(|(place, uid)| Candidate {
                uid,
                weight: 100,
                generation: "6c8d7f9b54",
                admitted: UnixMillis(1_795_230_000_000),
                session: SessionId { epoch: 1, revision: 1 },
                draining: draining.contains(&place),
                resigned: false,
            })
            .collect();
        plan(&Input {
            map: ShardMap { shards: self.shards, hash: KeyHash::Xxh64 },
            version: CURRENT,
            members: &members,
            owners: &self.owners,
            orphans: &[],
            stopping: &[],
            may_balance: draining.is_empty(),
            passed_over: &[],
        })
    }
}

/// The number of shards of a group that never has more than so many members.
fn shards_for(members: usize) -> u32 {
    u32::try_from(members).unwrap_or(u32::MAX).saturating_mul(SHARDS_PER_MEMBER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loads(group: &Members) -> Vec<usize> {
        let load = |number| group.owned().filter(|(_, owner)| *owner == number).count();
        group.numbers().map(load).collect()
    }

    #[test]
    fn members_own_their_quota_before_and_after_one_joins_or_leaves() {
        let mut group = Members::new(10);
        assert_eq!(loads(&group), [10; 10]);
        group.join();
        let joined = loads(&group);
        assert_eq!(joined.len(), 11);
        assert_eq!(joined.iter().sum::<usize>(), 100);
        assert!(joined.iter().all(|load| (9..=10).contains(load)), "{joined:?}");
        group.leave(0);
        assert_eq!(loads(&group), [10; 10]);
        assert!(group.numbers().eq(1..11));
    }
}
