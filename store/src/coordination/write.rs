//! C1 to C9 and the leader's value: one transaction each.
//!
//! A refused write reads everything that it has compared, in the same transaction, so that the machine learns at one
//! revision what is different.

use std::collections::BTreeMap;

use cairn_core::coordination::member::MemberRecord;
use cairn_core::coordination::owner::{Grant, Ownable};
use cairn_core::coordination::path::{GroupKey, GroupPath};
use cairn_core::coordination::picture::Changes;
use cairn_core::coordination::write::{How, OwnerChange, Write, WriteAnswer, WriteKind};
use cairn_core::keys;
use cairn_core::lease::LeaseId;

use super::Coordination;
use super::decode::{Decoder, epoch};
use crate::error::Error;
use crate::kv::{Answer, Branch, Compare, Guarded, KeyHandle, KeysHandle, Kv, prefix_end};
use crate::records::encode;

/// How many owners a refused C9 reads: one is enough to refuse it.
const OWNERS: i64 = 100;

/// A transaction that reads what it compares when it is refused.
#[derive(Debug)]
struct Plan<'g> {
    path: &'g GroupPath,
    txn: Guarded,
    compared: BTreeMap<String, KeyHandle>,
    owners: Option<KeysHandle>,
}

impl<K: Kv> Coordination<K> {
    /// Does a write. An error is an unclear result: the same write may be sent again.
    pub async fn write(&self, write: &Write) -> Result<WriteAnswer, Error> {
        let mut plan = Plan::new(&self.path, write.epoch);
        plan.add(write)?;
        let Plan { path, txn, compared, owners } = plan;
        match self.store.kv().commit(txn).await {
            Ok(Branch::Then(answer)) => Ok(WriteAnswer::Committed { revision: answer.revision() }),
            Ok(Branch::Otherwise(answer)) => {
                refused(path, &answer, &compared, owners).map(WriteAnswer::Refused)
            }
            Err(error) if error.is_lease_gone() => Ok(WriteAnswer::LeaseGone),
            Err(error) => Err(error),
        }
    }
}

fn refused(
    path: &GroupPath,
    answer: &Answer,
    compared: &BTreeMap<String, KeyHandle>,
    owners: Option<KeysHandle>,
) -> Result<Changes, Error> {
    let epoch_key = compared.get(keys::EPOCH).map(|handle| answer.key(*handle)).transpose()?;
    let decoder = Decoder { path, epoch: epoch(epoch_key.flatten()) };
    let mut changes = Changes { revision: answer.revision(), changes: Vec::new() };
    for (key, handle) in compared {
        changes.changes.extend(decoder.change(key, answer.key(*handle)?)?);
    }
    let owners = owners.map(|handle| answer.keys(handle)).transpose()?.unwrap_or_default();
    for found in owners {
        changes.changes.extend(decoder.change(&found.key, Some(found))?);
    }
    Ok(changes)
}

// === impl Plan ===

impl<'g> Plan<'g> {
    fn new(path: &'g GroupPath, epoch: i64) -> Self {
        let (txn, compared) = (Guarded::default(), BTreeMap::new());
        let mut plan = Self { path, txn, compared, owners: None };
        plan.compare(Compare::value(keys::EPOCH, epoch.to_string()));
        plan
    }

    fn add(&mut self, write: &Write) -> Result<(), Error> {
        let me = self.path.member(&write.uid);
        match &write.kind {
            WriteKind::Join { lease, record } => {
                self.compare(Compare::absent(&me));
                self.compare(Compare::absent(self.path.key(&GroupKey::Dropped(write.uid.clone()))));
                self.put_record(&me, record, *lease)?;
                self.put_first_map(record)?;
            }
            WriteKind::Resume { lease, record, session, seen } => {
                self.compare(Compare::created(&me, *session));
                self.compare(Compare::modified(&me, *seen));
                self.put_record(&me, record, *lease)?;
            }
            WriteKind::Update { lease, record, mine } => {
                self.compare(Compare::modified(&me, *mine));
                self.put_record(&me, record, *lease)?;
            }
            WriteKind::Owners { mine, changes } => {
                self.compare(Compare::modified(&me, *mine));
                for change in changes {
                    self.change_owner(change)?;
                }
            }
            WriteKind::Leave { mine } => {
                self.compare(Compare::modified(&me, *mine));
                self.txn.then.delete(me);
            }
            WriteKind::Resize { seen, map } => {
                let key = self.path.key(&GroupKey::Map);
                let shards = self.path.shards();
                self.compare(Compare::modified(&key, *seen));
                self.txn.compares.push(Compare::none_below(&shards));
                let to = prefix_end(&shards);
                self.owners = Some(self.txn.otherwise.page(shards, to, OWNERS, 0));
                let value = encode(&key, map)?;
                self.txn.then.put(key, value, 0);
            }
            WriteKind::LeaderValue { fence, seen, value } => {
                let key = self.path.key(&GroupKey::LeaderValue);
                self.compare(Compare::modified(self.path.owner(Ownable::Leader), *fence));
                self.compare(Compare::modified(&key, *seen));
                self.txn.then.put(key, value.clone(), 0);
            }
        }
        Ok(())
    }

    fn change_owner(&mut self, change: &OwnerChange) -> Result<(), Error> {
        let key = self.path.owner(change.of);
        match &change.how {
            How::Claim { grant, map } => {
                self.compare(Compare::absent(&key));
                if let Some(seen) = map {
                    self.compare(Compare::modified(self.path.key(&GroupKey::Map), *seen));
                }
                self.put_grant(key, grant)
            }
            How::HandOver { fence, to } => {
                self.compare(Compare::modified(&key, *fence));
                self.compare(Compare::created(self.path.member(&to.uid), to.session.revision));
                self.put_grant(key, to)
            }
            How::TakeOver { seen, grant } => {
                self.compare(Compare::modified(&key, *seen));
                self.put_grant(key, grant)
            }
            How::Free { fence } => {
                self.compare(Compare::modified(&key, *fence));
                self.txn.then.delete(key);
                Ok(())
            }
        }
    }

    /// Compares a key, and reads it when the write is refused.
    fn compare(&mut self, compare: Compare) {
        // Many changes compare the same map or the same recipient.
        if self.txn.compares.contains(&compare) {
            return;
        }
        let otherwise = &mut self.txn.otherwise;
        let key = compare.key.clone();
        self.compared.entry(key).or_insert_with_key(|key| otherwise.get(key));
        self.txn.compares.push(compare);
    }

    fn put_record(
        &mut self,
        key: &str,
        record: &MemberRecord,
        lease: LeaseId,
    ) -> Result<(), Error> {
        self.txn.then.put(key, encode(key, record)?, lease);
        Ok(())
    }

    /// The first member that serves a map puts it.
    fn put_first_map(&mut self, record: &MemberRecord) -> Result<(), Error> {
        let Some(map) = &record.map else {
            return Ok(());
        };
        let key = self.path.key(&GroupKey::Map);
        let mut inner = Guarded { compares: vec![Compare::absent(&key)], ..Guarded::default() };
        let value = encode(&key, map)?;
        inner.then.put(key, value, 0);
        self.txn.then.txn(inner);
        Ok(())
    }

    fn put_grant(&mut self, key: String, grant: &Grant) -> Result<(), Error> {
        let value = encode(&key, grant)?;
        self.txn.then.put(key, value, 0);
        Ok(())
    }
}
