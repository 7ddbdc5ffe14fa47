//! Rendezvous hashing: every member has a score for every key, and the highest scores own it.

use std::cmp::Reverse;

use super::hash::{mix, xxh64};

/// Members by the hashes of their identities. The score of a member for a key is `mix(xxh64(identity) ^ xxh64(key))`.
#[derive(Clone, Debug)]
pub struct Rendezvous {
    seeds: Vec<u64>,
}

// === impl Rendezvous ===

impl Rendezvous {
    /// Prepares lookups over these identities.
    pub fn new<'i>(identities: impl IntoIterator<Item = &'i str>) -> Self {
        Self { seeds: identities.into_iter().map(|identity| xxh64(identity.as_bytes())).collect() }
    }

    /// The owner of a key, an index into the identities; `None` without members.
    pub fn owner(&self, key: &[u8]) -> Option<usize> {
        let hash = xxh64(key);
        let mut best: Option<(u64, usize)> = None;
        for (member, seed) in self.seeds.iter().enumerate() {
            let score = mix(seed ^ hash);
            if best.is_none_or(|(highest, _)| score > highest) {
                best = Some((score, member));
            }
        }
        best.map(|(_, member)| member)
    }

    /// The first `n` owners of a key, fewer when there are fewer members. If the first leaves, the second is first.
    pub fn owners(&self, key: &[u8], n: usize) -> Vec<usize> {
        let hash = xxh64(key);
        let score = |(member, seed): (usize, &u64)| (Reverse(mix(seed ^ hash)), member);
        let mut scores: Vec<_> = self.seeds.iter().enumerate().map(score).collect();
        if n < scores.len() {
            scores.select_nth_unstable(n);
            scores.truncate(n);
        }
        scores.sort_unstable();
        scores.into_iter().map(|(_, member)| member).collect()
    }
}
