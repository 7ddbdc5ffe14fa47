//! Two simpler protocols, for comparison: the same leases, renewals and guards, but no queue.
//!
//! A slot is put by a transaction that fails when the slot exists. It also puts an owner record, so that no pod has two
//! names. The two protocols differ in the name that they try next. Not for use: without a queue, a pod that came first
//! may be the last to get a name.

use std::sync::Arc;
use std::time::Duration;

use cairn_core::claim::{Holder, OwnerRecord, SlotRecord};
use cairn_core::keys::{self, ClaimPath, Key};
use cairn_core::pool::Pool;
use cairn_core::time::UnixMillis;
use cairn_herd::claimants::{Claimants, HeldName, Reporter, Update};
use cairn_herd::herd::BenchEnv;
use cairn_herd::scratch::Scratch;
use cairn_store::{Batch, Branch, Compare, Error, Guarded, Kv, Store};
use tokio::time::sleep;

/// The pause after a failed request, so that retries do not add to the load.
const RETRY: Duration = Duration::from_millis(100);

/// The rule for the name that is tried next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Baseline {
    /// Try the first name, then the second, until one is free.
    OneByOne,
    /// List the names that are held and try the lowest other name. When it is taken meanwhile, list again.
    LowestFree,
}

/// One pod.
struct Claimant<K> {
    store: Arc<Store<Scratch<K>>>,
    path: ClaimPath,
    pool: Pool,
    holder: Holder,
    me: String,
    baseline: Baseline,
}

// === impl Baseline ===

impl Baseline {
    /// Starts a herd of such pods.
    pub fn start<K: Kv + Clone + 'static>(self, env: &BenchEnv<K>) -> Claimants {
        env.start_with(|store, number, reporter| {
            let path = env.path();
            let namespace = path.namespace.clone().unwrap_or_default();
            let uid = format!("pod-{number}");
            let claimant = Claimant {
                me: keys::owner(&namespace, &uid, &path.pool),
                holder: Holder { namespace, pod: uid.clone(), uid, ..Holder::default() },
                pool: env.pool().clone(),
                baseline: self,
                path,
                store,
            };
            claimant.live(reporter)
        })
    }
}

// === impl Claimant ===

impl<K: Kv + 'static> Claimant<K> {
    async fn live(self, reporter: Reporter) {
        loop {
            let Ok((lease, _)) = self.store.kv().grant(self.pool.spec.lease_ttl()).await else {
                sleep(RETRY).await;
                continue;
            };
            let renewing = self.renew(lease);
            tokio::pin!(renewing);
            tokio::select! {
                held = self.claim(lease) => {
                    reporter.tell(Update::Held(held));
                    renewing.await;
                    reporter.tell(Update::Lost);
                }
                // The lease ran out before a name was claimed: start anew with another lease.
                () = &mut renewing => {}
            }
        }
    }

    /// Renews the lease every V/3, as sidecars do. Returns when the lease has run out.
    async fn renew(&self, lease: i64) {
        loop {
            sleep(self.pool.spec.validity / 3).await;
            loop {
                match self.store.kv().keep_alive(lease).await {
                    Ok(ttl) if ttl.is_zero() => return,
                    Ok(_) => break,
                    Err(_) => sleep(RETRY).await,
                }
            }
        }
    }

    async fn claim(&self, lease: i64) -> HeldName {
        let (mut index, mut rounds) = (0, 1);
        loop {
            if self.baseline == Baseline::LowestFree {
                rounds += 1;
                let Ok(Some(free)) = self.lowest_free().await else {
                    sleep(RETRY).await;
                    continue;
                };
                index = free;
            }
            rounds += 1;
            match self.take(index, lease).await {
                Ok(Some((index, revision))) => return HeldName { index, revision, rounds },
                Ok(None) => index = (index + 1) % self.pool.names.len().max(1),
                Err(_) => sleep(RETRY).await,
            }
        }
    }

    async fn lowest_free(&self) -> Result<Option<usize>, Error> {
        let mut batch = Batch::default();
        let slots = batch.list_keys(self.path.slots());
        let answer = self.store.kv().read(batch).await?;
        let mut taken = vec![false; self.pool.names.len()];
        for found in answer.keys(slots)? {
            if let Some(slot) = self.index_of(&found.key).and_then(|index| taken.get_mut(index)) {
                *slot = true;
            }
        }
        Ok(taken.iter().position(|taken| !taken))
    }

    /// Tries one name. Also finds a name that an earlier attempt without an answer has claimed.
    async fn take(&self, index: usize, lease: i64) -> Result<Option<(usize, i64)>, Error> {
        let key = self.pool.names.key(index).unwrap_or_default();
        let slot = self.path.slot(&key);
        let nonce = self.holder.uid.clone();
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let record = SlotRecord {
            holder: self.holder.clone(),
            nonce: nonce.clone(),
            since: UnixMillis::default(),
            validity_ms: millis(self.pool.spec.validity),
            quarantine_ms: millis(self.pool.spec.quarantine),
        };
        let owner = OwnerRecord { slot: slot.clone(), nonce };
        let mut txn = Guarded {
            compares: vec![Compare::absent(&self.me), Compare::absent(&slot)],
            ..Guarded::default()
        };
        txn.then.put(&slot, serde_json::to_vec(&record).unwrap_or_default(), lease);
        txn.then.put(&self.me, serde_json::to_vec(&owner).unwrap_or_default(), lease);
        let own_record = txn.otherwise.get(&self.me);
        let answer = match self.store.kv().commit(txn).await? {
            Branch::Then(answer) => return Ok(Some((index, answer.revision()))),
            Branch::Otherwise(answer) => answer,
        };
        let found = answer.key(own_record)?.filter(|owner| owner.lease == lease);
        Ok(found.and_then(|found| {
            let owner: OwnerRecord = serde_json::from_slice(&found.value).ok()?;
            Some((self.index_of(&owner.slot)?, found.create_revision))
        }))
    }

    fn index_of(&self, slot: &str) -> Option<usize> {
        match Key::parse(slot)? {
            Key::Slot(_, name) => self.pool.names.index_of(&name),
            _ => None,
        }
    }
}
