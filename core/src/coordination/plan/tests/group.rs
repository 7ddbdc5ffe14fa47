//! A group whose members carry out the plan.

use proptest::prelude::*;

use crate::coordination::map::{KeyHash, Shard, ShardMap};
use crate::coordination::member::SessionId;
use crate::coordination::plan::{Candidate, Input, Plan, plan, plan_by};
use crate::time::UnixMillis;

/// A member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pod {
    pub(super) uid: String,
    pub(super) weight: u32,
    pub(super) generation: u8,
    pub(super) admitted: i64,
    pub(super) draining: bool,
}

/// A group.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) pods: Vec<Pod>,
    pub(super) owners: Vec<Option<usize>>,
    pub(super) orphans: Vec<(Shard, usize)>,
    pub(super) stopping: Vec<Shard>,
    pub(super) passed_over: Vec<(Shard, usize)>,
    pub(super) may_balance: bool,
    /// A plan that takes all weights as equal: what another plan version could do.
    pub(super) ignores_weights: bool,
}

// === impl Pod ===

impl Pod {
    pub(super) fn new(uid: &str, generation: u8, admitted: i64) -> Self {
        Self { uid: uid.to_owned(), weight: 100, generation, admitted, draining: false }
    }

    fn candidate(&self) -> Candidate<'_> {
        Candidate {
            uid: &self.uid,
            weight: self.weight,
            generation: ["0", "1", "2", "3"][usize::from(self.generation)],
            admitted: UnixMillis(self.admitted),
            session: SessionId { epoch: 1, revision: self.admitted },
            draining: self.draining,
            resigned: false,
        }
    }
}

// === impl Group ===

impl Group {
    /// All shards are free.
    pub(super) fn new(pods: Vec<Pod>, shards: usize) -> Self {
        Self {
            pods,
            owners: vec![None; shards],
            orphans: Vec::new(),
            stopping: Vec::new(),
            passed_over: Vec::new(),
            may_balance: true,
            ignores_weights: false,
        }
    }

    /// `count` pods of one generation.
    pub(super) fn of(count: usize, shards: usize) -> Self {
        let pod = |index: usize| Pod::new(&format!("pod-{index}"), 1, 10);
        Self::new((0..count).map(pod).collect(), shards)
    }

    pub(super) fn plan(&self) -> Plan {
        let members: Vec<_> = self.pods.iter().map(Pod::candidate).collect();
        let input = Input {
            map: ShardMap {
                shards: u32::try_from(self.owners.len()).unwrap(),
                hash: KeyHash::Xxh64,
            },
            version: 1,
            members: &members,
            owners: &self.owners,
            orphans: &self.orphans,
            stopping: &self.stopping,
            may_balance: self.may_balance,
            passed_over: &self.passed_over,
        };
        if self.ignores_weights { plan_by(&input, |_| 1) } else { plan(&input) }
    }

    pub(super) fn apply(&mut self, plan: &Plan) {
        for next in &plan.moves {
            self.owners[at(next.shard)] = Some(next.to);
        }
        self.orphans.clear();
        self.stopping.clear();
    }

    /// Carries out plans until nothing is left; answers the number of moves and of plans.
    pub(super) fn settle(&mut self) -> (usize, usize) {
        let mut moves = 0;
        for plans in 0.. {
            let plan = self.plan();
            if plan.moves.is_empty() {
                return (moves, plans);
            }
            assert!(plans < 2 * self.owners.len() + 2, "the plan does not end: {self:?}");
            moves += plan.moves.len();
            self.apply(&plan);
        }
        unreachable!()
    }

    pub(super) fn held(&self) -> Vec<u64> {
        let held = |pod| self.owners.iter().filter(|owner| **owner == Some(pod)).count() as u64;
        (0..self.pods.len()).map(held).collect()
    }

