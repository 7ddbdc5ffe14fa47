//! Another map: deletes the keys of ended sessions while nobody may own under the map in force, then puts ours.
//!
//! Only a participant does it, so that two maps do not replace each other for ever. Several may be there: the one with
//! the oldest session begins, and each other one waits V longer than the one before it.

use super::membership::Membership;
use super::wake::Wake;
use crate::coordination::map::{Shard, ShardMap};
use crate::coordination::member::{Member, MemberState, Role};
use crate::coordination::owner::Ownable;
use crate::coordination::picture::Picture;
use crate::coordination::write::{How, MOST_CHANGES, OwnerChange, WriteKind};
use crate::time::BootInstant;

/// Since when nobody may own under the map in force.
#[derive(Clone, Debug, Default)]
pub(super) struct Resize {
    since: Option<BootInstant>,
}

/// A key of an ended session: its shard, its mod revision, and when it may be deleted.
pub(super) type DeadKey = (Shard, i64, Option<BootInstant>);

// === impl Resize ===

impl Resize {
    /// The next write towards our map.
    pub(super) fn next(
        &mut self,
        now: BootInstant,
        picture: &Picture,
        session: &Membership,
        ours: ShardMap,
        dead: &[DeadKey],
        wake: &mut Wake,
    ) -> Option<WriteKind> {
        let eligible = |member: &Member| {
            picture.map.as_ref().is_some_and(|map| member.record.is_eligible(&map.value))
        };
        if picture.members.values().any(|member| eligible(member)) || !wants(&session.written, ours)
        {
            self.since = None;
            return None;
        }
        let since = *self.since.get_or_insert(now);
        let mut others = picture.members.values().filter(|other| {
            other.session != session.id
                && other.record.map.is_some_and(|map| wants(&other.record, map))
        });
        let before = others.by_ref().filter(|other| other.session < session.id).count();
        let rank = u32::try_from(before).unwrap_or(u32::MAX);
        let turn = since.after(session.written.validity_ms.span().saturating_mul(rank));
        if now < turn {
            wake.at(turn);
            return None;
        }
        if picture.shards.is_empty() {
            let seen = picture.map.as_ref().map_or(0, |map| map.revision);
            return Some(WriteKind::Resize { seen, map: ours });
        }
        let mut changes = Vec::new();
        for (shard, fence, available) in dead {
            match available {
                Some(available) if now >= *available => {
                    let how = How::Free { fence: *fence };
                    changes.push(OwnerChange { of: Ownable::Shard(*shard), how });
                }
                Some(available) => wake.at(*available),
                None => {}
            }
        }
        changes.truncate(MOST_CHANGES);
        (!changes.is_empty()).then_some(WriteKind::Owners { mine: session.mine, changes })
    }
}

/// Whether this member would serve shards under this map.
fn wants(record: &crate::coordination::member::MemberRecord, map: ShardMap) -> bool {
    record.state == MemberState::Participant
        && record.roles.contains(&Role::Shards)
        && record.map == Some(map)
}
