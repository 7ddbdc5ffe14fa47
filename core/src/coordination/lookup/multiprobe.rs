//! Multi-probe consistent hashing (Appleton and O'Reilly, 2015): one token per member, several probes per key.

use super::hash::{sequence, xxh64};

/// Probes of each key. The largest share of 10 members is 1.25 of the mean, of 100 members 1.10; the smallest may be
/// near zero, of a member whose token comes shortly after another (the example `balance` prints it).
const PROBES: u64 = 21;

/// A ring of 2^64 positions. A member has the token `xxh64(identity)`, and a key has the probes
/// `mix(xxh64(key) + i · 0x9e3779b97f4a7c15)` for i from 1 to 21. It belongs to the member with the shortest way from a
/// probe up to its token.
#[derive(Clone, Debug)]
pub struct Multiprobe {
    /// Ascending, with the members.
    tokens: Vec<(u64, usize)>,
}

// === impl Multiprobe ===

impl Multiprobe {
    /// Prepares lookups over these identities.
    pub fn new<'i>(identities: impl IntoIterator<Item = &'i str>) -> Self {
        let token = |(member, identity): (usize, &str)| (xxh64(identity.as_bytes()), member);
        let mut tokens: Vec<_> = identities.into_iter().enumerate().map(token).collect();
        tokens.sort_unstable();
        Self { tokens }
    }

    /// The owner of a key, an index into the identities; `None` without members.
    pub fn owner(&self, key: &[u8]) -> Option<usize> {
        let nearest = sequence(xxh64(key), PROBES).filter_map(|probe| {
            let (token, member) =
                self.tokens.get(self.first(probe)).or_else(|| self.tokens.first())?;
            Some((token.wrapping_sub(probe), *member))
        });
        nearest.min().map(|(_, member)| member)
    }

    /// The first `n` owners of a key, fewer when there are fewer members. If the first leaves, the second is first.
    pub fn owners(&self, key: &[u8], n: usize) -> Vec<usize> {
        // Who is among the n nearest to all probes is among the n nearest to one of them.
        let mut ways = Vec::new();
        for probe in sequence(xxh64(key), PROBES) {
            let (before, after) = self.tokens.split_at(self.first(probe).min(self.tokens.len()));
            let next = after.iter().chain(before).take(n);
            ways.extend(next.map(|(token, member)| (token.wrapping_sub(probe), *member)));
        }
        ways.sort_unstable();
        let mut owners = Vec::with_capacity(n.min(self.tokens.len()));
        for (_, member) in ways {
            if owners.len() == n {
                break;
            }
            if !owners.contains(&member) {
                owners.push(member);
            }
        }
        owners
    }

    /// The position of the first token at this position or after it, or the number of tokens.
    fn first(&self, position: u64) -> usize {
        self.tokens.partition_point(|(token, _)| *token < position)
    }
}
