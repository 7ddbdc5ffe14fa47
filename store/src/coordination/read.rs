//! C0: the whole group at one revision, in pages.

use std::collections::HashMap;
use std::sync::Arc;

use cairn_core::coordination::owner::{Grant, Granted};
use cairn_core::coordination::path::{GroupKey, GroupPath, HOLD};
use cairn_core::coordination::picture::Picture;
use cairn_core::keys;

use super::Coordination;
use super::decode::{Decoder, epoch, granted, leader_value, map};
use crate::error::Error;
use crate::kv::{Answer, Batch, KeyValue, Kv, Pages};
use crate::store::Store;

/// Records of one page: 2 MB at the most.
const RECORDS: i64 = 500;

/// Shards of one page: about 0.6 MB.
const SHARDS: i64 = 4_000;

/// A page is refused when its revision was compacted meanwhile. etcd compacts minutes apart, so the next attempt
/// succeeds.
const ROUNDS: usize = 3;

/// Grants by their values. Nearly all shards of a session have the same one, which is decoded once.
#[derive(Debug, Default)]
struct Decoded(HashMap<Vec<u8>, Arc<Grant>>);

impl<K: Kv> Coordination<K> {
    /// C0: epoch, hold, map, leader, leader's value, members and, if asked for, shards at one revision. It costs no
    /// Raft entry.
    pub async fn read(&self, shards: bool) -> Result<Picture, Error> {
        self.store.read_group(&self.path, shards).await
    }
}

// === impl Store ===

impl<K: Kv> Store<K> {
    /// C0 of a group.
    pub async fn read_group(&self, path: &GroupPath, shards: bool) -> Result<Picture, Error> {
        for _ in 1..ROUNDS {
            if let Some(picture) = self.try_read_group(path, shards).await? {
                return Ok(picture);
            }
        }
        let last = self.try_read_group(path, shards).await?;
        last.ok_or(Error::Malformed { operation: "reading a group whose revisions are compacted" })
    }

    /// `None` when a page was refused.
    async fn try_read_group(
        &self,
        path: &GroupPath,
        shards: bool,
    ) -> Result<Option<Picture>, Error> {
        let mut members = Pages::below(&path.members(), RECORDS);
        let mut owners = Pages::below(&path.shards(), SHARDS);
        if !shards {
            owners.skip();
        }
        let mut batch = Batch::default();
        let epoch_key = batch.get(keys::EPOCH);
        let hold = batch.get(HOLD);
        let map_key = batch.get(path.key(&GroupKey::Map));
        let leader = batch.get(path.key(&GroupKey::Leader));
        let value = batch.get(path.key(&GroupKey::LeaderValue));
        let pages = [members.ask(&mut batch, 0), owners.ask(&mut batch, 0)];
        let answer = self.kv().read_large(batch).await?;
        let epoch = epoch(answer.key(epoch_key)?);
        let mut picture = Picture {
            revision: answer.revision(),
            epoch,
            hold: answer.exists(hold)?,
            map: answer.key(map_key)?.map(map).transpose()?,
            leader: answer.key(leader)?.map(granted).transpose()?,
            leader_value: answer.key(value)?.map(leader_value),
            ..Picture::default()
        };
        let decoder = Decoder { path, epoch };
        let mut grants = Decoded::default();
        decoder.add_members(members.take(&answer, pages[0])?, &mut picture);
        decoder.add_owners(owners.take(&answer, pages[1])?, &mut grants, &mut picture)?;
        while members.has_next() || owners.has_next() {
            let mut batch = Batch::default();
            let revision = picture.revision;
            let pages = [members.ask(&mut batch, revision), owners.ask(&mut batch, revision)];
            let Some(answer) = Answer::of_past(self.kv().read_large(batch).await)? else {
                return Ok(None);
            };
            decoder.add_members(members.take(&answer, pages[0])?, &mut picture);
            decoder.add_owners(owners.take(&answer, pages[1])?, &mut grants, &mut picture)?;
        }
        Ok(Some(picture))
    }
}

// === impl Decoder ===

impl Decoder<'_> {
    fn add_members(&self, page: &[KeyValue], picture: &mut Picture) {
        for found in page {
            if let Some(GroupKey::Member(uid)) = self.path.parse(&found.key) {
                picture.members.insert(uid, Arc::new(self.member(found)));
            }
        }
    }

    fn add_owners(
        &self,
        page: &[KeyValue],
        grants: &mut Decoded,
        picture: &mut Picture,
    ) -> Result<(), Error> {
        for found in page {
            if let Some(GroupKey::Shard(shard)) = self.path.parse(&found.key) {
                picture.shards.insert(shard, grants.granted(found)?);
            }
        }
        Ok(())
    }
}

// === impl Decoded ===

impl Decoded {
    fn granted(&mut self, found: &KeyValue) -> Result<Granted, Error> {
        if let Some(grant) = self.0.get(&found.value) {
            return Ok(Granted { grant: Arc::clone(grant), revision: found.mod_revision });
        }
        let granted = granted(found)?;
        self.0.insert(found.value.clone(), Arc::clone(&granted.grant));
        Ok(granted)
    }
}
