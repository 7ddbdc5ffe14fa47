use std::collections::BTreeMap;
use std::sync::Arc;

use cairn_store::etcd::{Connection, Etcd};
use cairn_store::memory::MemoryKv;
use cairn_store::{ClusterId, ExpectedCluster, Op, Txn};
use cairn_test_etcd::TestEtcd;
use serde_json::json;

use super::*;
use crate::mirror::{Counts, SpecSeen};
use crate::pools::resource::FINALIZER;
use crate::pools::resource::PoolObject;
use crate::pools::watched::Watched;

/// Says always the same.
struct Always(bool);

impl Holders for Always {
    async fn exist(&self) -> bool {
        self.0
    }
}

fn pools(specs: &[(&str, &[&str])]) -> Pools {
    let watched = |(name, names): &(&str, &[&str])| {
        let mut object = PoolObject::new(name, json!({"names": {"list": names}}));
        object.metadata.finalizers = Some(vec![FINALIZER.into()]);
        ((*name).to_owned(), Watched::from(object))
    };
    specs.iter().map(watched).collect()
}

fn name(text: &str) -> PoolName {
    text.parse().unwrap()
}

/// What a read finds: value and version, by key.
async fn dump<K: Kv>(kv: &K) -> BTreeMap<String, (String, i64)> {
    let found = kv.read_all(keys::ROOT).await.unwrap();
    let entry = |found: &cairn_store::KeyValue| {
        let value = String::from_utf8(found.value.clone()).unwrap();
        (found.key.clone(), (value, found.mod_revision))
    };
    found.iter().map(entry).collect()
}

fn memory(holders: bool) -> (MemoryKv, Writer<MemoryKv, Always>) {
    let memory = MemoryKv::default();
    (memory.clone(), Writer::new(Store::new(memory), Always(holders)))
}

async fn connect(process: &TestEtcd) -> Arc<Etcd> {
    let endpoints = [process.url().to_owned()];
    let request_timeout = Duration::from_millis(500);
    Arc::new(Etcd::connect(&endpoints, None, request_timeout).await.unwrap())
}

#[tokio::test]
async fn every_valid_pool_is_written_and_the_second_round_writes_nothing() {
    let process = TestEtcd::start().unwrap();
    let etcd = connect(&process).await;
    let mut writer = Writer::new(Store::new(Arc::clone(&etcd)), Always(false));
    let pools = pools(&[("teas", &["mint", "assam"]), ("inks", &["blue"]), ("oils", &[])]);
    let progress = writer.round(&pools, at(100)).await.unwrap();
    assert_eq!(progress.keys().map(PoolName::as_str).collect::<Vec<_>>(), ["inks", "teas"]);
    assert!(progress.values().all(|outcome| *outcome == PoolStage::Defined));
    let first = dump(&*etcd).await;
    let keys: Vec<_> = first.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "/cairn/v1/epoch",
            "/cairn/v1/pools/inks",
            "/cairn/v1/pools/teas",
            "/cairn/v1/shapes/inks",
            "/cairn/v1/shapes/teas"
        ]
    );
    assert_eq!(first["/cairn/v1/epoch"].0, "100");
    writer.round(&pools, at(200)).await.unwrap();
    assert_eq!(dump(&*etcd).await, first);
}

#[tokio::test]
async fn an_etcd_that_is_down_is_an_error_and_gets_everything_once_it_is_back() {
    let mut process = TestEtcd::start().unwrap();
    let etcd = connect(&process).await;
    let mut writer = Writer::new(Store::new(Arc::clone(&etcd)), Always(false));
    process.kill();
    let teas = pools(&[("teas", &["mint"])]);
    let error = writer.round(&teas, at(100)).await.unwrap_err();
    assert_eq!(PoolStage::of(&error), PoolStage::Unreachable);
    process.restart().unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while let Err(error) = writer.round(&teas, at(100)).await {
        assert!(tokio::time::Instant::now() < deadline, "{}", error.report());
    }
    assert!(dump(&*etcd).await.contains_key("/cairn/v1/pools/teas"));
}