    /// The quotas, computed slowly: one shard of the rest after the other.
    pub(super) fn quotas(&self) -> Vec<u64> {
        let weight = |pod: &Pod| if pod.draining { 0 } else { u64::from(pod.weight) };
        let shards = self.owners.len() as u64;
        let total: u64 = self.pods.iter().map(weight).sum();
        let mut held = self.held();
        for (_, pod) in &self.orphans {
            held[*pod] += 1;
        }
        if total == 0 {
            return vec![0; self.pods.len()];
        }
        let mut quotas: Vec<u64> =
            self.pods.iter().map(|pod| shards * weight(pod) / total).collect();
        let mut waiting: Vec<usize> =
            (0..self.pods.len()).filter(|pod| !self.pods[*pod].draining).collect();
        while quotas.iter().sum::<u64>() < shards {
            let whole = |pod: usize| shards * weight(&self.pods[pod]) / total;
            let above = |pod: usize| i128::from(held[pod]) - i128::from(whole(pod));
            let remainder = |pod: usize| shards * weight(&self.pods[pod]) % total;
            let next = waiting.iter().copied().reduce(|one, other| {
                let mine = (remainder(one), above(one));
                let theirs = (remainder(other), above(other));
                if mine == theirs {
                    return if self.pods[one].uid < self.pods[other].uid { one } else { other };
                }
                if mine > theirs { one } else { other }
            });
            quotas[next.unwrap()] += 1;
            waiting.retain(|pod| Some(*pod) != next);
        }
        quotas
    }
}

pub(super) fn at(shard: Shard) -> usize {
    usize::try_from(shard).unwrap()
}

/// Groups of up to 8 pods in two generations and up to 60 shards, with any owners and nothing special.
pub(super) fn groups() -> impl Strategy<Value = Group> {
    let pod = (1_u32..300, 1_u8..3, 0_i64..5, prop::bool::weighted(0.2));
    let pods = prop::collection::vec(pod, 1..8);
    let owners =
        prop::collection::vec(prop::option::weighted(0.85, any::<prop::sample::Index>()), 1..60);
    (pods, owners, any::<bool>()).prop_map(|(pods, owners, may_balance)| {
        let pods: Vec<Pod> = pods
            .into_iter()
            .enumerate()
            .map(|(index, (weight, generation, admitted, draining))| {
                let admitted = admitted + 10 * i64::from(generation);
                Pod { weight, draining, ..Pod::new(&format!("u{index}"), generation, admitted) }
            })
            .collect();
        let owner = |owner: Option<prop::sample::Index>| owner.map(|owner| owner.index(pods.len()));
        let owners = owners.into_iter().map(owner).collect();
        Group { owners, may_balance, ..Group::new(pods, 0) }
    })
}

/// The same, with orphans that have a later session, shards that a member was told to stop, and members passed over.
pub(super) fn special_groups() -> impl Strategy<Value = Group> {
    let some = || {
        prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..6)
    };
    (groups(), some(), some(), some()).prop_map(|(mut group, orphans, stopping, passed_over)| {
        let shards = group.owners.len();
        let pods = group.pods.len();
        let shard = |index: prop::sample::Index| u32::try_from(index.index(shards)).unwrap();
        for (index, pod) in orphans {
            let orphan = shard(index);
            if !group.orphans.iter().any(|(other, _)| *other == orphan) {
                group.owners[at(orphan)] = None;
                group.orphans.push((orphan, pod.index(pods)));
            }
        }
        // One member plans, and knows what it was told to stop itself.
        let planner = stopping.first().map(|(_, pod)| pod.index(pods));
        group.stopping = stopping.iter().map(|(index, _)| shard(*index)).collect();
        group
            .stopping
            .retain(|shard| group.owners[at(*shard)].is_some_and(|pod| Some(pod) == planner));
        group.stopping.sort_unstable();
        group.stopping.dedup();
        group.passed_over =
            passed_over.into_iter().map(|(index, pod)| (shard(index), pod.index(pods))).collect();
        group
    })
}
