//! The few shards that are not simply owned or free.

use std::collections::BTreeMap;

use super::Input;
use crate::coordination::map::Shard;

/// The few shards that are not simply owned or free.
#[derive(Debug, Default)]
pub(super) struct Exceptions(BTreeMap<Shard, Exception>);

/// What is special about a shard.
#[derive(Clone, Debug, Default)]
pub(super) struct Exception {
    /// It is an orphan of an earlier session of this member's pod.
    pub(super) orphan_of: Option<usize>,
    /// Its owner was told to stop it.
    pub(super) stopping: bool,
    /// Members that did not take it in time.
    pub(super) passed_over: Vec<usize>,
}

// === impl Exceptions ===

impl Exceptions {
    /// The exceptions of an input, without contradictions: an orphan has no owner, a stopping shard has one.
    pub(super) fn new(input: &Input<'_>) -> Self {
        let mut all: BTreeMap<Shard, Exception> = BTreeMap::new();
        for (shard, member) in input.orphans {
            if input.in_map(*shard) && input.owner(*shard).is_none() {
                all.entry(*shard).or_default().orphan_of = Some(*member);
            }
        }
        for shard in input.stopping {
            if input.in_map(*shard) && input.owner(*shard).is_some() {
                all.entry(*shard).or_default().stopping = true;
            }
        }
        for (shard, member) in input.passed_over {
            if input.in_map(*shard) {
                all.entry(*shard).or_default().passed_over.push(*member);
            }
        }
        Self(all)
    }

    /// What is special about a shard, if anything is.
    pub(super) fn get(&self, shard: Shard) -> Option<&Exception> {
        // Nearly always there is nothing, and 10,000 shards are asked for.
        if self.0.is_empty() { None } else { self.0.get(&shard) }
    }

    /// All, in the order of shards.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Shard, &Exception)> {
        self.0.iter().map(|(shard, exception)| (*shard, exception))
    }
}
