//! The mirror's view of claims, fed by a real etcd in which claims are made as sidecars make them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a failed expectation is a failed test; clippy.toml exempts test functions only"
)]

use std::sync::Arc;
use std::time::Duration;

use cairn_core::claim::{Fence, Holder, SlotRecord};
use cairn_core::keys::ClaimPath;
use cairn_core::lease::{ClaimRequest, QueueMode, ReadRequest, ReleaseRequest};
use cairn_core::pool::{Pool, PoolName, Scope};
use cairn_core::quarantine::{QuarantineRecord, WaitsFor};
use cairn_core::time::{BootInstant, UnixMillis};
use cairn_store::Store;
use cairn_store::etcd::Etcd;
use cairn_test_etcd::TestEtcd;
use cairn_webhook::mirror::claims::{Claims, PodId};
use cairn_webhook::mirror::feed::{self, Update};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// A lease's end, or a restart of etcd with a pause before the next attempt, on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// The least that etcd grants is 2 s; nothing of these tests takes longer than a minute.
const LONG: Duration = Duration::from_mins(1);

/// The view, and the feed that it follows.
struct View {
    claims: Claims,
    updates: mpsc::Receiver<Update>,
    blind: bool,
}

/// A sidecar's side of the store.
struct Sidecars {
    store: Store<Etcd>,
}

fn pool() -> PoolName {
    "mountains".parse().unwrap()
}

fn pod(uid: &str) -> PodId {
    PodId { namespace: "shop".into(), uid: uid.into() }
}

fn path() -> ClaimPath {
    ClaimPath::new(pool(), Scope::Namespace, "shop", Some("checkout".parse().unwrap()))
}

async fn connect(etcd: &TestEtcd) -> Etcd {
    Etcd::connect(&[etcd.url().to_owned()], None, Duration::from_secs(2)).await.unwrap()
}

impl View {
    async fn of(etcd: &TestEtcd) -> Self {
        let etcd = Arc::new(connect(etcd).await);
        let (sender, updates) = mpsc::channel(8);
        tokio::spawn(async move { feed::follow(&etcd, &sender).await });
        Self { claims: Claims::default(), updates, blind: true }
    }

    async fn until(&mut self, what: &str, condition: impl Fn(&Self) -> bool) {
        let following = async {
            while !condition(self) {
                match self.updates.recv().await.expect("the feed goes on for ever") {
                    Update::Listed(keys) => {
                        self.claims.reset(&keys);
                        self.blind = false;
                    }
                    Update::Changed(changes) => drop(self.claims.apply(&changes)),
                    Update::Blind => self.blind = true,
                }
            }
        };
        let seen = timeout(LIMIT, following).await;
        assert!(seen.is_ok(), "{what} was not seen within {LIMIT:?}");
    }

    fn name(&self, uid: &str) -> Option<String> {
        self.claims.of(&pod(uid)).remove(&pool()).map(|claim| claim.name)
    }
}

impl Sidecars {
    async fn of(etcd: &TestEtcd) -> Self {
        let store = Store::new(connect(etcd).await);
        let mountains = Pool::builtin(&pool()).unwrap();
        store.define(&mountains, 5, None).await.unwrap();
        Self { store }
    }

    /// Claims a name and tells its revision.
    async fn claim(&self, uid: &str, name: &str, ttl: Duration) -> i64 {
        let lease = self.store.grant(BootInstant::default(), ttl).await.unwrap().lease;
        let look = ReadRequest {
            path: path(),
            pools: vec![pool()],
            namespace: "shop".into(),
            uid: uid.into(),
            ticket: None,
            clocks: false,
            wanted: None,
        };
        let view = self.store.read(&look).await.unwrap();
        let record = SlotRecord {
            holder: holder(uid),
            nonce: uid.into(),
            since: UnixMillis(0),
            validity_ms: 30_000,
            quarantine_ms: 15_000,
        };
        let order = ClaimRequest {
            path: path(),
            key: Some(name.to_owned()),
            record,
            lease,
            queue: QueueMode::Ahead { despite_freeze: false },
            note: 0,
            quarantine: 0,
            clock: None,
            sentinel: view.sentinel,
            spec: view.specs[0].2,
        };
        self.store.claim(&order).await.unwrap().won().unwrap().own_mod_revision
    }

    async fn release(&self, uid: &str, name: &str, mine: i64) {
        let quarantine = LONG;
        let record = QuarantineRecord {
            holder: holder(uid),
            fence: Fence::default(),
            since: UnixMillis(0),
            waits_for: WaitsFor::Time,
        };
        let key = name.to_owned();
        let surrender = ReleaseRequest {
            path: path(),
            key,
            record,
            own_mod_revision: mine,
            quarantine,
            clock: None,
        };
        assert!(self.store.release(&surrender).await.unwrap());
    }
}

fn holder(uid: &str) -> Holder {
    Holder { namespace: "shop".into(), uid: uid.into(), ..Holder::default() }
}

#[tokio::test]
async fn claims_are_seen_as_they_come_and_go() {
    let etcd = TestEtcd::start().unwrap();
    let sidecars = Sidecars::of(&etcd).await;
    let mut view = View::of(&etcd).await;
    view.until("the empty list", |view| !view.blind).await;
    let mine = sidecars.claim("u1", "Denali", LONG).await;
    view.until("the claim", |view| view.name("u1").as_deref() == Some("Denali")).await;
    let fence = view.claims.of(&pod("u1"))[&pool()].fence;
    assert_eq!((fence.epoch, fence.revision), (5, mine));
    sidecars.release("u1", "Denali", mine).await;
    view.until("the release", |view| view.name("u1").is_none()).await;
    let counts = view.claims.census().remove(&pool()).unwrap();
    assert_eq!((counts.held, counts.quarantined), (0, 1));
}

#[tokio::test]
async fn a_claim_whose_lease_runs_out_is_gone() {
    let etcd = TestEtcd::start().unwrap();
    let sidecars = Sidecars::of(&etcd).await;
    sidecars.claim("u1", "Denali", LONG).await;
    sidecars.claim("u2", "MtLogan", Duration::from_secs(2)).await;
    let mut view = View::of(&etcd).await;
    view.until("both claims", |view| view.name("u1").is_some() && view.name("u2").is_some()).await;
    view.until("the lease's end", |view| view.name("u2").is_none()).await;
    assert_eq!(view.name("u1").as_deref(), Some("Denali"));
    // Nobody has begun its quarantine; the note says that it rests.
    assert_eq!(view.claims.census()[&pool()].quarantined, 1);
}

#[tokio::test]
async fn an_etcd_that_restarts_is_followed_again_and_what_was_missed_is_made_up_for() {
    let mut etcd = TestEtcd::start().unwrap();
    let sidecars = Sidecars::of(&etcd).await;
    let mut view = View::of(&etcd).await;
    sidecars.claim("u1", "Denali", LONG).await;
    view.until("the first claim", |view| view.name("u1").is_some()).await;
    etcd.kill();
    view.until("the outage", |view| view.blind).await;
    assert_eq!(view.name("u1").as_deref(), Some("Denali"), "silence proves nothing");
    etcd.restart().unwrap();
    sidecars.claim("u2", "MtLogan", LONG).await;
    view.until("the second claim", |view| view.name("u2").is_some()).await;
    assert!(!view.blind);
    assert_eq!(view.name("u1").as_deref(), Some("Denali"));
}