#[tokio::test]
async fn an_empty_etcd_is_held_while_pods_with_a_sidecar_run() {
    let process = TestEtcd::start().unwrap();
    let etcd = connect(&process).await;
    let mut writer = Writer::new(Store::new(Arc::clone(&etcd)), Always(true));
    writer.round(&pools(&[("teas", &["mint"]), ("oils", &[])]), at(100)).await.unwrap();
    let found = dump(&*etcd).await;
    // A pool that is broken today may have been claimed from yesterday.
    assert!(found.contains_key("/cairn/v1/hold/oils") && found.contains_key("/cairn/v1/hold/teas"));
    assert!(!found.contains_key("/cairn/v1/pools/oils"));
}

#[tokio::test]
async fn a_store_that_is_not_empty_is_never_held() {
    let (store, mut writer) = memory(true);
    Store::new(store.clone()).begin(&[], 7, None).await.unwrap();
    writer.round(&pools(&[("teas", &["mint"])]), at(100)).await.unwrap();
    let found = dump(&store).await;
    assert!(!found.contains_key("/cairn/v1/hold/teas"));
    assert_eq!(found["/cairn/v1/epoch"].0, "7");
}

#[tokio::test]
async fn a_wiped_etcd_gets_a_greater_epoch_even_when_the_clock_went_back() {
    let (store, mut writer) = memory(false);
    let teas = pools(&[("teas", &["mint"])]);
    writer.round(&teas, at(500)).await.unwrap();
    let wipe = dump(&store).await.into_keys().map(Op::Delete).collect();
    store.txn(Txn { then: wipe, ..Txn::default() }).await.unwrap();
    writer.round(&teas, at(100)).await.unwrap();
    assert_eq!(dump(&store).await["/cairn/v1/epoch"].0, "501");
}

/// Nobody has counted anything, at this Unix second.
fn at(seconds: i64) -> Facts<'static> {
    Facts { census: None, now: UnixMillis(seconds * 1000) }
}

/// A count in which nothing of these pools is in use and their specs stand so.
fn unused(specs: &[(&str, SpecSeen)]) -> Census {
    let counts =
        |(pool, spec): &(&str, SpecSeen)| (name(pool), Counts { spec: *spec, ..Counts::default() });
    specs.iter().map(counts).collect()
}

fn counted(census: &Census) -> Facts<'_> {
    Facts { census: Some(census), now: UnixMillis(200_000) }
}

fn with_scope(mut pools: Pools, scope: &str) -> Pools {
    let mut object = PoolObject::new("teas", json!({"names": {"list": ["mint"]}, "scope": scope}));
    object.metadata.finalizers = Some(vec![FINALIZER.into()]);
    pools.insert("teas".into(), object.into());
    pools
}

#[tokio::test]
async fn a_broken_pool_keeps_its_last_good_spec() {
    let (store, mut writer) = memory(false);
    writer.round(&pools(&[("teas", &["mint"]), ("inks", &["blue"])]), at(100)).await.unwrap();
    let before = dump(&store).await;
    writer.round(&pools(&[("teas", &["mint"]), ("inks", &[])]), at(100)).await.unwrap();
    assert_eq!(dump(&store).await, before);
}

#[tokio::test]
async fn a_list_without_any_pool_removes_and_closes_nothing() {
    let (store, mut writer) = memory(false);
    writer.round(&pools(&[("teas", &["mint"])]), at(100)).await.unwrap();
    let before = dump(&store).await;
    let census = unused(&[("teas", SpecSeen::Closed(before["/cairn/v1/pools/teas"].1))]);
    for _ in 0..3 {
        writer.round(&Pools::new(), counted(&census)).await.unwrap();
        writer.sweep(&Pools::new(), counted(&census)).await.unwrap();
    }
    assert_eq!(dump(&store).await, before);
}

