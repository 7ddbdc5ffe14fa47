//! C0: the whole group at one revision, in pages.

use cairn_core::coordination::path::{GroupKey, GroupPath, HOLD};
use cairn_core::coordination::picture::Picture;
use cairn_core::keys;

use super::Coordination;
use super::decode::{Decoder, epoch, granted, leader_value, map};
use crate::error::{Class, Error};
use crate::kv::{Answer, Batch, KeyValue, KeysHandle, Kv, prefix_end};
use crate::store::Store;

/// Records of one page: 2 MB at the most.
const RECORDS: i64 = 500;

/// Shards of one page: about 0.6 MB.
const SHARDS: i64 = 4_000;

/// A page is refused when its revision was compacted meanwhile. etcd compacts minutes apart, so the next attempt
/// succeeds.
const ROUNDS: usize = 3;

/// Everything with a prefix, read in pages.
#[derive(Debug)]
struct Pages {
    /// The first key that was not read; `None` when all were.
    from: Option<String>,
    to: String,
    limit: i64,
    found: Vec<KeyValue>,
}

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
            owners.from = None;
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
        members.take(&answer, pages[0])?;
        owners.take(&answer, pages[1])?;
        while members.from.is_some() || owners.from.is_some() {
            let mut batch = Batch::default();
            let revision = picture.revision;
            let pages = [members.ask(&mut batch, revision), owners.ask(&mut batch, revision)];
            let answer = match self.kv().read_large(batch).await {
                Ok(answer) => answer,
                Err(error) if error.class() == Class::NotApplied => return Ok(None),
                Err(error) => return Err(error),
            };
            members.take(&answer, pages[0])?;
            owners.take(&answer, pages[1])?;
        }
        let decoder = Decoder { path, epoch };
        for found in &members.found {
            if let Some(GroupKey::Member(uid)) = path.parse(&found.key) {
                picture.members.insert(uid, decoder.member(found));
            }
        }
        for found in &owners.found {
            if let Some(GroupKey::Shard(shard)) = path.parse(&found.key) {
                picture.shards.insert(shard, granted(found)?);
            }
        }
        Ok(Some(picture))
    }
}

// === impl Pages ===

impl Pages {
    fn below(prefix: &str, limit: i64) -> Self {
        let from = Some(prefix.to_owned());
        Self { from, to: prefix_end(prefix), limit, found: Vec::new() }
    }

    /// Adds the next page to a batch.
    fn ask(&self, batch: &mut Batch, revision: i64) -> Option<KeysHandle> {
        let from = self.from.as_ref()?;
        Some(batch.page(from, &self.to, self.limit, revision))
    }

    fn take(&mut self, answer: &Answer, page: Option<KeysHandle>) -> Result<(), Error> {
        let Some(page) = page else {
            return Ok(());
        };
        let found = answer.keys(page)?;
        let last = found.last().filter(|_| answer.has_more(page).unwrap_or_default());
        // The next key after the last one.
        self.from = last.map(|last| format!("{}\0", last.key));
        self.found.extend_from_slice(found);
        Ok(())
    }
}
