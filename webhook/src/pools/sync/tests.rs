use std::sync::Mutex;

use axum::http::{Method, Request, Response};
use cairn_core::pool::PoolName;
use cairn_store::memory::MemoryKv;
use cairn_store::{Kv as _, Store};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

use super::*;
use crate::mirror::{Census, Counts, SpecSeen};
use crate::pools::resource::FINALIZER;
use crate::pools::watched::Watched;

struct Nobody;

impl Holders for Nobody {
    async fn exist(&self) -> bool {
        false
    }
}

/// The loop, everything that it reads, and an API server that keeps the finalizers of one pool.
struct Fixture {
    store: MemoryKv,
    pools: watch::Sender<Option<Arc<Pools>>>,
    counts: watch::Sender<Counted>,
    leader: watch::Sender<bool>,
    progress: watch::Receiver<Arc<Progress>>,
    patches: Arc<Mutex<Vec<Value>>>,
    task: tokio::task::JoinHandle<()>,
}

fn teas() -> PoolName {
    "teas".parse().unwrap()
}

fn pools(names: &[&str], leaving: bool, guarded: bool) -> Arc<Pools> {
    let mut object = PoolObject::new("teas", json!({"names": {"list": names}}));
    if guarded {
        object.metadata.finalizers = Some(vec![FINALIZER.into()]);
    }
    if leaving {
        let instant = serde_json::from_value(json!("2026-11-21T03:00:00Z")).unwrap();
        object.metadata.deletion_timestamp = Some(instant);
    }
    Arc::new(Pools::from([("teas".to_owned(), Watched::from(object))]))
}

