//! The keys of one group. Pure.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use cairn_core::coordination::map::ShardMap;
use cairn_core::coordination::member::MemberState;
use cairn_core::coordination::owner::Ownable;
use cairn_core::coordination::validity::Validity;
use tokio::time::Instant;

use super::{Standing, Totals};

/// A drain that lasts so much longer than the takeover delay is stuck: time alone would have ended it by then.
const STUCK_AFTER: Duration = Duration::from_secs(10);

/// What the mirror keeps of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KnownMember {
    /// Its state.
    pub(super) state: MemberState,
    /// Whether it coordinates shards.
    pub(super) shards: bool,
    /// V.
    pub(super) validity: Validity,
    /// Since when it has been draining.
    pub(super) draining: Option<Instant>,
}

/// The keys of one group.
#[derive(Debug, Default)]
pub(super) struct GroupKeys {
    members: HashMap<String, KnownMember>,
    owners: BTreeMap<Ownable, String>,
    /// How many shards each pod owns.
    counts: HashMap<String, usize>,
    /// The map in force.
    pub(super) map: Option<ShardMap>,
    /// Whether there is a leader's value.
    pub(super) value: bool,
    /// Since when the group has had no member.
    pub(super) idle: Option<Instant>,
}

// === impl GroupKeys ===

impl GroupKeys {
    pub(super) fn new(now: Instant) -> Self {
        Self { idle: Some(now), ..Self::default() }
    }

    /// Keeps the instants that were known before the keys were listed anew.
    pub(super) fn last_since(&mut self, before: &Self) {
        if let (Some(_), Some(since)) = (self.idle, before.idle) {
            self.idle = Some(since);
        }
        for (uid, member) in &mut self.members {
            let known = before.members.get(uid).and_then(|known| known.draining);
            if let (Some(_), Some(since)) = (member.draining, known) {
                member.draining = Some(since);
            }
        }
    }

    pub(super) fn put_member(&mut self, uid: String, member: KnownMember) {
        let known = self.members.get(&uid).and_then(|known| known.draining);
        let draining = member.draining.map(|now| known.unwrap_or(now));
        self.members.insert(uid, KnownMember { draining, ..member });
        self.idle = None;
    }

    pub(super) fn delete_member(&mut self, uid: &str, now: Instant) {
        self.members.remove(uid);
        if self.members.is_empty() {
            self.idle = Some(now);
        }
    }

    /// Answers with the former owner.
    pub(super) fn put_owner(&mut self, of: Ownable, uid: String) -> Option<String> {
        let before = self.delete_owner(of);
        if of != Ownable::Leader {
            *self.counts.entry(uid.clone()).or_default() += 1;
        }
        self.owners.insert(of, uid);
        before
    }

    /// Answers with the former owner.
    pub(super) fn delete_owner(&mut self, of: Ownable) -> Option<String> {
        let uid = self.owners.remove(&of)?;
        if of != Ownable::Leader
            && let Some(count) = self.counts.get_mut(&uid)
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.counts.remove(&uid);
            }
        }
        Some(uid)
    }

    pub(super) fn standing(&self, uid: &str) -> Option<Standing> {
        let member = self.members.get(uid)?;
        let owned = self.counts.get(uid).copied().unwrap_or_default();
        let leader = self.owners.get(&Ownable::Leader).is_some_and(|leader| leader == uid);
        let takes = |other: &KnownMember| other.state == MemberState::Participant;
        let blocked = (owned > 0 || leader) && self.members.values().any(takes);
        let limit = member.validity.takeover_delay() + STUCK_AFTER;
        Some(Standing {
            state: member.state,
            shards: member.shards.then_some(owned),
            leader,
            drains: member.draining.filter(|_| blocked).map(|since| (since, limit)),
        })
    }

    pub(super) fn count(&self, totals: &mut Totals) {
        for member in self.members.values() {
            match member.state {
                MemberState::Viewer => totals.viewers += 1,
                MemberState::Participant => totals.participants += 1,
                MemberState::Draining => totals.draining += 1,
            }
        }
        let mut all = 0_usize;
        for (uid, count) in &self.counts {
            all += count;
            if self.members.contains_key(uid) {
                totals.owned += count;
            } else {
                totals.orphaned += count;
            }
        }
        let shards = self.map.map_or(0, |map| usize::try_from(map.shards).unwrap_or(usize::MAX));
        totals.free += shards.saturating_sub(all);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty() && self.owners.is_empty() && self.map.is_none() && !self.value
    }
}
