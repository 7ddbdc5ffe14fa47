//! Consistent hashing on a ring.

use super::hash::{sequence, xxh64};

/// Tokens of each member. The load of members differs by about 1/16 (one standard deviation).
const TOKENS: u64 = 256;

/// A ring of 2^64 positions. A member has the tokens `mix(xxh64(identity) + i · 0x9e3779b97f4a7c15)` for i from 1 to
/// 256, and a key belongs to the member with the first token at `xxh64(key)` or after it.
#[derive(Clone, Debug)]
pub struct Ring {
    /// Ascending.
    tokens: Vec<u64>,
    /// The member of each token.
    members: Vec<usize>,
    /// How many members there are.
    count: usize,
}

// === impl Ring ===

impl Ring {
    /// Prepares lookups over these identities.
    pub fn new<'i>(identities: impl IntoIterator<Item = &'i str>) -> Self {
        let mut ring = Vec::new();
        let mut count = 0;
        for (member, identity) in identities.into_iter().enumerate() {
            let seed = xxh64(identity.as_bytes());
            ring.extend(sequence(seed, TOKENS).map(|token| (token, member)));
            count = member + 1;
        }
        ring.sort_unstable();
        let (tokens, members) = ring.into_iter().unzip();
        Self { tokens, members, count }
    }

    /// The owner of a key, an index into the identities; `None` without members.
    pub fn owner(&self, key: &[u8]) -> Option<usize> {
        self.members.get(self.first(key)).or_else(|| self.members.first()).copied()
    }

    /// The first `n` owners of a key, fewer when there are fewer members. If the first leaves, the second is first.
    pub fn owners(&self, key: &[u8], n: usize) -> Vec<usize> {
        let n = n.min(self.count);
        let mut owners = Vec::with_capacity(n);
        let (before, after) = self.members.split_at(self.first(key).min(self.members.len()));
        for member in after.iter().chain(before) {
            if owners.len() == n {
                break;
            }
            if !owners.contains(member) {
                owners.push(*member);
            }
        }
        owners
    }

    /// The position of the first token at the key's hash or after it, or the number of tokens.
    fn first(&self, key: &[u8]) -> usize {
        let hash = xxh64(key);
        self.tokens.partition_point(|token| *token < hash)
    }
}
