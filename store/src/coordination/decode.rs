//! Keys of a group as values of `cairn_core`.
//!
//! A value that cannot be parsed is of another version, or was put by hand. A member's record is then taken in the safe
//! way: its session exists and it owns nothing new. A map or a grant is an error, because nothing is safe to assume.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cairn_core::coordination::map::ShardMap;
use cairn_core::coordination::member::{Member, MemberRecord, MemberState, SessionId};
use cairn_core::coordination::owner::{Granted, Ownable};
use cairn_core::coordination::path::{GroupKey, GroupPath, HOLD};
use cairn_core::coordination::picture::{Change, Revised};
use cairn_core::coordination::validity::Validity;
use cairn_core::keys;
use cairn_core::time::UnixMillis;

use crate::error::Error;
use crate::kv::KeyValue;
use crate::records;

/// Decodes the keys of one group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decoder<'g> {
    /// The group.
    pub(super) path: &'g GroupPath,
    /// The epoch at the revision of the keys: a record does not tell in which epoch it was created.
    pub(super) epoch: Option<i64>,
}

/// The epoch. A value that cannot be parsed is of another version: an epoch in which nothing can be written.
pub(super) fn epoch(found: Option<&KeyValue>) -> Option<i64> {
    found.map(|found| records::epoch(found).unwrap_or_default())
}

/// The map in force.
pub(super) fn map(found: &KeyValue) -> Result<Revised<ShardMap>, Error> {
    Ok(Revised { value: records::decode(found)?, revision: found.mod_revision })
}

/// The leader's value.
pub(super) fn leader_value(found: &KeyValue) -> Revised<Vec<u8>> {
    Revised { value: found.value.clone(), revision: found.mod_revision }
}

/// The owner of a shard or of the leadership.
pub(super) fn granted(found: &KeyValue) -> Result<Granted, Error> {
    Ok(Granted { grant: Arc::new(records::decode(found)?), revision: found.mod_revision })
}

// === impl Decoder ===

impl Decoder<'_> {
    /// What a key says; `found` is `None` when it does not exist. `None` for a key that is not of the group.
    pub(super) fn change(
        &self,
        key: &str,
        found: Option<&KeyValue>,
    ) -> Result<Option<Change>, Error> {
        match key {
            keys::EPOCH => return Ok(Some(Change::Epoch(epoch(found)))),
            HOLD => return Ok(Some(Change::Hold(found.is_some()))),
            _ => {}
        }
        let owner = |of| Ok(Change::Owner(of, found.map(granted).transpose()?));
        let change = match self.path.parse(key) {
            Some(GroupKey::Map) => Change::Map(found.map(map).transpose()?),
            Some(GroupKey::Leader) => owner(Ownable::Leader)?,
            Some(GroupKey::Shard(shard)) => owner(Ownable::Shard(shard))?,
            Some(GroupKey::LeaderValue) => Change::LeaderValue(found.map(leader_value)),
            Some(GroupKey::Member(uid)) => {
                Change::Member(uid, found.map(|found| Box::new(self.member(found))))
            }
            Some(GroupKey::Dropped(uid)) => Change::Dropped(uid, found.is_some()),
            None => return Ok(None),
        };
        Ok(Some(change))
    }

    /// A member.
    pub(super) fn member(&self, found: &KeyValue) -> Member {
        let record = records::decode(found).unwrap_or_else(|error| {
            tracing::debug!(error = error.report(), "a member's record is taken as a viewer's");
            unknown()
        });
        let session =
            SessionId { epoch: self.epoch.unwrap_or_default(), revision: found.create_revision };
        Member { record, session, revision: found.mod_revision }
    }
}

/// A record that cannot be parsed: a viewer that others wait for as long as for anybody.
fn unknown() -> MemberRecord {
    MemberRecord {
        pod: String::new(),
        node: String::new(),
        claims: Vec::new(),
        generation: String::new(),
        admitted: UnixMillis(0),
        state: MemberState::Viewer,
        weight: 0,
        roles: BTreeSet::new(),
        map: None,
        endpoints: BTreeMap::new(),
        tags: BTreeMap::new(),
        validity_ms: Validity::LONGEST,
        nonce: String::new(),
        // It limits nobody to a plan of an earlier version.
        plan: u32::MAX,
        resigned: false,
    }
}
