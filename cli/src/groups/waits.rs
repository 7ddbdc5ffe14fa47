//! Why a shard or the leadership is not served for good by a member, and until when it waits at most.
//!
//! etcd does not tell when a session has ended, only that it has. So the takeover delay is counted from now on: members
//! have seen the end of the session before, or see it at this moment. What a sidecar has told its app to stop stands in
//! no key and is not shown.

use std::time::Duration;

use cairn_core::coordination::map::ShardMap;
use cairn_core::coordination::member::{Member, MemberRecord, MemberState};
use cairn_core::coordination::owner::{Granted, Ownable};
use cairn_core::coordination::picture::Picture;

use super::GroupView;

/// The state of something that can be owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its owner lives and keeps it.
    Owned,
    /// Its owner gives it away.
    Draining,
    /// Its owner's session has ended. Others wait for this long at most.
    Ended(Duration),
    /// Its owner's session has ended, and its pod has joined again. It takes back what it had.
    Back,
    /// Its owner's session is of an earlier epoch. Nobody waits.
    OtherEpoch,
    /// It has no owner.
    Free,
}

/// Something that can be owned, and what it waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Where it stands.
    pub standing: Standing,
    /// Why nobody takes it now. `None` when somebody will.
    pub blocked: Option<Blocked>,
}

/// Why nobody takes what has no living owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// A hold.
    Hold,
    /// No member is eligible.
    NobodyEligible,
    /// Every member that could own is of another map; the last shards of the old one are freed first.
    OtherMap,
}

// === impl Wait ===

impl Wait {
    /// What a shard, or the leadership, waits for.
    pub fn of(view: &GroupView, what: Ownable) -> Self {
        let picture = &view.picture;
        let standing = standing(view, picture.owner(what));
        let blocked = match standing {
            Standing::Owned => None,
            _ if picture.hold => Some(Blocked::Hold),
            _ if picture.members.values().any(|member| is_eligible(picture, what, member)) => None,
            _ if what != Ownable::Leader && has_other_map(picture) => Some(Blocked::OtherMap),
            _ => Some(Blocked::NobodyEligible),
        };
        Self { standing, blocked }
    }

    /// One word.
    pub fn state(&self) -> &'static str {
        match self.standing {
            Standing::Owned => "owned",
            Standing::Draining => "draining",
            Standing::Ended(_) | Standing::Back | Standing::OtherEpoch => "ended",
            Standing::Free => "free",
        }
    }

    /// A sentence; `None` when nothing waits.
    pub fn reason(&self) -> Option<String> {
        let standing = match self.standing {
            Standing::Owned => return None,
            Standing::Draining => "its owner hands it over".to_owned(),
            Standing::Ended(delay) => {
                format!("its owner's session has ended: it waits at most {:.1}s", tenths(delay))
            }
            Standing::Back => {
                "its owner's session has ended; its pod is back and takes it again".to_owned()
            }
            Standing::OtherEpoch => "its owner's session is of an earlier epoch".to_owned(),
            Standing::Free => "it has no owner".to_owned(),
        };
        Some(match self.blocked {
            None => standing,
            Some(blocked) => format!("{standing}; {}", blocked.reason()),
        })
    }

    /// How long it waits at most from now on. `None` when it does not wait for time alone.
    pub fn at_most(&self) -> Option<Duration> {
        match (&self.standing, self.blocked) {
            (Standing::Ended(delay), None) => Some(*delay),
            _ => None,
        }
    }
}

// === impl Blocked ===

impl Blocked {
    fn reason(self) -> &'static str {
        match self {
            Self::Hold => "a hold forbids changes of owners, after etcd was wiped or restored",
            Self::NobodyEligible => "no participant may own it",
            Self::OtherMap => "the members have another number of shards or another hash",
        }
    }
}

/// What keeps a member from owning shards, in words. `None` for a participant that may.
pub fn not_eligible(picture: &Picture, record: &MemberRecord) -> Option<String> {
    let other = |map: &ShardMap| record.map.as_ref().is_some_and(|own| own != map);
    match (record.state, &picture.map) {
        (MemberState::Viewer, _) => Some("its app has not asked to participate".to_owned()),
        (MemberState::Draining, _) => Some("gives everything away".to_owned()),
        (MemberState::Participant, Some(map)) if other(&map.value) => Some(format!(
            "waits for the end of the map in force, {} shards by {}",
            map.value.shards, map.value.hash
        )),
        (MemberState::Participant, _) => None,
    }
}

fn standing(view: &GroupView, owner: Option<&Granted>) -> Standing {
    let Some(granted) = owner else {
        return Standing::Free;
    };
    match view.owner(granted) {
        Some(member) if member.record.state == MemberState::Draining => Standing::Draining,
        Some(_) => Standing::Owned,
        None if Some(granted.grant.session.epoch) != view.picture.epoch => Standing::OtherEpoch,
        None if view.picture.members.contains_key(&granted.grant.uid) => Standing::Back,
        None => Standing::Ended(granted.grant.validity_ms.takeover_delay()),
    }
}

fn is_eligible(picture: &Picture, what: Ownable, member: &Member) -> bool {
    match (what, &picture.map) {
        (Ownable::Leader, _) => member.record.may_lead(),
        (Ownable::Shard(_), Some(map)) => member.record.is_eligible(&map.value),
        (Ownable::Shard(_), None) => false,
    }
}

/// Some participant serves under another map than the one in force, and will put it once nobody serves under that one.
fn has_other_map(picture: &Picture) -> bool {
    let in_force = picture.map.as_ref().map(|map| map.value);
    picture.members.values().map(AsRef::as_ref).any(|Member { record, .. }| {
        record.state == MemberState::Participant
            && record.map.is_some_and(|map| Some(map) != in_force)
    })
}

/// Rounded up, so that nobody looks too early.
fn tenths(span: Duration) -> f64 {
    (span.as_secs_f64() * 10.0).ceil() / 10.0
}
