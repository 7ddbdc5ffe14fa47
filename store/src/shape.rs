//! The shape of a pool, its scope and its clock rule, pinned in etcd beside the pool's spec.
//!
//! Keys of two shapes must never exist at once: a number that is held below one namespace's prefix would be free
//! below the cluster's. So the shape is recorded with the first spec, outlives the spec and the `Pool` object, and
//! is removed only by [`Store::retire`], when nothing of the pool is in use.
//!
//! Not for: knowing whether something is in use. The caller has followed all keys and all pods.

use cairn_core::keys;
use cairn_core::pool::{ClockRule, Pool, PoolName, PoolSpec, Scope};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::kv::{Compare, KeyValue, Kv, Op, Txn};
use crate::protocol::{Store, json, modified, parse};

/// Attempts at one spec in one call: another replica that writes at the same time writes once per change.
const ATTEMPTS: usize = 3;

/// What of a pool never changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Shape {
    /// Where a name is unique.
    pub scope: Scope,
    /// Whether holders reserve time.
    pub clock: ClockRule,
}

/// How writing a spec ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Defined {
    /// etcd has the spec.
    Yes,
    /// etcd has, or may have, keys of this other shape. Nothing was written.
    OtherShape(Shape),
    /// The store was wiped a moment ago, or somebody else writes at the same time. Nothing was written; try later.
    Contended,
}

// === impl Shape ===

impl Shape {
    /// The shape of a spec.
    pub fn of(spec: &PoolSpec) -> Self {
        Self { scope: spec.scope, clock: spec.clock }
    }
}

// === impl Store ===

impl<K: Kv> Store<K> {
    /// Makes the store, which has an epoch, hold this pool's spec and its shape. Puts only what differs, because
    /// every claim compares the spec's mod revision.
    pub async fn define_pinned(&self, pool: &Pool) -> Result<Defined, Error> {
        let (spec_key, shape_key) = (keys::pool(&pool.name), keys::shape(&pool.name));
        let (wanted, text) = (Shape::of(&pool.spec), pool.to_json());
        for _ in 0..ATTEMPTS {
            let read = vec![Op::get(&spec_key), Op::get(&shape_key), Op::get(keys::EPOCH)];
            let seen = self.kv().txn(Txn::read(read)).await?;
            let (spec, shape) = (seen.key(0), seen.key(1));
            // A store without an epoch was wiped: its holds come first.
            let Some(epoch) = seen.key(2) else { return Ok(Defined::Contended) };
            if let Some(other) = known_shape(spec, shape)?.filter(|known| *known != wanted) {
                return Ok(Defined::OtherShape(other));
            }
            let mut then = Vec::new();
            if spec.is_none_or(|found| found.value != text.as_bytes()) {
                then.push(Op::put(&spec_key, text.clone(), 0));
            }
            if shape.is_none() {
                then.push(Op::put(&shape_key, json(&shape_key, &wanted)?, 0));
            }
            if then.is_empty() {
                return Ok(Defined::Yes);
            }
            let compares = vec![
                Compare::modified(keys::EPOCH, epoch.mod_revision),
                Compare::modified(&spec_key, modified(spec)),
                Compare::modified(&shape_key, modified(shape)),
            ];
            if self.kv().txn(Txn { compares, then, otherwise: Vec::new() }).await?.succeeded {
                return Ok(Defined::Yes);
            }
        }
        Ok(Defined::Contended)
    }

    /// Marks a pool's spec as closed: from then on nothing new is granted from it, and its holders go on. True
    /// when this call did it; false when it is closed already, or not there, or was just written by somebody else.
    pub async fn close(&self, pool: &PoolName) -> Result<bool, Error> {
        let key = keys::pool(pool);
        let seen = self.kv().txn(Txn::read(vec![Op::get(&key)])).await?;
        let Some(found) = seen.key(0) else { return Ok(false) };
        let closed = match Pool::from_json(pool.clone(), &found.value) {
            Ok(read) if read.spec.closed => return Ok(false),
            Ok(mut read) => {
                read.spec.closed = true;
                read.to_json()
            }
            // A spec that cannot be read grants nothing either.
            Err(_) => return Ok(false),
        };
        let txn = Txn {
            compares: vec![Compare::modified(&key, found.mod_revision)],
            then: vec![Op::put(&key, closed, 0)],
            otherwise: Vec::new(),
        };
        Ok(self.kv().txn(txn).await?.succeeded)
    }

    /// Removes spec and shape of a pool of which nothing is in use. `closed_at` is the mod revision of the closed
    /// spec at which the caller knew that; 0 when there was no spec. False, and nothing is removed, when the spec
    /// has changed since: something may have been granted meanwhile.
    pub async fn retire(&self, pool: &PoolName, closed_at: i64) -> Result<bool, Error> {
        let (spec, shape) = (keys::pool(pool), keys::shape(pool));
        let txn = Txn {
            compares: vec![Compare::modified(&spec, closed_at)],
            then: vec![Op::Delete(spec), Op::Delete(shape)],
            otherwise: Vec::new(),
        };
        Ok(self.kv().txn(txn).await?.succeeded)
    }
}

/// The recorded shape; where an earlier version has recorded none, that of the spec.
fn known_shape(spec: Option<&KeyValue>, shape: Option<&KeyValue>) -> Result<Option<Shape>, Error> {
    if let Some(found) = shape {
        return parse(found).map(Some);
    }
    let spec: Option<Shape> = spec.and_then(|found| serde_json::from_slice(&found.value).ok());
    Ok(spec)
}

#[cfg(test)]
mod tests;
