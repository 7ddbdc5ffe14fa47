//! Writing the epoch and the pools: by the webhook in a cluster, and by a sidecar without Kubernetes.

use std::time::Duration;

use cairn_core::keys;
use cairn_core::pool::{Pool, PoolName};

use crate::error::Error;
use crate::freeze;
use crate::kv::{Batch, Branch, Compare, Guarded, Kv, Op};
use crate::records::{FreezeCause, epoch as number};
use crate::store::Store;

/// etcd takes 128 operations in a transaction by default; two are left for the epoch.
const OPS_PER_TXN: usize = 126;

// === impl Store ===

impl<K: Kv> Store<K> {
    /// The epoch; `None` in an empty store.
    pub async fn epoch(&self) -> Result<Option<i64>, Error> {
        let found = self.kv().get(keys::EPOCH).await?;
        // A value that cannot be parsed is of another version, and no reason to start another epoch.
        Ok(found.map(|found| number(&found).unwrap_or_default()))
    }

    /// Writes the epoch of an empty store, and freezes these pools before that. Answers whether this call did it. With
    /// freezes it also lays the hold of coordination.
    ///
    /// Nothing can be claimed before a spec is defined, and [`Store::define`] comes after the epoch. So every freeze
    /// exists before the first claim, wherever this is interrupted. A freeze counts from after it was laid
    /// ([`crate::freeze`]). The specs are left out because several long lists would exceed etcd's request size.
    pub async fn begin(
        &self,
        pools: &[PoolName],
        epoch: i64,
        freeze: Option<Duration>,
    ) -> Result<bool, Error> {
        let cause = FreezeCause::EmptyStore;
        let hold = freeze.map(|_| freeze::lay_hold(cause));
        let freezes = freeze
            .into_iter()
            .flat_map(|span| pools.iter().map(move |pool| freeze::lay(pool, span, cause)));
        let guarded = |then: Vec<Op>| Guarded {
            compares: vec![Compare::absent(keys::EPOCH)],
            then: then.into(),
            ..Guarded::default()
        };
        let mut chunks = in_chunks(hold.into_iter().chain(freezes).collect());
        let mut last = chunks.pop().unwrap_or_default();
        for chunk in chunks {
            if !self.kv().commit(guarded(chunk)).await?.succeeded() {
                return Ok(false);
            }
        }
        last.push(Op::put(keys::EPOCH, epoch.to_string(), 0));
        if !self.kv().commit(guarded(last)).await?.succeeded() {
            return Ok(false);
        }
        if freeze.is_some() {
            self.start_freezes().await?;
        }
        Ok(true)
    }

    /// Writes a pool's spec. It is put only when it differs, because its mod revision is its version and every claim
    /// compares it.
    ///
    /// In an empty store, one transaction creates spec, epoch and freeze; its guard is the absence of the epoch.
    /// `epoch` must be greater than any earlier one: Unix seconds, or one more than the remembered one. `freeze` is
    /// the time during which nothing may be granted after that, because earlier holders may still believe in their
    /// claims; `None` when there can be none. With a freeze, a new epoch also comes with the hold of coordination.
    pub async fn define(
        &self,
        pool: &Pool,
        epoch: i64,
        freeze: Option<Duration>,
    ) -> Result<(), Error> {
        let key = keys::pool(&pool.name);
        let json = pool.to_json();
        let mut batch = Batch::default();
        let (epoch_key, spec) = (batch.get(keys::EPOCH), batch.get(&key));
        let answer = self.kv().read(batch).await?;
        if !answer.exists(epoch_key)? {
            let compares = vec![Compare::absent(keys::EPOCH)];
            let mut txn = Guarded { compares, ..Guarded::default() };
            txn.then.put(keys::EPOCH, epoch.to_string(), 0);
            txn.then.put(&key, json.clone(), 0);
            if let Some(span) = freeze {
                txn.then.push(freeze::lay(&pool.name, span, FreezeCause::EmptyStore));
                txn.then.push(freeze::lay_hold(FreezeCause::EmptyStore));
            }
            if self.kv().commit(txn).await?.succeeded() {
                return if freeze.is_some() { self.start_freezes().await } else { Ok(()) };
            }
        }
        if answer.key(spec)?.is_some_and(|found| found.value == json.as_bytes()) {
            return Ok(());
        }
        // A false compare means that another writer has just written the spec. Two writers of one version write the
        // same bytes. Of two versions, the next sync writes the right one.
        let compares = vec![Compare::modified(&key, answer.mod_revision(spec)?)];
        let mut txn = Guarded { compares, ..Guarded::default() };
        txn.then.put(key, json, 0);
        self.kv().commit(txn).await.map(drop)
    }

