//! Groups in etcd: members, the leader, and owners of shards. Pure: keys and values come in. The keys are described in
//! `docs/coordination.md`, "Keys".
//!
//! A record that cannot be read becomes a message in [`Groups::errors`] and hides nothing else.
//!
//! Not for: why something waits ([`waits`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use cairn_core::coordination::member::{DropRecord, Member, MemberRecord, SessionId};
use cairn_core::coordination::owner::{Granted, Ownable};
use cairn_core::coordination::path::{GroupKey, GroupPath, HOLD};
use cairn_core::coordination::picture::{Picture, Revised};
use cairn_core::keys;
use cairn_store::KeyValue;
use serde::de::DeserializeOwned;

use crate::args::group::Selection;

pub mod waits;

/// All groups at one revision.
#[derive(Clone, Debug, Default)]
pub struct Groups {
    /// The groups, by namespace and group.
    pub groups: BTreeMap<GroupPath, GroupView>,
    /// The lease of the hold, 0 for one that was not started; `None` without a hold.
    pub hold: Option<i64>,
    /// One message for each record that cannot be read.
    pub errors: Vec<String>,
}

/// One group.
#[derive(Clone, Debug, Default)]
pub struct GroupView {
    /// What members know of it.
    pub picture: Picture,
    /// The lease of each member's record.
    pub leases: BTreeMap<String, i64>,
    /// Pods that an administrator keeps out, by UID.
    pub dropped: BTreeMap<String, KeptOut>,
}

/// A pod that is kept out.
#[derive(Clone, Debug)]
pub struct KeptOut {
    /// Since when.
    pub record: DropRecord,
    /// The lease that ends it.
    pub lease: i64,
}

/// Why a command has no single group, member or leader to work on. Each is a message that says what to do.
pub type Unclear = String;

// === impl Groups ===

impl Groups {
    /// Parses Cairn's keys.
    pub fn read(found: &[KeyValue]) -> Self {
        let mut groups = Self::default();
        let epoch = found.iter().find(|key| key.key == keys::EPOCH);
        let epoch = epoch.and_then(|key| std::str::from_utf8(&key.value).ok()?.parse().ok());
        groups.hold = found.iter().find(|key| key.key == HOLD).map(|key| key.lease);
        for key in found {
            if let Some((path, parsed)) = GroupPath::split(&key.key) {
                groups.take(path, parsed, key, epoch);
            }
        }
        let hold = groups.hold.is_some();
        for view in groups.groups.values_mut() {
            view.picture.epoch = epoch;
            view.picture.hold = hold;
        }
        groups
    }

    /// Keeps what was asked for.
    pub fn select(&mut self, selection: &Selection) {
        self.groups.retain(|path, _| selection.has(path));
    }

    /// The one group that was asked for.
    pub fn only(&self) -> Result<(&GroupPath, &GroupView), Unclear> {
        let mut groups = self.groups.iter();
        match (groups.next(), groups.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err("no such group has members or owners; see cairn members".to_owned()),
            (Some((one, _)), Some((other, _))) => Err(format!(
                "more than one group fits, like {} and {}; choose one with --namespace and --group",
                title(one),
                title(other)
            )),
        }
    }

    /// The member whose pod has this name or UID.
    pub fn member(&self, pod: &str) -> Result<(&GroupPath, &str, &Member), Unclear> {
        let found: Vec<_> = self
            .groups
            .iter()
            .flat_map(|(path, view)| view.picture.members.iter().map(move |of| (path, of)))
            .filter(|(_, (uid, member))| member.record.pod == pod || *uid == pod)
            .collect();
        match found.as_slice() {
            [(path, (uid, member))] => Ok((path, uid, member)),
            [] => Err(format!("no member is called '{pod}'; see cairn members")),
            [(one, _), (other, _), ..] => Err(format!(
                "'{pod}' is a member of {} and of {}; choose one with --namespace and --group, or \
                 give its UID",
                title(one),
                title(other)
            )),
        }
    }

    fn take(&mut self, path: GroupPath, parsed: GroupKey, key: &KeyValue, epoch: Option<i64>) {
        let revision = key.mod_revision;
        let errors = &mut self.errors;
        let view = self.groups.entry(path).or_default();
        let picture = &mut view.picture;
        match parsed {
            GroupKey::Map => {
                picture.map = decode(key, errors).map(|value| Revised { value, revision });
            }
            GroupKey::Leader => {
                let grant = decode(key, errors).map(Arc::new);
                picture.leader = grant.map(|grant| Granted { grant, revision });
            }
            GroupKey::LeaderValue => {
                picture.leader_value = Some(Revised { value: key.value.clone(), revision });
            }
            GroupKey::Shard(shard) => {
                if let Some(grant) = decode(key, errors).map(Arc::new) {
                    picture.shards.insert(shard, Granted { grant, revision });
                }
            }
            GroupKey::Member(uid) => {
                if let Some(record) = decode::<MemberRecord>(key, errors) {
                    let session = SessionId {
                        epoch: epoch.unwrap_or_default(),
                        revision: key.create_revision,
                    };
                    view.leases.insert(uid.clone(), key.lease);
                    let member = Member { record, session, revision };
                    picture.members.insert(uid, Arc::new(member));
                }
            }
            GroupKey::Dropped(uid) => {
                if let Some(record) = decode(key, errors) {
                    view.dropped.insert(uid, KeptOut { record, lease: key.lease });
                }
            }
        }
    }
}

// === impl GroupView ===

impl GroupView {
    /// The member that owns something, while its session is the one that owns it.
    pub fn owner(&self, granted: &Granted) -> Option<&Member> {
        self.picture.session(&granted.grant.uid, granted.grant.session)
    }

    /// How many shards a member owns.
    pub fn owned(&self, uid: &str) -> usize {
        let mine = |granted: &&Granted| granted.grant.uid == uid && self.owner(granted).is_some();
        self.picture.shards.values().filter(mine).count()
    }

    /// Whether a member leads.
    pub fn leads(&self, uid: &str) -> bool {
        let leader = self.picture.owner(Ownable::Leader);
        leader.is_some_and(|granted| granted.grant.uid == uid && self.owner(granted).is_some())
    }
}

/// A group in messages.
pub fn title(path: &GroupPath) -> String {
    format!("group '{}' of namespace '{}'", path.group, path.namespace)
}

/// The pod's name where it is known, else its UID.
pub fn pod_of<'v>(view: &'v GroupView, uid: &'v str) -> &'v str {
    match view.picture.members.get(uid) {
        Some(member) if !member.record.pod.is_empty() => &member.record.pod,
        _ => uid,
    }
}

fn decode<T: DeserializeOwned>(key: &KeyValue, errors: &mut Vec<String>) -> Option<T> {
    serde_json::from_slice(&key.value)
        .map_err(|error| {
            errors.push(format!(
                "the record at {} cannot be read and is left out: {error}; \
                 use the version of cairn that wrote it",
                key.key
            ));
        })
        .ok()
}

#[cfg(test)]
mod tests;
