use std::sync::Arc;

use cairn_store::etcd::Etcd;
use cairn_store::memory::Memory;
use cairn_test_etcd::TestEtcd;
use serde_json::json;

use super::*;
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
        let object = PoolObject::new(name, json!({"names": {"list": names}}));
        ((*name).to_owned(), Watched::from(object))
    };
    specs.iter().map(watched).collect()
}

fn name(text: &str) -> PoolName {
    text.parse().unwrap()
}

/// What a read finds: value and version, by key.
async fn dump<K: Kv>(kv: &K) -> BTreeMap<String, (String, i64)> {
    let reply = kv.txn(Txn::read(vec![Op::list(keys::ROOT)])).await.unwrap();
    let entry = |found: &cairn_store::KeyValue| {
        let value = String::from_utf8(found.value.clone()).unwrap();
        (found.key.clone(), (value, found.mod_revision))
    };
    reply.keys(0).iter().map(entry).collect()
}

fn memory(holders: bool) -> (Memory, Writer<Memory, Always>) {
    let memory = Memory::default();
    (memory.clone(), Writer::new(Store::new(memory), Always(holders)))
}

async fn connect(process: &TestEtcd) -> Arc<Etcd> {
    let endpoints = [process.url().to_owned()];
    let patience = Duration::from_millis(500);
    Arc::new(Etcd::connect(&endpoints, None, patience).await.unwrap())
}

#[tokio::test]
async fn every_valid_pool_is_written_and_the_second_round_writes_nothing() {
    let process = TestEtcd::start().unwrap();
    let etcd = connect(&process).await;
    let mut writer = Writer::new(Store::new(Arc::clone(&etcd)), Always(false));
    let pools = pools(&[("teas", &["mint", "assam"]), ("inks", &["blue"]), ("oils", &[])]);
    let progress = writer.round(&pools, 100).await.unwrap();
    assert_eq!(progress.keys().map(PoolName::as_str).collect::<Vec<_>>(), ["inks", "teas"]);
    assert!(progress.values().all(|outcome| *outcome == Outcome::Defined));
    let first = dump(&*etcd).await;
    let keys: Vec<_> = first.keys().map(String::as_str).collect();
    assert_eq!(keys, ["/cairn/v1/epoch", "/cairn/v1/pools/inks", "/cairn/v1/pools/teas"]);
    assert_eq!(first["/cairn/v1/epoch"].0, "100");
    writer.round(&pools, 200).await.unwrap();
    assert_eq!(dump(&*etcd).await, first);
}

#[tokio::test]
async fn an_etcd_that_is_down_is_an_error_and_gets_everything_once_it_is_back() {
    let mut process = TestEtcd::start().unwrap();
    let etcd = connect(&process).await;
    let mut writer = Writer::new(Store::new(Arc::clone(&etcd)), Always(false));
    process.kill();
    let teas = pools(&[("teas", &["mint"])]);
    let error = writer.round(&teas, 100).await.unwrap_err();
    assert_eq!(Outcome::of(&error), Outcome::Unreachable);
    process.restart().unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while let Err(error) = writer.round(&teas, 100).await {
        assert!(tokio::time::Instant::now() < deadline, "{}", error.report());
    }
    assert!(dump(&*etcd).await.contains_key("/cairn/v1/pools/teas"));
}

#[tokio::test]
async fn an_empty_etcd_is_held_while_pods_with_a_sidecar_run() {
    let process = TestEtcd::start().unwrap();
    let etcd = connect(&process).await;
    let mut writer = Writer::new(Store::new(Arc::clone(&etcd)), Always(true));
    writer.round(&pools(&[("teas", &["mint"]), ("oils", &[])]), 100).await.unwrap();
    let found = dump(&*etcd).await;
    // A pool that is broken today may have been claimed from yesterday.
    assert!(found.contains_key("/cairn/v1/hold/oils") && found.contains_key("/cairn/v1/hold/teas"));
    assert!(!found.contains_key("/cairn/v1/pools/oils"));
}

#[tokio::test]
async fn a_store_that_is_not_empty_is_never_held() {
    let (store, mut writer) = memory(true);
    Store::new(store.clone()).begin(&[], 7, None).await.unwrap();
    writer.round(&pools(&[("teas", &["mint"])]), 100).await.unwrap();
    let found = dump(&store).await;
    assert!(!found.contains_key("/cairn/v1/hold/teas"));
    assert_eq!(found["/cairn/v1/epoch"].0, "7");
}

#[tokio::test]
async fn a_wiped_etcd_gets_a_greater_epoch_even_when_the_clock_went_back() {
    let (store, mut writer) = memory(false);
    let teas = pools(&[("teas", &["mint"])]);
    writer.round(&teas, 500).await.unwrap();
    let wipe = dump(&store).await.into_keys().map(Op::Delete).collect();
    store.txn(Txn { then: wipe, ..Txn::default() }).await.unwrap();
    writer.round(&teas, 100).await.unwrap();
    assert_eq!(dump(&store).await["/cairn/v1/epoch"].0, "501");
}

#[tokio::test]
async fn a_deleted_pool_is_undefined_and_a_broken_one_keeps_its_last_good_spec() {
    let (store, mut writer) = memory(false);
    writer.round(&pools(&[("teas", &["mint"]), ("inks", &["blue"])]), 100).await.unwrap();
    let before = dump(&store).await;
    writer.round(&pools(&[("inks", &[])]), 100).await.unwrap();
    let after = dump(&store).await;
    assert!(!after.contains_key("/cairn/v1/pools/teas"));
    assert_eq!(after["/cairn/v1/pools/inks"], before["/cairn/v1/pools/inks"]);
}

#[tokio::test]
async fn a_spec_without_a_pool_goes_at_the_second_sweep_and_not_at_the_first() {
    let (store, mut writer) = memory(false);
    let teas = pools(&[("teas", &["mint"])]);
    let other = Pool::from_json(name("inks"), br#"{"names":{"list":["blue"]}}"#).unwrap();
    Store::new(store.clone()).define(&other, 7, None).await.unwrap();
    writer.round(&teas, 100).await.unwrap();
    writer.sweep(&teas).await.unwrap();
    assert!(dump(&store).await.contains_key("/cairn/v1/pools/inks"));
    writer.sweep(&teas).await.unwrap();
    let left = dump(&store).await;
    assert!(!left.contains_key("/cairn/v1/pools/inks"));
    assert!(left.contains_key("/cairn/v1/pools/teas"));
}
