use std::sync::Arc;

use cairn_core::claim::{Fence, Holder, SlotRecord};
use cairn_core::keys;
use cairn_core::lease::{ClaimRequest, QueueMode, ReadRequest, ReleaseRequest};
use cairn_core::pool::{Pool, PoolName, Scope};
use cairn_core::time::{BootInstant, UnixMillis};
use cairn_store::etcd::Etcd;
use cairn_test_etcd::TestEtcd;

use super::*;

/// An API server that knows of one life.
#[derive(Clone, Copy)]
struct Pod(Option<Life>);

impl Asked for Pod {
    async fn life(&self, _: &str, name: &str, uid: &str) -> Result<Option<Life>, UpkeepError> {
        assert_eq!((name, uid), ("p", "u1"));
        Ok(self.0)
    }
}

/// A real etcd in which claims are made as sidecars make them.
struct World {
    _process: TestEtcd,
    store: Store<Arc<Etcd>>,
}

fn pool() -> PoolName {
    "mountains".parse().unwrap()
}

fn path() -> ClaimPath {
    ClaimPath::new(pool(), Scope::Namespace, "shop", Some("checkout".parse().unwrap()))
}

fn holder(uid: &str) -> Holder {
    Holder { namespace: "shop".into(), pod: "p".into(), uid: uid.into(), ..Holder::default() }
}

fn chore(task: Task) -> Chore {
    Chore { path: path(), task }
}

impl World {
    async fn start() -> Self {
        let process = TestEtcd::start().unwrap();
        let request_timeout = Duration::from_secs(2);
        let etcd = Etcd::connect(&[process.url().to_owned()], None, request_timeout).await.unwrap();
        let store = Store::new(Arc::new(etcd));
        store.define(&Pool::builtin(&pool()).unwrap(), 5, None).await.unwrap();
        Self { _process: process, store }
    }

    async fn revision(&self, key: &str) -> i64 {
        let found = self.store.kv().get(key).await.unwrap();
        found.map_or(0, |found| found.mod_revision)
    }

    /// What a pod would claim with that has read the store now.
    async fn order(&self, uid: &str, queue: QueueMode) -> ClaimRequest {
        let lease = self.store.grant(BootInstant::default(), Duration::from_mins(1)).await.unwrap();
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
        ClaimRequest {
            path: path(),
            key: Some("Denali".into()),
            record,
            lease: lease.lease,
            queue,
            note: 0,
            quarantine: 0,
            clock: None,
            sentinel: view.sentinel,
            spec: view.specs[0].2,
        }
    }

    async fn claim(&self, uid: &str) -> i64 {
        let order = self.order(uid, QueueMode::Join).await;
        self.store.claim(&order).await.unwrap().won().unwrap().own_mod_revision
    }

    /// A pod that gives its name up until it has ended.
    async fn rest(&self) -> RestAt {
        let mine = self.claim("u1").await;
        let record = QuarantineRecord {
            holder: holder("u1"),
            fence: Fence { epoch: 5, revision: mine },
            since: UnixMillis(0),
            waits_for: WaitsFor::PodEnd,
        };
        let surrender = ReleaseRequest {
            path: path(),
            key: "Denali".into(),
            record,
            own_mod_revision: mine,
            quarantine: WITH_POD,
            clock: None,
        };
        assert!(self.store.release(&surrender).await.unwrap());
        self.seen().await.unwrap().0
    }

    async fn seen(&self) -> Option<(RestAt, WaitsFor)> {
        let rest = self.store.quarantines(&path()).await.unwrap().pop()?;
        let uid = rest.record.holder.uid.clone();
        let at = RestAt { key: rest.key, revision: rest.revision, uid };
        Some((at, rest.record.waits_for))
    }

    async fn perform(&self, pod: Pod, task: Task) -> Result<(), UpkeepError> {
        perform(&self.store, &pod, &chore(task)).await
    }

