//! A store with a defined pool, and pods that claim from it.

use std::time::Duration;

use cairn_core::claim::{Fence, Holder, SlotRecord};
use cairn_core::keys::ClaimPath;
use cairn_core::lease::{
    ClaimAnswer, ClaimRequest, Granted, PoolView, QueueMode, Queued, RankGuard, ReadRequest,
    RedeemRequest, ReleaseRequest, Watch, Won,
};
use cairn_core::pool::{Pool, PoolName};
use cairn_core::quarantine::{QuarantineRecord, WaitsFor};
use cairn_core::time::{BootInstant, UnixMillis};
use cairn_store::memory::MemoryKv;
use cairn_store::{Batch, KeyValue, Kv, Store};
use tokio::time::{sleep, timeout};

/// Compacts a store.
pub(crate) enum Compactor {
    Memory(MemoryKv),
    Etcd(Box<etcd_client::Client>),
}

pub(crate) struct Fixture<K> {
    /// What the pods use; where namespaces are kept apart, with the rights of the namespace `shop`.
    pub(crate) store: Store<K>,
    /// What the webhook and administrators use.
    pub(crate) admin: Store<K>,
    compactor: Compactor,
}

/// The longest wait for the effects of the end of a lease.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

pub(crate) fn tea() -> PoolName {
    "tea".parse().unwrap()
}

pub(crate) fn path() -> ClaimPath {
    ClaimPath { namespace: Some("shop".into()), pool: tea(), group: None }
}

impl<K: Kv> Fixture<K> {
    pub(crate) fn new(pods: K, admin: K, compactor: Compactor) -> Self {
        Self { store: Store::new(pods), admin: Store::new(admin), compactor }
    }

    pub(crate) async fn compact(&self) {
        match &self.compactor {
            Compactor::Memory(memory) => memory.compact(),
            Compactor::Etcd(client) => {
                let revision = self.view("nobody").await.revision;
                client.as_ref().clone().compact(revision, None).await.unwrap();
            }
        }
    }