#[tokio::test]
async fn a_spec_without_a_pool_is_closed_at_the_second_sweep_and_removed_once_it_is_unused() {
    let (store, mut writer) = memory(false);
    let teas = pools(&[("teas", &["mint"])]);
    writer.round(&pools(&[("teas", &["mint"]), ("inks", &["blue"])]), at(100)).await.unwrap();
    let open = dump(&store).await["/cairn/v1/pools/inks"].clone();
    let census = unused(&[("inks", SpecSeen::Open)]);
    writer.sweep(&teas, counted(&census)).await.unwrap();
    assert_eq!(dump(&store).await["/cairn/v1/pools/inks"], open);
    writer.sweep(&teas, counted(&census)).await.unwrap();
    let (text, revision) = dump(&store).await["/cairn/v1/pools/inks"].clone();
    assert!(text.contains(r#""closed":true"#));
    let census = unused(&[("inks", SpecSeen::Closed(revision))]);
    writer.sweep(&teas, counted(&census)).await.unwrap();
    let left = dump(&store).await;
    assert!(!left.keys().any(|key| key.ends_with("inks")), "{left:?}");
    assert!(left.contains_key("/cairn/v1/pools/teas"));
}

#[tokio::test]
async fn a_pool_that_is_remade_with_another_scope_is_written_only_when_nothing_of_the_old_one_is_in_use()
 {
    let process = TestEtcd::start().unwrap();
    let etcd = connect(&process).await;
    let mut writer = Writer::new(Store::new(Arc::clone(&etcd)), Always(false));
    writer.round(&with_scope(Pools::new(), "Namespace"), at(100)).await.unwrap();
    // The finalizer was taken off by hand while nobody watched.
    let remade = with_scope(Pools::new(), "Cluster");
    let progress = writer.round(&remade, at(100)).await.unwrap();
    let shape = cairn_store::shape::Shape::default();
    assert_eq!(progress[&name("teas")], PoolStage::OtherShape(shape));
    let (text, closed_at) = dump(&*etcd).await["/cairn/v1/pools/teas"].clone();
    assert!(text.contains(r#""scope":"Namespace""#) && text.contains(r#""closed":true"#), "{text}");

    let mut census = unused(&[("teas", SpecSeen::Closed(closed_at))]);
    census.get_mut(&name("teas")).unwrap().slots = 1;
    let progress = writer.round(&remade, counted(&census)).await.unwrap();
    assert_eq!(progress[&name("teas")], PoolStage::OtherShape(shape));
    census.get_mut(&name("teas")).unwrap().slots = 0;
    let progress = writer.round(&remade, counted(&census)).await.unwrap();
    assert_eq!(progress[&name("teas")], PoolStage::Defined);
    let (text, _) = dump(&*etcd).await["/cairn/v1/pools/teas"].clone();
    assert!(text.contains(r#""scope":"Cluster""#) && !text.contains("closed"), "{text}");
}

#[tokio::test]
async fn the_closed_spec_of_a_pool_that_is_held_back_is_written_again_into_a_wiped_etcd() {
    let (store, mut writer) = memory(true);
    let mut teas = pools(&[("teas", &["mint"])]);
    writer.round(&teas, at(100)).await.unwrap();
    teas.get_mut("teas").unwrap().leaving = true;
    writer.round(&teas, at(100)).await.unwrap();
    let before = dump(&store).await["/cairn/v1/pools/teas"].0.clone();
    let wipe = dump(&store).await.into_keys().map(Op::Delete).collect();
    store.txn(Txn { then: wipe, ..Txn::default() }).await.unwrap();
    // Its holders still run: the mirror counts them as pods without a name.
    let mut census = unused(&[("teas", SpecSeen::Absent)]);
    census.get_mut(&name("teas")).unwrap().waiting = 1;
    let progress = writer.round(&teas, counted(&census)).await.unwrap();
    assert_eq!(progress[&name("teas")], PoolStage::Ending);
    let after = dump(&store).await;
    assert_eq!(after["/cairn/v1/pools/teas"].0, before);
    assert!(before.contains(r#""closed":true"#) && after.contains_key("/cairn/v1/hold/teas"));
}

#[tokio::test]
async fn another_etcd_cluster_gets_nothing_and_the_outcome_names_both() {
    let process = TestEtcd::start().unwrap();
    let mut connection = Connection::new(&[process.url().to_owned()]);
    let known = ClusterId::new(1);
    connection.cluster = ExpectedCluster::Required(known);
    let etcd = Arc::new(Etcd::open(&connection).await.unwrap());
    let mut writer = Writer::new(Store::new(Arc::clone(&etcd)), Always(false));
    let error = writer.round(&pools(&[("teas", &["mint"])]), at(100)).await.unwrap_err();
    let PoolStage::OtherCluster { known: named, found } = PoolStage::of(&error) else {
        panic!("{}", error.report());
    };
    assert_eq!(named, known);
    assert_ne!(found, known);
    assert!(dump(&*connect(&process).await).await.is_empty());
}
