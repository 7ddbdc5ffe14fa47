//! How many shards each member should own.

use std::cmp::Reverse;

use super::exceptions::Exceptions;
use super::{Candidate, Input};

/// What a member owns and should own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Share {
    /// How many shards it should own; 0 for draining members.
    pub(super) quota: u64,
    /// How many it owns, its own orphans included.
    pub(super) held: u64,
    /// How many of them it keeps in any case, or could give away by balance: without orphans and stopping shards.
    pub(super) kept: u64,
}

/// The share of each member.
///
/// The quota is by weight with largest remainders. Equal remainders go to who is furthest above its whole part, then to
/// the lowest UID. So nobody moves a shard for a remainder, and the choice stays while shards move: with "who holds
/// most", a heavy member would take the remainder of a light one while it fills up. Own orphans count as held: a member
/// that has lost its session for a moment gets back what it had.
pub(super) fn shares(
    input: &Input<'_>,
    exceptions: &Exceptions,
    weight: impl Fn(&Candidate<'_>) -> u64,
) -> Vec<Share> {
    let mut shares = vec![Share::default(); input.members.len()];
    for owner in input.owners().flatten() {
        if let Some(share) = shares.get_mut(owner) {
            share.held += 1;
            share.kept += 1;
        }
    }
    for (shard, exception) in exceptions.iter() {
        if let Some(share) = exception.orphan_of.and_then(|member| shares.get_mut(member)) {
            share.held += 1;
        }
        let owner = input.owner(shard).filter(|_| exception.stopping);
        if let Some(share) = owner.and_then(|owner| shares.get_mut(owner)) {
            share.kept -= 1;
        }
    }
    set_quotas(input, &mut shares, weight);
    shares
}

fn set_quotas(input: &Input<'_>, shares: &mut [Share], weight: impl Fn(&Candidate<'_>) -> u64) {
    let takers = input.members.iter().filter(|member| !member.draining);
    let total: u64 = takers.map(&weight).sum();
    let mut remainders = Vec::with_capacity(shares.len());
    let mut rest = u64::from(input.map.shards);
    for (member, share) in input.members.iter().zip(shares).filter(|(member, _)| !member.draining) {
        let portion = u64::from(input.map.shards) * weight(member);
        share.quota = portion / total;
        rest -= share.quota;
        let above = Reverse(share.held.saturating_sub(share.quota));
        let below = share.quota.saturating_sub(share.held);
        remainders.push(((Reverse(portion % total), above, below, member.uid), share));
    }
    remainders.sort_unstable_by_key(|(key, _)| *key);
    for (_, (_, share)) in (0..rest).zip(remainders) {
        share.quota += 1;
    }
}
