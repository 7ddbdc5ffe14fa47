//! Who should own which shard: a trivial plan, for bounds in which the plan is part of the check.
//!
//! It has the properties of the real one (docs/coordination.md, The plan) that the protocol could disturb: it is a
//! pure function of members and owners, quotas differ by one at most, and nobody within quota moves anything.
//! Not for: weights, generations, calm, the choice by hashes.

use crate::config::Config;
use crate::place::{PerPod, Pod, Shard};
use crate::rule::Rule;
use crate::store::{Granted, Store};

/// Whose a shard should be; nobody's while nobody is eligible.
pub(crate) fn target(config: &Config, store: &Store, shard: Shard) -> Option<Pod> {
    if !config.keeps(Rule::NobodyWithinQuotaMoves) {
        let participants = participants(config, store);
        let place = usize::from(shard == Shard::One) % participants.len().max(1);
        return participants.get(place).copied();
    }
    let mut left = quotas(config, store);
    let mut available = Vec::new();
    for other in config.every_shard() {
        match owner(config, store, other) {
            Some(pod) if left[pod] > 0 => {
                left[pod] -= 1;
                if other == shard {
                    return Some(pod);
                }
            }
            _ => available.push(other),
        }
    }
    for other in available {
        // What an earlier session of a pod owned comes back to the pod first.
        let before = store.owners[other].map(|granted| granted.pod);
        let mut takers = before.into_iter().chain(config.every_pod());
        let taker = takers.find(|pod| left[*pod] > 0)?;
        left[taker] -= 1;
        if other == shard {
            return Some(taker);
        }
    }
    None
}

/// How many shards each pod should own. Remainders go to who holds most, then in the order of pods.
fn quotas(config: &Config, store: &Store) -> PerPod<u8> {
    let mut quotas = PerPod::default();
    let mut participants = participants(config, store);
    let Ok(count) = u8::try_from(participants.len()) else { return quotas };
    if count == 0 {
        return quotas;
    }
    participants.sort_by_key(|pod| std::cmp::Reverse(holds(config, store, *pod)));
    let extra = usize::from(config.shards % count);
    for (place, pod) in participants.into_iter().enumerate() {
        quotas[pod] = config.shards / count + u8::from(place < extra);
    }
    quotas
}

fn participants(config: &Config, store: &Store) -> Vec<Pod> {
    config.every_pod().filter(|pod| is_eligible(config, store, *pod)).collect()
}

fn holds(config: &Config, store: &Store, pod: Pod) -> usize {
    config.every_shard().filter(|shard| owner(config, store, *shard) == Some(pod)).count()
}

/// The participant that owns a shard.
fn owner(config: &Config, store: &Store, shard: Shard) -> Option<Pod> {
    let Granted { pod, session, .. } = store.owners[shard]?;
    let lives = session.epoch == store.epoch && store.has(pod, session);
    (lives && is_eligible(config, store, pod)).then_some(pod)
}

/// Whether a pod is a participant whose record names the map in force.
pub(crate) fn is_eligible(config: &Config, store: &Store, pod: Pod) -> bool {
    config.map(pod) == store.map.count && store.members[pod].is_some_and(|member| !member.draining)
}
