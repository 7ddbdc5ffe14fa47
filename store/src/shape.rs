//! The shape of a pool, its scope and its clock rule, pinned in etcd beside the pool's spec.
//!
//! Keys of two shapes must never exist at once: a number that is held below one namespace's prefix would be free below
//! the cluster's. So the shape is recorded with the first spec and outlives the spec and the `Pool` object. Only
//! [`Store::retire`] removes it, when nothing of the pool is in use.
//!
//! Not for: knowing whether something is in use. The caller has read all keys and all pods.

use cairn_core::keys;
use cairn_core::pool::{Pool, PoolName};

use crate::error::Error;
use crate::kv::{Batch, Compare, Guarded, KeyValue, Kv};
pub use crate::records::Shape;
use crate::records::{decode, encode};
use crate::store::Store;

/// Attempts at one spec in one call: another replica that writes at the same time writes once per change.
const ATTEMPTS: usize = 3;

/// How writing a spec ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Defined {
    /// etcd has the spec.
    Yes,
    /// etcd has, or may have, keys of this other shape. Nothing was written.
    OtherShape(Shape),
    /// The store was wiped a moment ago, or another process writes at the same time. Nothing was written; try later.
    Contended,
}

// === impl Store ===

impl<K: Kv> Store<K> {
    /// Writes a pool's spec and its shape into a store that has an epoch. Only what differs is put, because every claim
    /// compares the spec's mod revision.
    pub async fn define_pinned(&self, pool: &Pool) -> Result<Defined, Error> {
        let (spec_key, shape_key) = (keys::pool(&pool.name), keys::shape(&pool.name));
        let (wanted, text) = (Shape::of(&pool.spec), pool.to_json());
        for _ in 0..ATTEMPTS {
            let mut batch = Batch::default();
            let (spec, shape) = (batch.get(&spec_key), batch.get(&shape_key));
            let epoch = batch.get(keys::EPOCH);
            let answer = self.kv().read(batch).await?;
            // A store without an epoch was wiped. Its freezes come first.
            if !answer.exists(epoch)? {
                return Ok(Defined::Contended);
            }
            let known = known_shape(answer.key(spec)?, answer.key(shape)?)?;
            if let Some(other) = known.filter(|known| *known != wanted) {
                return Ok(Defined::OtherShape(other));
            }
            let mut txn = Guarded::default();
            if answer.key(spec)?.is_none_or(|found| found.value != text.as_bytes()) {
                txn.then.put(&spec_key, text.clone(), 0);
            }
            if !answer.exists(shape)? {
                txn.then.put(&shape_key, encode(&shape_key, &wanted)?, 0);
            }
            if txn.then.is_empty() {
                return Ok(Defined::Yes);
            }
            txn.compares = vec![
                Compare::modified(keys::EPOCH, answer.mod_revision(epoch)?),
                Compare::modified(&spec_key, answer.mod_revision(spec)?),
                Compare::modified(&shape_key, answer.mod_revision(shape)?),
            ];
            if self.kv().commit(txn).await?.succeeded() {
                return Ok(Defined::Yes);
            }
        }
        Ok(Defined::Contended)
    }

    /// Marks a pool's spec as closed. From then on nothing new is granted from it, and its holders go on. True when
    /// this call did it. False when it is closed already, does not exist, or was just written by another process.
    pub async fn close(&self, pool: &PoolName) -> Result<bool, Error> {
        let key = keys::pool(pool);
        let Some(found) = self.kv().get(&key).await? else { return Ok(false) };
        let closed = match Pool::from_json(pool.clone(), &found.value) {
            Ok(read) if read.spec.closed => return Ok(false),
            Ok(mut read) => {
                read.spec.closed = true;
                read.to_json()
            }
            // A spec that cannot be parsed grants nothing either.
            Err(_) => return Ok(false),
        };
        let compares = vec![Compare::modified(&key, found.mod_revision)];
        let mut txn = Guarded { compares, ..Guarded::default() };
        txn.then.put(key, closed, 0);
        Ok(self.kv().commit(txn).await?.succeeded())
    }

    /// Removes spec and shape of a pool of which nothing is in use. `closed_at` is the mod revision of the closed
    /// spec at which the caller knew that; 0 when there was no spec. False, and nothing is removed, when the spec has
    /// changed since: something may have been granted meanwhile.
    pub async fn retire(&self, pool: &PoolName, closed_at: i64) -> Result<bool, Error> {
        let spec = keys::pool(pool);
        let compares = vec![Compare::modified(&spec, closed_at)];
        let mut txn = Guarded { compares, ..Guarded::default() };
        txn.then.delete(spec);
        txn.then.delete(keys::shape(pool));
        Ok(self.kv().commit(txn).await?.succeeded())
    }
}

/// The recorded shape; where an earlier version has recorded none, that of the spec.
fn known_shape(spec: Option<&KeyValue>, shape: Option<&KeyValue>) -> Result<Option<Shape>, Error> {
    if let Some(found) = shape {
        return decode(found).map(Some);
    }
    Ok(spec.and_then(|found| serde_json::from_slice(&found.value).ok()))
}

#[cfg(test)]
mod tests;
