//! What the plan needs to know, taken from the picture: who may own, who owns, and what may be taken since when.

use std::collections::HashMap;
use std::sync::Arc;

use super::ended::Ended;
use crate::coordination::map::{Shard, ShardMap};
use crate::coordination::member::{Member, MemberState, Role, SessionId};
use crate::coordination::owner::{Grant, Granted, Ownable};
use crate::coordination::picture::Known;
use crate::coordination::plan::{self, Candidate};
use crate::time::BootInstant;

/// Something without a living owner.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening {
    pub(super) of: Ownable,
    /// Mod revision of the grant of the session that has ended; `None` when the key does not exist.
    pub(super) seen: Option<i64>,
    /// When it may be taken; `None` when that is not known yet.
    pub(super) available: Option<BootInstant>,
}

/// Candidates and owners, by index.
#[derive(Debug)]
pub(super) struct Survey<'k> {
    pub(super) candidates: Vec<Candidate<'k>>,
    pub(super) members: Vec<(&'k String, &'k Member)>,
    /// The place of each member. Not a sorted map: it is asked for every owner, and UIDs lie apart in memory.
    index: HashMap<&'k str, usize>,
    /// The members of living sessions, by their grants. All shards of a session share one.
    living: HashMap<*const Grant, usize>,
    /// By shard, or one for the leadership. `None`: free, or the owner's session has ended.
    pub(super) owners: Vec<Option<usize>>,
    pub(super) openings: Vec<Opening>,
    /// Openings whose owner's pod has a later session, and that session.
    pub(super) orphans: Vec<(Ownable, usize)>,
    pub(super) me: Option<usize>,
    /// The plan version of all.
    pub(super) version: u32,
}

/// What the survey asks.
pub(super) struct Surveyor<'k, 'm> {
    pub(super) now: BootInstant,
    pub(super) uid: &'m str,
    pub(super) known: &'k Known,
    pub(super) ended: &'m mut Ended,
}

// === impl Surveyor ===

