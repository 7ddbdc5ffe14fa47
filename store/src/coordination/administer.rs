//! C10, and the removal of what a dead group leaves. For administrators and the webhook.

use std::time::Duration;

use cairn_core::coordination::member::{DropRecord, Member};
use cairn_core::coordination::owner::{Granted, Ownable};
use cairn_core::coordination::path::{GroupKey, GroupPath};
use cairn_core::coordination::write::MOST_CHANGES;
use cairn_core::keys;
use cairn_core::time::UnixMillis;

use super::decode::{Decoder, epoch};
use crate::error::Error;
use crate::kv::{Batch, Compare, Guarded, Kv};
use crate::records::encode;
use crate::store::Store;

/// How long a dropped pod is kept out: longer than an administrator needs to delete it.
const KEPT_OUT: Duration = Duration::from_mins(10);

/// The pod may join again between the read and the write. Twice in a row is rare.
const ROUNDS: usize = 5;

/// What came of the removal of a dead group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleaned {
    /// Nothing of the group is left, except of pods that are kept out.
    Yes,
    /// It has a member, or a hold exists, or it changed meanwhile. Nothing was deleted after that was seen.
    InUse,
}

// === impl Store ===

impl<K: Kv> Store<K> {
    /// C10: deletes a pod's record, and keeps the pod out for 10 minutes. Its shards are taken over by others after
    /// their delay; its claims stay. Answers with the member that was dropped; `None` when there is none.
    pub async fn drop_member(
        &self,
        path: &GroupPath,
        uid: &str,
        now: UnixMillis,
    ) -> Result<Option<Member>, Error> {
        let (me, out) = (path.member(uid), path.key(&GroupKey::Dropped(uid.to_owned())));
        let value = encode(&out, &DropRecord { since: now })?;
        for _ in 0..ROUNDS {
            let mut batch = Batch::default();
            let (epoch_key, me_key) = (batch.get(keys::EPOCH), batch.get(&me));
            let answer = self.kv().read(batch).await?;
            let (Some(found), Some(epoch)) = (answer.key(me_key)?, epoch(answer.key(epoch_key)?))
            else {
                return Ok(None);
            };
            let (lease, _) = self.kv().grant(KEPT_OUT).await?;
            let compares = vec![
                Compare::value(keys::EPOCH, epoch.to_string()),
                Compare::created(&me, found.create_revision),
            ];
            let mut txn = Guarded { compares, ..Guarded::default() };
            txn.then.delete(&me);
            txn.then.put(&out, value.clone(), lease);
            if self.kv().commit(txn).await?.succeeded() {
                return Ok(Some(Decoder { path, epoch: Some(epoch) }.member(found)));
            }
            // Nothing is attached to it.
            self.kv().revoke(lease).await?;
        }
        Err(Error::Malformed { operation: "dropping a member that joins again and again" })
    }

    /// Deletes what a dead group has left: owners first, then map and leader's value. Only for a group that had no
    /// member for an hour: by then no session of it serves any more.
    pub async fn clean_group(&self, path: &GroupPath) -> Result<Cleaned, Error> {
        let picture = self.read_group(path, true).await?;
        let (Some(epoch), false) = (picture.epoch, picture.hold) else {
            return Ok(Cleaned::InUse);
        };
        if !picture.members.is_empty() {
            return Ok(Cleaned::InUse);
        }
        let shards = picture.shards.iter().map(|(shard, owner)| (Ownable::Shard(*shard), owner));
        let leader = picture.leader.iter().map(|owner| (Ownable::Leader, owner));
        let owners: Vec<(Ownable, &Granted)> = leader.chain(shards).collect();
        let dead = |compares: Vec<Compare>| {
            let always = [
                Compare::value(keys::EPOCH, epoch.to_string()),
                Compare::none_below(path.members()),
            ];
            Guarded { compares: always.into_iter().chain(compares).collect(), ..Guarded::default() }
        };
        for chunk in owners.chunks(MOST_CHANGES) {
            let compare = |(of, owner): &(Ownable, &Granted)| {
                Compare::modified(path.owner(*of), owner.revision)
            };
            let mut txn = dead(chunk.iter().map(compare).collect());
            for (of, _) in chunk {
                txn.then.delete(path.owner(*of));
            }
            if !self.kv().commit(txn).await?.succeeded() {
                return Ok(Cleaned::InUse);
            }
        }
        if picture.map.is_none() && picture.leader_value.is_none() {
            return Ok(Cleaned::Yes);
        }
        let no_leader = Compare::absent(path.owner(Ownable::Leader));
        let mut txn = dead(vec![Compare::none_below(path.shards()), no_leader]);
        txn.then.delete(path.key(&GroupKey::Map));
        txn.then.delete(path.key(&GroupKey::LeaderValue));
        let done = self.kv().commit(txn).await?.succeeded();
        Ok(if done { Cleaned::Yes } else { Cleaned::InUse })
    }
}