    pub(crate) async fn define(&self, names: &str) {
        let spec = format!(r#"{{"names":{{"list":[{names}]}}}}"#);
        let pool = Pool::from_json(tea(), spec.as_bytes()).unwrap();
        self.admin.define(&pool, 5, None).await.unwrap();
    }

    pub(crate) async fn grant(&self, seconds: u64) -> Granted {
        self.store.grant(BootInstant::default(), Duration::from_secs(seconds)).await.unwrap()
    }

    pub(crate) async fn view(&self, uid: &str) -> PoolView {
        self.view_from(uid, None).await
    }

    /// What a pod reads that has a ticket of this revision.
    pub(crate) async fn view_from(&self, uid: &str, ticket: Option<i64>) -> PoolView {
        Self::view_by(&self.store, uid, ticket).await
    }

    /// What a process reads that uses this store.
    pub(crate) async fn view_by(store: &Store<K>, uid: &str, ticket: Option<i64>) -> PoolView {
        store.read(&ReadRequest { ticket, ..read_request(uid) }).await.unwrap()
    }

    pub(crate) fn claim_request(view: &PoolView, uid: &str, key: &str, lease: i64) -> ClaimRequest {
        ClaimRequest {
            key: Some(key.into()),
            queue: QueueMode::Ahead { despite_freeze: false },
            sentinel: view.sentinel,
            spec: view.specs[0].2,
            ..ClaimRequest::unread(path(), record(uid, 1), lease)
        }
    }

    /// Claims a slot on a lease of its own.
    pub(crate) async fn claim(&self, uid: &str, key: &str, ttl: u64) -> (Option<Won>, i64) {
        let granted = self.grant(ttl).await;
        let request = Self::claim_request(&self.view(uid).await, uid, key, granted.lease);
        let won = match self.store.claim(&request).await.unwrap() {
            ClaimAnswer::Won(won) => Some(won),
            ClaimAnswer::Conflict => None,
            ClaimAnswer::Queued(queued) => panic!("queued without having asked: {queued:?}"),
        };
        (won, granted.lease)
    }

    /// Joins the queue on a lease.
    pub(crate) async fn join(&self, uid: &str, lease: i64) -> Queued {
        let request = ClaimRequest {
            key: None,
            queue: QueueMode::Join,
            note: 0,
            ..Self::claim_request(&self.view(uid).await, uid, "", lease)
        };
        match self.store.claim(&request).await.unwrap() {
            ClaimAnswer::Queued(queued) => queued,
            other => panic!("{uid} did not join the queue: {other:?}"),
        }
    }

    /// A T2 with the spec and the rank guard as they are now.
    pub(crate) async fn redeem_request(
        &self,
        uid: &str,
        key: &str,
        ticket: i64,
        lease: i64,
    ) -> RedeemRequest {
        RedeemRequest {
            path: path(),
            key: key.into(),
            record: record(uid, 1),
            lease,
            ticket,
            spec: self.view(uid).await.specs[0].2,
            seen: rank_guard(&self.view(uid).await),
        }
    }

    /// Whether a watch from a revision on reports a change within the limit.
    pub(crate) async fn wakes(
        &self,
        from: i64,
        watched_ticket: Option<String>,
        limit: Duration,
    ) -> bool {
        let watch = Watch { path: path(), from, watched_ticket };
        match timeout(limit, self.store.changed(&watch)).await {
            Ok(changed) => changed.map(|()| true).unwrap(),
            Err(_) => false,
        }
    }

    pub(crate) async fn release(&self, uid: &str, key: &str, mine: i64, rest: u64) -> bool {
        let request = ReleaseRequest {
            path: path(),
            key: key.into(),
            record: quarantine_record(uid),
            own_mod_revision: mine,
            quarantine: Duration::from_secs(rest),
            clock: None,
        };
        self.store.release(&request).await.unwrap()
    }

    /// Puts a key without the protocol.
    pub(crate) async fn put(&self, key: &str, value: &str) {
        let mut batch = Batch::default();
        batch.put(key, value, 0);
        self.admin.kv().read(batch).await.unwrap();
    }

    /// Deletes a key without the protocol.
    pub(crate) async fn delete(&self, key: &str) {
        let mut batch = Batch::default();
        batch.delete(key);
        self.admin.kv().read(batch).await.unwrap();
    }

    /// A key as it stands in the store.
    pub(crate) async fn get(&self, key: &str) -> Option<KeyValue> {
        self.store.kv().get(key).await.unwrap()
    }

    pub(crate) async fn until(&self, what: &str, condition: impl AsyncFn() -> bool) {
        let mut waited = Duration::ZERO;
        while !condition().await {
            assert!(waited < LIMIT, "{what} did not happen within {LIMIT:?}");
            let pause = Duration::from_millis(50);
            sleep(pause).await;
            waited += pause;
        }
    }
}

/// Everything that a pod without a ticket may read.
pub(crate) fn read_request(uid: &str) -> ReadRequest {
    ReadRequest {
        lists: true,
        path: path(),
        pools: vec![tea()],
        namespace: "shop".into(),
        uid: uid.into(),
        ticket: None,
        clocks: true,
        wanted: None,
    }
}

pub(crate) fn rank_guard(view: &PoolView) -> RankGuard {
    RankGuard { reclaims: view.reclaims, epoch: view.epoch_revision }
}

pub(crate) fn holder(uid: &str, incarnation: u32) -> Holder {
    Holder { namespace: "shop".into(), uid: uid.into(), incarnation, ..Holder::default() }
}

/// The record that a release of this pod puts into the quarantine.
pub(crate) fn quarantine_record(uid: &str) -> QuarantineRecord {
    QuarantineRecord {
        holder: holder(uid, 1),
        fence: Fence::default(),
        since: UnixMillis(0),
        waits_for: WaitsFor::Time,
    }
}

pub(crate) fn record(uid: &str, incarnation: u32) -> SlotRecord {
    SlotRecord {
        holder: holder(uid, incarnation),
        nonce: format!("{uid}-{incarnation}"),
        since: UnixMillis(0),
        validity_ms: 30_000,
        quarantine_ms: 15_000,
    }
}
