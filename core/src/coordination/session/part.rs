//! Our part of the plan: what we own and others should, and what we should take.

use std::collections::{BTreeMap, BTreeSet};

use super::calm::Calm;
use super::membership::Membership;
use super::offers::Offers;
use super::survey::{Opening, Survey};
use super::wake::Wake;
use crate::coordination::map::{Shard, ShardMap};
use crate::coordination::member::{Member, SessionId};
use crate::coordination::owner::Ownable;
use crate::coordination::picture::Revised;
use crate::coordination::plan::{self, Input, Move};
use crate::coordination::write::{How, OwnerChange};
use crate::time::BootInstant;

/// A member and its UID.
pub(super) type Recipient<'k> = (&'k String, &'k Member);

/// Our part of the plan.
#[derive(Debug, Default)]
pub(super) struct Part<'k> {
    /// What we own and hand over, and to whom: to ourselves if it was told to stop and stays.
    pub(super) away: BTreeMap<Ownable, Recipient<'k>>,
    /// What we take now.
    pub(super) takes: Vec<OwnerChange>,
    /// Whether anybody may own.
    pub(super) anybody: bool,
}

/// What a group does as a whole.
pub(super) struct Group<'m> {
    pub(super) map: &'m Revised<ShardMap>,
    /// No shard has an owner.
    pub(super) first: bool,
    pub(super) min_participants: u32,
    /// What we were told to stop.
    pub(super) stopping: &'m [Shard],
}

/// Computes a part. It looks, and says when to look again.
pub(super) struct Planner<'m> {
    pub(super) now: BootInstant,
    pub(super) uid: &'m str,
    pub(super) session: &'m Membership,
    pub(super) calm: &'m mut Calm,
    pub(super) offers: &'m mut Offers,
    pub(super) wake: &'m mut Wake,
}

// === impl Planner ===