impl Fixture {
    fn start(leads: bool) -> Self {
        let store = MemoryKv::default();
        let (pools, seen_pools) = watch::channel(None);
        let (counts, seen_counts) = watch::channel(Arc::default());
        let (leader, seen_leader) = watch::channel(leads);
        let (progress, seen_progress) = watch::channel(Arc::default());
        let patches = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&patches);
        let service = tower::service_fn(move |request: Request<Body>| {
            let kept = Arc::clone(&kept);
            async move {
                assert_eq!(request.method(), Method::PATCH);
                let body = request.into_body().collect_bytes().await?;
                kept.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
                let pool = json!({"apiVersion": "cairn.dev/v1alpha1", "kind": "Pool",
                    "metadata": {"name": "teas"}, "spec": {"names": {"list": ["mint"]}}});
                Ok::<_, kube::Error>(Response::new(Body::from(pool.to_string().into_bytes())))
            }
        });
        let api = Api::all(Client::new(service, "default"));
        let inputs = Inputs { leader: seen_leader, pools: seen_pools, counts: seen_counts };
        let writer = Writer::new(Store::new(store.clone()), Nobody);
        let task = tokio::spawn(async move { Sync::new(writer, inputs, progress).run(&api).await });
        let progress = seen_progress;
        Self { store, pools, counts, leader, progress, patches, task }
    }

    fn define(&self, pools: Arc<Pools>) {
        self.pools.send_replace(Some(pools));
    }

    async fn shows(&mut self, outcome: &PoolStage) {
        let reached = self.progress.wait_for(|progress| progress.get(&teas()) == Some(outcome));
        tokio::time::timeout(Duration::from_mins(5), reached).await.unwrap().unwrap();
    }

    async fn spec(&self) -> Option<String> {
        let found = self.store.get("/cairn/v1/pools/teas").await.unwrap();
        found.map(|found| String::from_utf8(found.value).unwrap())
    }

    async fn revision(&self) -> i64 {
        self.store.get("/cairn/v1/pools/teas").await.unwrap().unwrap().mod_revision
    }

    /// Waits until the spec is so; time is virtual, so waiting costs nothing.
    async fn stored(&self, condition: impl Fn(Option<&str>) -> bool) {
        let look = async {
            while !condition(self.spec().await.as_deref()) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(5), look).await.unwrap();
    }

    fn count(&self, counts: Counts) {
        self.counts.send_replace(Arc::new(Some(Census::from([(teas(), counts)]))));
    }

    fn finalizers(&self) -> Vec<Value> {
        let patches = self.patches.lock().unwrap();
        patches.iter().map(|patch| patch["metadata"]["finalizers"].clone()).collect()
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn specs_follow_the_pools_and_a_wiped_etcd_is_filled_again() {
    let mut fixture = Fixture::start(true);
    fixture.define(pools(&["mint"], false, true));
    fixture.shows(&PoolStage::Defined).await;
    fixture.define(pools(&["mint", "assam"], false, true));
    fixture.stored(|spec| spec.is_some_and(|spec| spec.contains("assam"))).await;
    for key in ["epoch", "pools/teas", "shapes/teas"] {
        fixture.store.delete(&format!("/cairn/v1/{key}"));
    }
    fixture.stored(|spec| spec.is_some_and(|spec| spec.contains("assam"))).await;
}

#[tokio::test(start_paused = true)]
async fn a_wiped_etcd_is_filled_as_soon_as_the_mirror_misses_a_spec() {
    let mut fixture = Fixture::start(true);
    fixture.define(pools(&["mint"], false, true));
    fixture.shows(&PoolStage::Defined).await;
    fixture.count(Counts { spec: SpecSeen::Open, ..Counts::default() });
    tokio::time::sleep(Duration::from_secs(1)).await;
    for key in ["epoch", "pools/teas", "shapes/teas"] {
        fixture.store.delete(&format!("/cairn/v1/{key}"));
    }
    let wiped = Instant::now();
    fixture.count(Counts { waiting: 1, ..Counts::default() });
    fixture.stored(|spec| spec.is_some()).await;
    assert!(wiped.elapsed() < Duration::from_secs(1), "{:?}", wiped.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_finalizer_stands_before_the_spec_is_written() {
    let mut fixture = Fixture::start(true);
    fixture.define(pools(&["mint"], false, false));
    fixture.shows(&PoolStage::Unguarded).await;
    assert_eq!((fixture.spec().await, fixture.finalizers()), (None, vec![json!([FINALIZER])]));
    fixture.define(pools(&["mint"], false, true));
    fixture.shows(&PoolStage::Defined).await;
}

#[tokio::test(start_paused = true)]
async fn a_deleted_pool_is_closed_at_once_and_let_go_only_when_it_was_seen_closed_and_unused() {
    let mut fixture = Fixture::start(true);
    fixture.define(pools(&["mint"], false, true));
    fixture.shows(&PoolStage::Defined).await;
    // Counted before it was closed: somebody may have claimed since.
    fixture.count(Counts { spec: SpecSeen::Open, ..Counts::default() });
    fixture.define(pools(&["mint"], true, true));
    fixture.shows(&PoolStage::Ending).await;
    fixture.stored(|spec| spec.is_some_and(|spec| spec.contains(r#""closed":true"#))).await;
    let spec = SpecSeen::Closed(fixture.revision().await);
    let reserved_until = Some(cairn_kit::clock::now().wall.after(Duration::from_mins(10)));
    for used in [
        Counts { held: 1, slots: 1, spec, ..Counts::default() },
        Counts { quarantined: 1, spec, ..Counts::default() },
        Counts { reserved_until, spec, ..Counts::default() },
    ] {
        fixture.count(used);
        tokio::time::sleep(Duration::from_mins(2)).await;
        assert!(fixture.spec().await.is_some());
    }
    assert!(fixture.finalizers().is_empty());
    fixture.count(Counts { spec, ..Counts::default() });
    fixture.shows(&PoolStage::Ended).await;
    fixture.stored(|spec| spec.is_none()).await;
    assert_eq!(fixture.finalizers().last(), Some(&json!([])));
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_does_not_lead_writes_nothing() {
    let fixture = Fixture::start(false);
    fixture.define(pools(&["mint"], false, true));
    tokio::time::sleep(Duration::from_mins(2)).await;
    assert_eq!(fixture.spec().await, None);
    fixture.leader.send_replace(true);
    fixture.stored(|spec| spec.is_some()).await;
}
