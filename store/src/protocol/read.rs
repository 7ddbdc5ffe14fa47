//! T0, and the read of the past at which a ticket was created.

use std::collections::HashMap;

use cairn_core::keys::{self, ClaimPath, Key};
use cairn_core::lease::{FoundOwner, PastView, PoolView, RankGuard, ReadRequest};
use cairn_core::time::UnixMillis;

use super::lists::{ListHandles, Lists, newest};
use super::slot::names;
use super::{quarantine, queue};
use crate::error::Error;
use crate::kv::{Answer, Batch, KeyValue, Kv};
use crate::records::{decode, epoch, reservation};
use crate::store::Store;

// === impl Store ===

impl<K: Kv> Store<K> {
    /// T0: everything that a claim depends on, at one revision. It costs no Raft entry.
    pub async fn read(&self, request: &ReadRequest) -> Result<PoolView, Error> {
        if let Some(view) = self.read_once(request, false).await? {
            return Ok(view);
        }
        let view = self.read_once(request, true).await?;
        view.ok_or(Error::Malformed { operation: "reading a pool" })
    }

    /// T0 with the slots listed or only counted. `None` when they have to be listed.
    async fn read_once(
        &self,
        request: &ReadRequest,
        listed: bool,
    ) -> Result<Option<PoolView>, Error> {
        let path = &request.path;
        let mut batch = Batch::default();
        let epoch_key = batch.get(keys::EPOCH);
        let freeze = batch.get(keys::freeze(&path.pool));
        let sentinel = batch.get(path.sentinel());
        let lists = request.lists.then(|| ListHandles::new(&mut batch, path, listed));
        let owners = batch.list(keys::owners(&request.namespace, &request.uid));
        let ticket = batch.get(path.ticket(&request.uid));
        let queued = batch.count(path.tickets());
        let reclaims = batch.get(path.reclaims());
        let specs: Vec<_> =
            request.pools.iter().map(|pool| (pool, batch.get(keys::pool(pool)))).collect();
        let older = request.ticket.map(|revision| queue::list_older(&mut batch, path, revision));
        let clocks = request.clocks.then(|| batch.list(path.clocks()));
        let wanted = request.wanted.as_ref().map(|key| batch.get(path.quarantine(key)));

        let answer = self.kv().read(batch).await?;
        let without_lists = lists.is_none();
        let lists = match lists {
            Some(lists) => match lists.read(&answer)? {
                Some(lists) => lists,
                None => return Ok(None),
            },
            None => Lists::default(),
        };
        let specs = specs.into_iter().filter_map(|(pool, handle)| {
            let found = answer.key(handle).transpose()?;
            Some(found.map(|found| (pool.clone(), found.value.clone(), found.mod_revision)))
        });
        let specs = specs.collect::<Result<_, _>>()?;
        let ticket = answer.key(ticket)?.map(queue::ticket);
        // Ignore the rank if our ticket was deleted meanwhile.
        let same = ticket.is_some() && ticket.map(|ticket| ticket.revision) == request.ticket;
        let older = older.filter(|_| same).map(|handle| answer.keys(handle)).transpose()?;
        let ahead = older.map(queue::ahead);
        let first = ahead.as_ref().is_some_and(|ahead| ahead.rank == 0);
        let frozen_for = self.attend_freeze(answer.key(freeze)?, first).await;
        let clocks = clocks.map(|handle| answer.keys(handle)).transpose()?;
        let wanted = wanted.map(|handle| answer.key(handle)).transpose()?.flatten();
        Ok(Some(PoolView {
            revision: answer.revision(),
            specs,
            epoch: answer.key(epoch_key)?.and_then(epoch),
            epoch_revision: answer.mod_revision(epoch_key)?,
            frozen: answer.exists(freeze)?,
            frozen_for,
            without_lists,
            sentinel: answer.mod_revision(sentinel)?,
            reclaims: answer.mod_revision(reclaims)?,
            unsettled: quarantine::unsettled(lists.quarantines, &lists.due),
            quarantined: quarantine::quarantined(lists.quarantines, &lists.due),
            held: lists.held,
            notes: lists.due,
            newest: lists.newest,
            owners: answer.keys(owners)?.iter().map(owner).collect::<Result<_, _>>()?,
            ticket,
            queued: answer.count(queued)?,
            ahead,
            wanted_quarantine: wanted.and_then(quarantine::parse),
            clocks: reserved_until(clocks.unwrap_or_default()),
        }))
    }

    /// The slots that were taken at a revision; with `only`, whether this name was. `None` when the member that was
    /// asked does not have that revision: it was compacted, or has not arrived yet.
    pub async fn read_at(
        &self,
        path: &ClaimPath,
        revision: i64,
        only: Option<&str>,
    ) -> Result<Option<PastView>, Error> {
        let mut batch = Batch::default();
        // Every slot has a note, so the notes tell of the slots, too.
        // A longer name may begin with the one that is asked for. It does no harm in the answer.
        let (notes, quarantines) = match only {
            Some(key) => (path.note(key), path.quarantine(key)),
            None => (path.notes(), path.quarantines()),
        };
        let notes = batch.list_keys_at(notes, revision);
        let quarantines = batch.list_keys_at(quarantines, revision);
        let reclaims = batch.list_keys_at(path.reclaims(), revision);
        let epoch = batch.list_keys_at(keys::EPOCH.to_owned(), revision);
        let Some(answer) = Answer::of_past(self.kv().read(batch).await)? else {
            return Ok(None);
        };
        Ok(Some(PastView {
            quarantined: names(answer.keys(quarantines)?),
            held: names(answer.keys(notes)?),
            seen: RankGuard {
                reclaims: newest(answer.keys(reclaims)?),
                epoch: newest(answer.keys(epoch)?),
            },
        }))
    }
}

fn owner(found: &KeyValue) -> Result<FoundOwner, Error> {
    let Some(Key::Owner { pool, .. }) = Key::parse(&found.key) else {
        return Err(Error::Malformed { operation: "reading the owner records" });
    };
    Ok(FoundOwner {
        pool,
        record: decode(found)?,
        create_revision: found.create_revision,
        mod_revision: found.mod_revision,
        lease: found.lease,
    })
}

/// Until when time is reserved, by slot. A reservation that cannot be parsed lasts for ever.
fn reserved_until(found: &[KeyValue]) -> HashMap<String, UnixMillis> {
    let entry = |found: &KeyValue| match Key::parse(&found.key)? {
        Key::Clock(_, name) => {
            let until = reservation(found).map(|found| found.record.reserved_until);
            Some((name, until.unwrap_or(UnixMillis(i64::MAX))))
        }
        _ => None,
    };
    found.iter().filter_map(entry).collect()
}
