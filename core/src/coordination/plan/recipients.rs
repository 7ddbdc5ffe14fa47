//! Who can take a shard.

use super::Candidate;
use super::generation::ranks;
use super::quota::Share;
use crate::coordination::lookup::hash::{STEP, mix, xxh64};
use crate::coordination::map::Shard;

/// The members that are not draining.
#[derive(Debug)]
pub(super) struct Recipients {
    /// Those below their quota, by generation, the youngest first. No generation is empty.
    below: Vec<Vec<Below>>,
    /// All, in the order of `below`.
    all: Vec<Recipient>,
}

/// A member below its quota.
#[derive(Clone, Copy, Debug)]
struct Below {
    seed: u64,
    member: usize,
    /// Its position in `all`.
    position: usize,
    room: u64,
}

/// A member with what it owns so far.
#[derive(Clone, Copy, Debug)]
struct Recipient {
    seed: u64,
    member: usize,
    rank: usize,
    quota: u64,
    load: u64,
}

// === impl Recipients ===

impl Recipients {
    pub(super) fn new(members: &[Candidate<'_>], shares: &[Share]) -> Self {
        let mut all = Vec::with_capacity(members.len());
        for (member, ((candidate, share), rank)) in
            members.iter().zip(shares).zip(ranks(members)).enumerate()
        {
            if !candidate.draining {
                let seed = xxh64(candidate.uid.as_bytes());
                let (quota, load) = (share.quota, share.kept);
                all.push((candidate.uid, Recipient { seed, member, rank, quota, load }));
            }
        }
        // The UID decides only between equal seeds.
        all.sort_unstable_by_key(|(uid, recipient)| (recipient.rank, recipient.seed, *uid));
        let all: Vec<Recipient> = all.into_iter().map(|(_, recipient)| recipient).collect();
        let mut below: Vec<Vec<Below>> = Vec::new();
        let mut last_rank = None;
        for (position, Recipient { seed, member, rank, quota, load }) in
            all.iter().copied().enumerate()
        {
            if load < quota {
                let next = Below { seed, member, position, room: quota - load };
                match below.last_mut().filter(|_| last_rank == Some(rank)) {
                    Some(generation) => generation.push(next),
                    None => below.push(vec![next]),
                }
                last_rank = Some(rank);
            }
        }
        Self { below, all }
    }

    /// Gives a shard to this member if it is below its quota.
    pub(super) fn take(&mut self, member: usize) -> bool {
        let found = self.below.iter().enumerate().find_map(|(generation, below)| {
            let position = below.iter().position(|candidate| candidate.member == member)?;
            Some((generation, position))
        });
        found.is_some_and(|(generation, position)| self.fill(generation, position).is_some())
    }

    /// Gives a shard to a member below its quota: to the youngest generation first, in it by the highest mix.
    pub(super) fn below_quota(&mut self, shard: Shard, passed_over: &[usize]) -> Option<usize> {
        let found = self.below.iter().enumerate().find_map(|(generation, below)| {
            Some((generation, highest(below, shard, passed_over)?))
        });
        found.and_then(|(generation, position)| self.fill(generation, position))
    }

    /// Gives a shard to a member whatever its quota: to the youngest generation first, in it to who is least above its
    /// quota, among them by the highest mix.
    pub(super) fn above_quota(&mut self, shard: Shard, passed_over: &[usize]) -> Option<usize> {
        let others = self.all.iter_mut().filter(|other| !passed_over.contains(&other.member));
        let next = others.min_by_key(|other| {
            let above = other.load.saturating_sub(other.quota);
            (other.rank, above, !mix(other.seed ^ spread(shard)))
        })?;
        next.load += 1;
        Some(next.member)
    }

    /// Whether nobody is below its quota.
    pub(super) fn is_full(&self) -> bool {
        self.below.is_empty()
    }

    /// Gives a shard to the member at this position of `below`.
    fn fill(&mut self, generation: usize, position: usize) -> Option<usize> {
        let below = self.below.get_mut(generation)?;
        let candidate = below.get_mut(position)?;
        let Below { member, position: at, .. } = *candidate;
        candidate.room -= 1;
        if candidate.room == 0 {
            // Not swap_remove: the order decides between equal mixes.
            below.remove(position);
            if below.is_empty() {
                self.below.remove(generation);
            }
        }
        if let Some(recipient) = self.all.get_mut(at) {
            recipient.load += 1;
        }
        Some(member)
    }
}

/// The position of the highest mix among those that were not passed over; the first of equal ones.
fn highest(below: &[Below], shard: Shard, passed_over: &[usize]) -> Option<usize> {
    let spread = spread(shard);
    let mut best = None;
    for (position, candidate) in below.iter().enumerate() {
        let mixed = mix(candidate.seed ^ spread);
        if best.is_none_or(|(highest, _)| mixed > highest)
            && !passed_over.contains(&candidate.member)
        {
            best = Some((mixed, position));
        }
    }
    best.map(|(_, position)| position)
}

fn spread(shard: Shard) -> u64 {
    u64::from(shard).wrapping_mul(STEP)
}
