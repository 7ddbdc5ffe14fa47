//! The plan being made.

use super::exceptions::{Exception, Exceptions};
use super::quota::{Share, shares};
use super::recipients::Recipients;
use super::{Candidate, Input, Move, Plan};
use crate::coordination::map::Shard;

/// At most one of so many of a member's own shards moves by balance at a time, so that a member that joins does not
/// make every other member stop much of its work at once.
const BALANCED_PART: u64 = 10;

/// The plan being made.
#[derive(Debug)]
pub(super) struct Planner<'i> {
    input: &'i Input<'i>,
    exceptions: Exceptions,
    shares: Vec<Share>,
    recipients: Recipients,
    /// Shards that were given back, in their order.
    returned: Vec<Shard>,
    moves: Vec<Move>,
}

// === impl Planner ===

impl<'i> Planner<'i> {
    pub(super) fn new(input: &'i Input<'i>, weight: impl Fn(&Candidate<'_>) -> u64) -> Self {
        let exceptions = Exceptions::new(input);
        let shares = shares(input, &exceptions, weight);
        let recipients = Recipients::new(input.members, &shares);
        Self { input, exceptions, shares, recipients, returned: Vec::new(), moves: Vec::new() }
    }

    /// Gives back what was a member's, as far as its quota reaches: own orphans, and what it was told to stop although
    /// it is within its quota now.
    pub(super) fn give_back(&mut self) {
        for (shard, exception) in self.exceptions.iter() {
            let from = self.input.owner(shard);
            let to = exception.orphan_of.or_else(|| from.filter(|_| exception.stopping));
            let to = to.filter(|member| !exception.passed_over.contains(member));
            if let Some(to) = to.filter(|member| self.recipients.take(*member)) {
                self.moves.push(Move { shard, from, to });
                self.returned.push(shard);
            }
        }
    }

    /// Places shards that are free, orphaned, of draining members, or stopping.
    pub(super) fn place_available(&mut self) {
        for (shard, from) in (0..).zip(self.input.owners()) {
            let exception = self.exceptions.get(shard);
            let available = match from {
                None => true,
                Some(owner) => {
                    self.input.is_draining(owner) || exception.is_some_and(|it| it.stopping)
                }
            };
            if !available || self.returned.binary_search(&shard).is_ok() {
                continue;
            }
            let passed_over = exception.map_or([].as_slice(), |it| &it.passed_over);
            let next = self
                .recipients
                .below_quota(shard, passed_over)
                .or_else(|| self.keeps(exception, from))
                .or_else(|| self.recipients.above_quota(shard, passed_over))
                // Who was passed over comes again when everybody was.
                .or_else(|| self.recipients.below_quota(shard, &[]))
                .or_else(|| self.recipients.above_quota(shard, &[]));
            if let Some(to) = next {
                self.moves.push(Move { shard, from, to });
            }
        }
    }

    /// Moves surplus to members below their quota, of each member at most a tenth of its shards and at least one.
    pub(super) fn balance(&mut self) {
        let mut budgets = self.budgets();
        for (shard, from) in (0..).zip(self.input.owners()) {
            if self.recipients.is_full() {
                return;
            }
            let Some(budget) = from.and_then(|owner| budgets.get_mut(owner)) else { continue };
            let exception = self.exceptions.get(shard);
            if *budget == 0 || exception.is_some_and(|it| it.stopping) {
                continue;
            }
            let passed_over = exception.map_or([].as_slice(), |it| &it.passed_over);
            if let Some(to) = self.recipients.below_quota(shard, passed_over) {
                self.moves.push(Move { shard, from, to });
                *budget -= 1;
            }
        }
    }

    pub(super) fn finish(self) -> Plan {
        Plan { moves: self.moves }
    }

    /// A stopping shard for which nobody has room stays with its owner.
    fn keeps(&self, exception: Option<&Exception>, owner: Option<usize>) -> Option<usize> {
        let stopping = exception.is_some_and(|it| it.stopping);
        owner.filter(|owner| stopping && !self.input.is_draining(*owner))
    }

    /// How many shards each member may move now. What it was told to stop is on its way already.
    fn budgets(&self) -> Vec<u64> {
        let budget = |(share, member): (&Share, &Candidate<'_>)| {
            if member.draining {
                return 0;
            }
            let most = (share.held / BALANCED_PART).max(1);
            let stopping = share.held.saturating_sub(share.kept);
            share.kept.saturating_sub(share.quota).min(most.saturating_sub(stopping))
        };
        self.shares.iter().zip(self.input.members).map(budget).collect()
    }
}
