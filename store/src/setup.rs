//! Writing pools and the epoch: what the webhook does in a cluster, and a sidecar by itself without one.

use std::time::Duration;

use cairn_core::keys;
use cairn_core::pool::{Pool, PoolName};

use crate::error::Error;
use crate::freeze::{self, FreezeCause};
use crate::kv::{Compare, Kv, Op, Txn};
use crate::protocol::{Store, epoch};

/// etcd takes 128 operations in a transaction by default; two are left for the epoch.
const OPS_PER_TXN: usize = 126;

impl<K: Kv> Store<K> {
    /// The epoch; `None` in an empty store.
    pub async fn epoch(&self) -> Result<Option<i64>, Error> {
        let reply = self.kv().txn(Txn::read(vec![Op::get(keys::EPOCH)])).await?;
        // Whatever does not parse was not written by us, and is no reason to start another epoch.
        Ok(reply.key(0).map(|found| epoch(found).unwrap_or_default()))
    }

    /// Gives an empty store its epoch, and holds these pools before that: as long as the hold lasts
    /// nothing is granted from them. Answers whether it was this call that did it.
    ///
    /// Nothing can be claimed before a spec is defined, and [`Store::define`] comes after the epoch:
    /// so every hold is there before the first claim, whatever is interrupted in between. The hold is
    /// counted from after it was laid ([`crate::freeze`]). The specs are left out because a few long
    /// lists would exceed what etcd takes in one request.
    pub async fn begin(
        &self,
        pools: &[PoolName],
        epoch: i64,
        hold: Option<Duration>,
    ) -> Result<bool, Error> {
        let freezes = hold.into_iter().flat_map(|hold| {
            pools.iter().map(move |pool| freeze::lay(pool, hold, FreezeCause::EmptyStore))
        });
        let guarded = |then: Vec<Op>| Txn {
            compares: vec![Compare::created(keys::EPOCH, 0)],
            then,
            otherwise: Vec::new(),
        };
        let mut chunks = in_chunks(freezes.collect());
        let mut last = chunks.pop().unwrap_or_default();
        for chunk in chunks {
            if !self.kv().txn(guarded(chunk)).await?.succeeded {
                return Ok(false);
            }
        }
        last.push(Op::put(keys::EPOCH, epoch.to_string(), 0));
        if !self.kv().txn(guarded(last)).await?.succeeded {
            return Ok(false);
        }
        if hold.is_some() {
            self.start_freezes().await?;
        }
        Ok(true)
    }

    /// Makes the store hold this pool's spec. Puts only when it differs, because the spec's mod
    /// revision is its version and every claim compares it.
    ///
    /// In an empty store, spec, epoch and hold are created in one transaction guarded by the epoch's
    /// absence. `epoch` must be greater than any that was used before: Unix seconds, or one more
    /// than the one remembered. `hold` is how long nothing may be granted after that, because
    /// earlier holders may still believe in their claims; `None` when there can be none.
    pub async fn define(
        &self,
        pool: &Pool,
        epoch: i64,
        hold: Option<Duration>,
    ) -> Result<(), Error> {
        let key = keys::pool(&pool.name);
        let json = pool.to_json();
        let seen = self.kv().txn(Txn::read(vec![Op::get(keys::EPOCH), Op::get(&key)])).await?;
        if seen.key(0).is_none() {
            let mut then =
                vec![Op::put(keys::EPOCH, epoch.to_string(), 0), Op::put(&key, json.clone(), 0)];
            then.extend(hold.map(|hold| freeze::lay(&pool.name, hold, FreezeCause::EmptyStore)));
            let compares = vec![Compare::created(keys::EPOCH, 0)];
            let created = self.kv().txn(Txn { compares, then, otherwise: Vec::new() }).await?;
            if created.succeeded {
                return if hold.is_some() { self.start_freezes().await } else { Ok(()) };
            }
        }
        if seen.key(1).is_some_and(|found| found.value == json.as_bytes()) {
            return Ok(());
        }
        // Losing this compare means that somebody else has just written the spec. Two writers of
        // one version write the same bytes; of two versions, the next sync settles it.
        let version = seen.key(1).map_or(0, |found| found.mod_revision);
        let compares = vec![Compare::modified(&key, version)];
        let then = vec![Op::put(&key, json, 0)];
        self.kv().txn(Txn { compares, then, otherwise: Vec::new() }).await?;
        Ok(())
    }

    /// Defines a pool without Kubernetes, where no webhook has frozen all pools of an empty store before
    /// anything else. A store that does not have the pool may have been wiped, also when it has an
    /// epoch: a sidecar with another pool may have come first. So the pool is frozen together with its
    /// definition; `hold` is `None` when the user says that nobody holds a name of it from before. A
    /// spec that is there stays as it is.
    pub async fn define_alone(
        &self,
        pool: &Pool,
        epoch: i64,
        hold: Option<Duration>,
    ) -> Result<(), Error> {
        let key = keys::pool(&pool.name);
        let seen = self.kv().txn(Txn::read(vec![Op::get(keys::EPOCH), Op::get(&key)])).await?;
        let (has_epoch, has_spec) = (seen.key(0).is_some(), seen.key(1).is_some());
        let mut compares = Vec::new();
        let mut then = Vec::new();
        if !has_epoch {
            compares.push(Compare::created(keys::EPOCH, 0));
            then.push(Op::put(keys::EPOCH, epoch.to_string(), 0));
        }
        if !has_spec {
            compares.push(Compare::created(&key, 0));
            then.push(Op::put(&key, pool.to_json(), 0));
        }
        if then.is_empty() {
            return Ok(());
        }
        then.extend(hold.map(|hold| freeze::lay(&pool.name, hold, FreezeCause::EmptyStore)));
        // Losing a compare means that somebody else was faster; the next read tells.
        let laid = self.kv().txn(Txn { compares, then, otherwise: Vec::new() }).await?.succeeded;
        if laid && hold.is_some() {
            self.start_freezes().await?;
        }
        Ok(())
    }

    /// Removes a pool's spec: nothing is granted from it any more, holders keep what they hold.
    pub async fn undefine(&self, pool: &PoolName) -> Result<(), Error> {
        let then = vec![Op::Delete(keys::pool(pool))];
        self.kv().txn(Txn { then, ..Txn::default() }).await?;
        Ok(())
    }
}

/// Operations in as many transactions as they need.
pub(crate) fn in_chunks(mut ops: Vec<Op>) -> Vec<Vec<Op>> {
    let mut chunks = Vec::new();
    while ops.len() > OPS_PER_TXN {
        let rest = ops.split_off(OPS_PER_TXN);
        chunks.push(std::mem::replace(&mut ops, rest));
    }
    chunks.push(ops);
    chunks
}