impl<'k> Surveyor<'k, '_> {
    /// Surveys the shards of this map.
    pub(super) fn shards(&mut self, map: ShardMap) -> Survey<'k> {
        let picture = self.known.picture();
        let serves = |member: &Member| {
            let record = &member.record;
            record.state != MemberState::Viewer
                && record.roles.contains(&Role::Shards)
                && record.map.as_ref() == Some(&map)
        };
        let mut survey = self.candidates(serves, |member| member.record.is_eligible(&map));
        let mut owned = picture.shards.iter().peekable();
        for shard in 0..map.shards {
            while owned.next_if(|(other, _)| **other < shard).is_some() {}
            let granted = owned.next_if(|(other, _)| **other == shard);
            self.owner(&mut survey, Ownable::Shard(shard), granted.map(|(_, granted)| granted));
        }
        self.place(survey)
    }

    /// Surveys the leadership.
    pub(super) fn leadership(&mut self) -> Survey<'k> {
        let serves = |member: &Member| {
            member.record.state != MemberState::Viewer
                && member.record.roles.contains(&Role::Leader)
        };
        let mut survey = self.candidates(serves, |member| member.record.may_lead());
        self.owner(&mut survey, Ownable::Leader, self.known.picture().leader.as_ref());
        self.place(survey)
    }

    /// Everything that is owned, whatever the map: keys whose owners have ended.
    pub(super) fn dead_keys(&mut self) -> Vec<(Shard, i64, Option<BootInstant>)> {
        let picture = self.known.picture();
        let ended = |(_, granted): &(&Shard, &Granted)| {
            picture.session(&granted.grant.uid, granted.grant.session).is_none()
        };
        let dead = picture.shards.iter().filter(ended);
        dead.map(|(shard, granted)| (*shard, granted.revision, self.available_at(granted)))
            .collect()
    }

    fn candidates(
        &self,
        serves: impl Fn(&Member) -> bool,
        eligible: impl Fn(&Member) -> bool,
    ) -> Survey<'k> {
        let members = self.known.picture().members.iter();
        let members = members.map(|(uid, member)| (uid, &**member));
        let mut survey = Survey {
            candidates: Vec::new(),
            members: Vec::new(),
            index: HashMap::new(),
            living: HashMap::new(),
            owners: Vec::new(),
            openings: Vec::new(),
            orphans: Vec::new(),
            me: None,
            version: plan::agreed(self.known.picture().members.values().map(|m| m.record.plan)),
        };
        for (uid, member) in members.filter(|(_, member)| serves(member)) {
            survey.add(uid, member, !eligible(member));
        }
        survey
    }

    /// Our place, once all are listed: who owns and may not comes after the candidates.
    fn place(&self, mut survey: Survey<'k>) -> Survey<'k> {
        survey.me = survey.index.get(self.uid).copied();
        survey
    }

    fn owner(&mut self, survey: &mut Survey<'k>, of: Ownable, granted: Option<&'k Granted>) {
        let Some(granted) = granted else {
            let available = Some(BootInstant::default());
            survey.owners.push(None);
            return survey.openings.push(Opening { of, seen: None, available });
        };
        let grant = Arc::as_ptr(&granted.grant);
        if let Some(index) = survey.living.get(&grant) {
            return survey.owners.push(Some(*index));
        }
        let (uid, session) = (&granted.grant.uid, granted.grant.session);
        let found = survey.index.get(uid.as_str()).copied();
        let living = found.filter(|index| survey.is_session(*index, session)).or_else(|| {
            let member = self.known.picture().session(uid, session)?;
            // Who owns and may not gives away.
            Some(found.unwrap_or_else(|| survey.add(uid, member, true)))
        });
        if let Some(index) = living {
            survey.living.insert(grant, index);
            return survey.owners.push(Some(index));
        }
        survey.owners.push(None);
        let later = found;
        if let Some(later) = later.filter(|later| !survey.drains(*later)) {
            survey.orphans.push((of, later));
        }
        let available = self.available_at(granted);
        survey.openings.push(Opening { of, seen: Some(granted.revision), available });
    }

    fn available_at(&mut self, granted: &Granted) -> Option<BootInstant> {
        self.ended.available_at(self.now, self.known, granted, self.uid)
    }
}

// === impl Survey ===

impl<'k> Survey<'k> {
    /// Whether somebody may own.
    pub(super) fn anybody(&self) -> bool {
        self.candidates.iter().any(|candidate| !candidate.draining)
    }

    /// The sessions that may own, in the order of their UIDs.
    pub(super) fn eligible(&self) -> Vec<SessionId> {
        let eligible = self.candidates.iter().filter(|candidate| !candidate.draining);
        eligible.map(|candidate| candidate.session).collect()
    }

    /// Nobody drains, and there is one generation.
    pub(super) fn is_quiet(&self) -> bool {
        let mut generations = self.candidates.iter().map(|candidate| candidate.generation);
        let first = generations.next();
        self.candidates.iter().all(|candidate| !candidate.draining)
            && generations.all(|generation| Some(generation) == first)
    }

    pub(super) fn drains(&self, index: usize) -> bool {
        self.candidates.get(index).is_none_or(|candidate| candidate.draining)
    }

    fn add(&mut self, uid: &'k String, member: &'k Member, draining: bool) -> usize {
        let index = self.candidates.len();
        self.candidates.push(Candidate {
            uid,
            weight: member.record.weight,
            generation: &member.record.generation,
            admitted: member.record.admitted,
            session: member.session,
            draining,
            resigned: member.record.resigned,
        });
        self.members.push((uid, member));
        self.index.insert(uid, index);
        index
    }

    fn is_session(&self, index: usize, session: SessionId) -> bool {
        self.candidates.get(index).is_some_and(|candidate| candidate.session == session)
    }
}