impl Planner<'_> {
    /// Our part of the plan of the shards.
    pub(super) fn shards<'k>(&mut self, survey: &Survey<'k>, group: &Group<'_>) -> Part<'k> {
        let enough = usize::try_from(group.min_participants).unwrap_or(usize::MAX);
        self.calm.note(self.now, survey.eligible(), enough);
        let at = self.calm.balance_at(survey.is_quiet());
        let may_balance = self.wait(at);
        let mut moves = self.plan(survey, group, may_balance);
        let surplus = |m: &Move| m.from.is_some_and(|from| from != m.to && !survey.drains(from));
        // Where nothing has an owner, nobody holds too much.
        let uneven = if may_balance || group.first {
            moves.iter().any(surplus)
        } else {
            self.plan(survey, group, true).iter().any(surplus)
        };
        self.calm.note_uneven(self.now, uneven);
        let at = self.calm.balance_at(survey.is_quiet());
        self.wait(at);
        let mut part = Part { anybody: survey.anybody(), ..Part::default() };
        let at = self.calm.first_map_at();
        let takes = !group.first || self.wait(at);
        if takes && self.is_passed_over(survey, &moves) {
            moves = self.plan(survey, group, may_balance);
            // The next one has its time from now on.
            self.is_passed_over(survey, &moves);
        }
        let ours = moves.iter().filter(|m| m.from.is_some() && m.from == survey.me);
        let recipient = |m: &Move| Some((Ownable::Shard(m.shard), *survey.members.get(m.to)?));
        part.away = ours.filter_map(recipient).collect();
        if takes {
            let ours = moves.iter().filter(|m| m.from.is_none() && Some(m.to) == survey.me);
            let ours: BTreeSet<Ownable> = ours.map(|m| Ownable::Shard(m.shard)).collect();
            for opening in survey.openings.iter().filter(|opening| ours.contains(&opening.of)) {
                part.takes.extend(self.take(opening, Some(group.map.revision)));
            }
        }
        part
    }

    /// Our part of the plan of the leadership. `stopping`: we were told to stop leading.
    pub(super) fn leadership<'k>(&mut self, survey: &Survey<'k>, stopping: bool) -> Part<'k> {
        let mut part = Part { anybody: survey.anybody(), ..Part::default() };
        let owner = survey.owners.first().copied().flatten();
        let orphan = survey.orphans.first().map(|(_, member)| *member);
        if survey.openings.is_empty() {
            // What was offered is over: the next opening begins anew.
            self.offers.clear();
        }
        let mut to = self.leader(survey, owner.or(orphan));
        let Some(opening) = survey.openings.first() else {
            let gives = owner.is_some() && owner == survey.me && (to != owner || stopping);
            let recipient = to.filter(|_| gives).and_then(|to| survey.members.get(to));
            part.away.extend(recipient.map(|recipient| (Ownable::Leader, *recipient)));
            return part;
        };
        let session = |to: usize| Some((Ownable::Leader, survey.candidates.get(to)?.session));
        let is_available = self.wait(opening.available);
        let offered = to.filter(|_| is_available).and_then(session);
        if self.offers.note(self.now, self.patience(), offered, self.wake) {
            to = self.leader(survey, owner.or(orphan));
            // The next one has its time from now on.
            let offered = to.and_then(session);
            self.offers.note(self.now, self.patience(), offered, self.wake);
        }
        if to.is_some() && to == survey.me {
            part.takes.extend(self.take(opening, None));
        }
        part
    }

    fn leader(&self, survey: &Survey<'_>, current: Option<usize>) -> Option<usize> {
        let passed_over: Vec<usize> =
            self.passed_over(survey).into_iter().map(|(_, member)| member).collect();
        // An own orphan comes back, unless its member does not take it.
        let current = current.filter(|current| !passed_over.contains(current));
        plan::leader(&survey.candidates, current, &passed_over)
    }

    fn plan(&self, survey: &Survey<'_>, group: &Group<'_>, may_balance: bool) -> Vec<Move> {
        let passed_over = self.passed_over(survey).into_iter();
        let passed_over: Vec<(Shard, usize)> =
            passed_over.filter_map(|(of, member)| Some((shard(of)?, member))).collect();
        let orphans = survey.orphans.iter();
        let orphans: Vec<(Shard, usize)> =
            orphans.filter_map(|(of, member)| Some((shard(*of)?, *member))).collect();
        let input = Input {
            map: group.map.value,
            version: survey.version,
            members: &survey.candidates,
            owners: &survey.owners,
            orphans: &orphans,
            stopping: group.stopping,
            may_balance,
            passed_over: &passed_over,
        };
        plan::plan(&input).moves
    }

    /// Takes note of what the plan gives to whom. True when somebody did not take it in time.
    fn is_passed_over(&mut self, survey: &Survey<'_>, moves: &[Move]) -> bool {
        let available = survey.openings.iter().filter(|opening| self.wait(opening.available));
        let available: BTreeSet<Ownable> = available.map(|opening| opening.of).collect();
        let offered = moves.iter().filter_map(|m| {
            let of = Ownable::Shard(m.shard);
            let candidate = survey.candidates.get(m.to).filter(|_| available.contains(&of))?;
            Some((of, candidate.session))
        });
        let patience = self.patience();
        self.offers.note(self.now, patience, offered, self.wake)
    }

    fn passed_over(&self, survey: &Survey<'_>) -> Vec<(Ownable, usize)> {
        let mut passed_over = self.offers.passed_over().peekable();
        if passed_over.peek().is_none() {
            return Vec::new();
        }
        let candidates = survey.candidates.iter().enumerate();
        let index: BTreeMap<SessionId, usize> =
            candidates.map(|(index, candidate)| (candidate.session, index)).collect();
        let known = |(of, session)| Some((of, *index.get(&session)?));
        passed_over.filter_map(known).collect()
    }

    fn patience(&self) -> std::time::Duration {
        self.session.written.validity_ms.span()
    }

    /// Takes what is open, if its time has come.
    fn take(&mut self, opening: &Opening, map: Option<i64>) -> Option<OwnerChange> {
        if !self.wait(opening.available) {
            return None;
        }
        let grant = self.session.grant(self.uid);
        let how = match opening.seen {
            None => How::Claim { grant, map },
            Some(seen) => How::TakeOver { seen, grant },
        };
        Some(OwnerChange { of: opening.of, how })
    }

    /// Whether an instant has come. If it will, we look again then.
    fn wait(&mut self, instant: Option<BootInstant>) -> bool {
        match instant {
            Some(instant) if self.now >= instant => true,
            Some(instant) => {
                self.wake.at(instant);
                false
            }
            None => false,
        }
    }
}

fn shard(of: Ownable) -> Option<Shard> {
    match of {
        Ownable::Leader => None,
        Ownable::Shard(shard) => Some(shard),
    }
}
