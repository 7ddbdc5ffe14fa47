//! A store with a defined pool, and claimants on it.

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
use cairn_store::memory::Memory;
use cairn_store::{Kv, Store};
use tokio::time::{sleep, timeout};

/// Makes a store forget its past.
pub(crate) enum Compactor {
    Memory(Memory),
    Etcd(String),
}

pub(crate) struct World<K> {
    pub(crate) store: Store<K>,
    compactor: Compactor,
}

/// Something that a lease's end brings about is waited for this long.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

pub(crate) fn tea() -> PoolName {
    "tea".parse().unwrap()
}

pub(crate) fn path() -> ClaimPath {
    ClaimPath { namespace: Some("shop".into()), pool: tea(), group: None }
}

impl<K: Kv> World<K> {
    pub(crate) fn new(kv: K, compactor: Compactor) -> Self {
        Self { store: Store::new(kv), compactor }
    }

    pub(crate) async fn compact(&self) {
        match &self.compactor {
            Compactor::Memory(memory) => memory.compact(),
            Compactor::Etcd(url) => {
                let revision = self.view("nobody").await.revision;
                let mut client = etcd_client::Client::connect([url], None).await.unwrap();
                client.compact(revision, None).await.unwrap();
            }
        }
    }

    pub(crate) async fn define(&self, names: &str) {
        let spec = format!(r#"{{"names":{{"list":[{names}]}}}}"#);
        let pool = Pool::from_json(tea(), spec.as_bytes()).unwrap();
        self.store.define(&pool, 5, None).await.unwrap();
    }

    pub(crate) async fn grant(&self, seconds: u64) -> Granted {
        self.store.grant(BootInstant::default(), Duration::from_secs(seconds)).await.unwrap()
    }

    pub(crate) async fn view(&self, uid: &str) -> PoolView {
        self.view_from(uid, None).await
    }

    /// As one who knows of a ticket sees it.
    pub(crate) async fn view_from(&self, uid: &str, ticket: Option<i64>) -> PoolView {
        let look = ReadRequest {
            path: path(),
            pools: vec![tea()],
            namespace: "shop".into(),
            uid: uid.into(),
            ticket,
            clocks: true,
            wanted: None,
        };
        self.store.read(&look).await.unwrap()
    }

    pub(crate) fn order(view: &PoolView, uid: &str, key: &str, lease: i64) -> ClaimRequest {
        ClaimRequest {
            path: path(),
            key: Some(key.into()),
            record: record(uid, 1),
            lease,
            queue: QueueMode::Ahead { despite_freeze: false },
            note: 0,
            quarantine: 0,
            clock: None,
            sentinel: view.sentinel,
            spec: view.specs[0].2,
        }
    }

    /// Claims a slot on a lease of its own.
    pub(crate) async fn claim(&self, uid: &str, key: &str, ttl: u64) -> (Option<Won>, i64) {
        let granted = self.grant(ttl).await;
        let order = Self::order(&self.view(uid).await, uid, key, granted.lease);
        let won = match self.store.claim(&order).await.unwrap() {
            ClaimAnswer::Won(won) => Some(won),
            ClaimAnswer::Conflict => None,
            ClaimAnswer::Queued(queued) => panic!("queued without having asked: {queued:?}"),
        };
        (won, granted.lease)
    }

    /// Joins the queue on a lease.
    pub(crate) async fn join(&self, uid: &str, lease: i64) -> Queued {
        let order = ClaimRequest {
            key: None,
            queue: QueueMode::Join,
            note: 0,
            ..Self::order(&self.view(uid).await, uid, "", lease)
        };
        match self.store.claim(&order).await.unwrap() {
            ClaimAnswer::Queued(queued) => queued,
            other => panic!("{uid} did not join the queue: {other:?}"),
        }
    }

    /// What turns a ticket into a slot, with the spec as it is now.
    pub(crate) async fn redemption(
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
            seen: marks(&self.view(uid).await),
        }
    }

    /// Whether a watch from a revision on has something to tell within the time given.
    pub(crate) async fn wakes(
        &self,
        from: i64,
        watched_ticket: Option<String>,
        limit: Duration,
    ) -> bool {
        let watch = Watch { path: path(), from, watched_ticket };
        match timeout(limit, self.store.changed(&watch)).await {
            Ok(told) => told.map(|()| true).unwrap(),
            Err(_) => false,
        }
    }

    pub(crate) async fn release(&self, uid: &str, key: &str, mine: i64, rest: u64) -> bool {
        let surrender = ReleaseRequest {
            path: path(),
            key: key.into(),
            record: left_by(uid),
            own_mod_revision: mine,
            quarantine: Duration::from_secs(rest),
            clock: None,
        };
        self.store.release(&surrender).await.unwrap()
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

pub(crate) fn marks(view: &PoolView) -> RankGuard {
    RankGuard { reclaims: view.reclaims, epoch: view.epoch_revision }
}

pub(crate) fn holder(uid: &str, incarnation: u32) -> Holder {
    Holder { namespace: "shop".into(), uid: uid.into(), incarnation, ..Holder::default() }
}

/// What a release of this pod leaves.
pub(crate) fn left_by(uid: &str) -> QuarantineRecord {
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