    /// Defines a pool without Kubernetes, where no webhook has frozen all pools of an empty store before anything else.
    /// A store that does not have the pool may have been wiped, also when it has an epoch: a sidecar with another pool
    /// may have come first. So the pool is frozen together with its definition. `freeze` is `None` when the user says
    /// that nobody holds a name of it from before. A spec that exists is not changed.
    pub async fn define_alone(
        &self,
        pool: &Pool,
        epoch: i64,
        freeze: Option<Duration>,
    ) -> Result<(), Error> {
        let key = keys::pool(&pool.name);
        let mut batch = Batch::default();
        let (epoch_key, spec) = (batch.get(keys::EPOCH), batch.get(&key));
        let answer = self.kv().read(batch).await?;
        let mut txn = Guarded::default();
        if !answer.exists(epoch_key)? {
            txn.compares.push(Compare::absent(keys::EPOCH));
            txn.then.put(keys::EPOCH, epoch.to_string(), 0);
            if freeze.is_some() {
                txn.then.push(freeze::lay_hold(FreezeCause::EmptyStore));
            }
        }
        if !answer.exists(spec)? {
            txn.compares.push(Compare::absent(&key));
            txn.then.put(&key, pool.to_json(), 0);
        }
        if txn.then.is_empty() {
            return Ok(());
        }
        if let Some(span) = freeze {
            txn.then.push(freeze::lay(&pool.name, span, FreezeCause::EmptyStore));
        }
        // A false compare means that another process was faster; the next read tells.
        if self.kv().commit(txn).await?.succeeded() && freeze.is_some() {
            self.start_freezes().await?;
        }
        Ok(())
    }

    /// After a restore: freezes every pool, lays the hold of coordination and raises the epoch. Answers with the new
    /// epoch.
    ///
    /// Every transaction that lays a freeze also moves the epoch. A T2 in flight compares it. Otherwise that T2 could
    /// land when the freeze ends, before the pods that waited during the freeze.
    pub async fn restored(
        &self,
        pools: &[PoolName],
        now: i64,
        freeze: Duration,
    ) -> Result<i64, Error> {
        let cause = FreezeCause::Restored;
        let lay = |pool| freeze::lay(pool, freeze, cause);
        // The chunk that comes first moves the epoch, and it is the last one here. So it has the hold.
        let mut chunks =
            in_chunks(pools.iter().map(lay).chain([freeze::lay_hold(cause)]).collect());
        let mut epoch = self.kv().get(keys::EPOCH).await?;
        let next = now.max(epoch.as_ref().and_then(number).unwrap_or_default().saturating_add(1));
        while let Some(freezes) = chunks.last() {
            let revision = epoch.as_ref().map_or(0, |found| found.mod_revision);
            let mut txn = Guarded {
                compares: vec![Compare::modified(keys::EPOCH, revision)],
                then: freezes.clone().into(),
                ..Guarded::default()
            };
            txn.then.put(keys::EPOCH, next.to_string(), 0);
            let moved = txn.then.get(keys::EPOCH);
            let other = txn.otherwise.get(keys::EPOCH);
            match self.kv().commit(txn).await? {
                Branch::Then(answer) => {
                    epoch = answer.key(moved)?.cloned();
                    chunks.pop();
                }
                Branch::Otherwise(answer) => {
                    epoch = answer.key(other)?.cloned();
                    if epoch.as_ref().and_then(number).is_some_and(|found| found > next) {
                        // Another administrator does the same. Two freezes of one pool do no harm.
                        return Box::pin(self.restored(pools, now, freeze)).await;
                    }
                }
            }
        }
        self.start_freezes().await?;
        Ok(next)
    }
}

/// Operations in as many transactions as they need.
fn in_chunks(mut ops: Vec<Op>) -> Vec<Vec<Op>> {
    let mut chunks = Vec::new();
    while ops.len() > OPS_PER_TXN {
        let rest = ops.split_off(OPS_PER_TXN);
        chunks.push(std::mem::replace(&mut ops, rest));
    }
    chunks.push(ops);
    chunks
}