    async fn lease_of_rest(&self) -> Duration {
        let found = self.store.kv().get(path().quarantine("Denali")).await.unwrap();
        let lease = found.unwrap().lease;
        self.store.kv().time_to_live(lease).await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn the_rest_of_a_pod_that_has_ended_is_over_within_seconds_and_is_shortened_once() {
    let world = World::start().await;
    let rest = world.rest().await;
    assert!(world.lease_of_rest().await > Duration::from_mins(50));
    world.perform(Pod(None), Task::Shorten(rest.clone())).await.unwrap();
    assert!(world.lease_of_rest().await <= AFTER_POD);
    let (shortened, waits_for) = world.seen().await.unwrap();
    assert_eq!(waits_for, WaitsFor::Time, "the mirror does not begin it again");
    world.perform(Pod(None), Task::Shorten(rest)).await.unwrap();
    assert_eq!(world.seen().await.unwrap().0, shortened);
}

#[tokio::test]
async fn a_pod_that_is_not_watched_is_asked_for_before_its_name_is_given_on() {
    for (life, shortened) in [(None, true), (Some(Life::Ended), true), (Some(Life::Runs), false)] {
        let world = World::start().await;
        let rest = world.rest().await;
        let done = world.perform(Pod(life), Task::ShortenUnlessFound(rest)).await;
        assert_eq!(done.is_ok(), shortened, "{life:?}");
        assert_eq!(world.lease_of_rest().await <= AFTER_POD, shortened, "{life:?}");
    }
}

#[tokio::test]
async fn the_rest_of_a_pod_that_runs_goes_on_for_another_hour() {
    let world = World::start().await;
    let rest = world.rest().await;
    world.perform(Pod(None), Task::Prolong(rest.clone())).await.unwrap();
    let (prolonged, waits_for) = world.seen().await.unwrap();
    assert_eq!(waits_for, WaitsFor::PodEnd);
    assert!(prolonged.revision > rest.revision);
    assert!(world.lease_of_rest().await > Duration::from_mins(50));
}

#[tokio::test]
async fn a_dead_groups_keys_go_unless_somebody_has_joined_meanwhile() {
    let world = World::start().await;
    let put = |key: String| Txn { then: vec![Op::put(key, "", 0)], ..Txn::default() };
    let sweep = async |last| Task::Sweep {
        sentinel: world.revision(&path().sentinel()).await,
        reclaims: world.revision(&path().reclaims()).await,
        clocks: vec![("Denali".into(), world.revision(&path().clock("Denali")).await)],
        last,
    };
    for key in [path().sentinel(), path().reclaims(), path().clock("Denali")] {
        world.store.kv().txn(put(key)).await.unwrap();
    }
    for moved in
        [path().sentinel(), path().reclaims(), path().clock("Denali"), path().slot("Denali")]
    {
        let task = sweep(true).await;
        world.store.kv().txn(put(moved.clone())).await.unwrap();
        world.perform(Pod(None), task).await.unwrap();
        assert!(world.revision(&path().sentinel()).await > 0, "{moved}");
    }
    let free = Txn { then: vec![Op::Delete(path().slot("Denali"))], ..Txn::default() };
    world.store.kv().txn(free).await.unwrap();
    world.perform(Pod(None), sweep(false).await).await.unwrap();
    assert_eq!(world.revision(&path().clock("Denali")).await, 0);
    assert!(world.revision(&path().sentinel()).await > 0);
    world.perform(Pod(None), sweep(true).await).await.unwrap();
    assert_eq!(world.revision(&path().sentinel()).await, 0);
    assert_eq!(world.revision(&path().reclaims()).await, 0);
    assert!(world.revision(keys::EPOCH).await > 0);
}

#[tokio::test]
async fn a_pod_that_starts_while_its_groups_keys_go_queues_and_has_its_name() {
    let world = World::start().await;
    let put = Txn { then: vec![Op::put(path().sentinel(), "", 0)], ..Txn::default() };
    world.store.kv().txn(put).await.unwrap();
    let early = world.order("u2", QueueMode::Join).await;
    let sentinel = world.revision(&path().sentinel()).await;
    let task = Task::Sweep { sentinel, reclaims: 0, clocks: Vec::new(), last: true };
    world.perform(Pod(None), task).await.unwrap();
    assert_eq!(world.revision(&path().sentinel()).await, 0);
    assert!(world.store.claim(&early).await.unwrap().won().is_none(), "it joins the queue instead");
    let ticket = world.revision(&path().ticket("u2")).await;
    assert!(ticket > 0 && world.revision(&path().sentinel()).await == ticket);
}
