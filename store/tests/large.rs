//! Pools with many names: every answer of the protocol fits into one message.

#![expect(clippy::unwrap_used, reason = "a test that fails")]

use cairn_core::coordination::owner::Ownable;
use cairn_core::coordination::path::GroupPath;
use cairn_core::keys::{ClaimPath, EPOCH, ROOT};
use cairn_core::lease::ReadRequest;
use cairn_store::etcd::Etcd;
use cairn_store::{Kv, Op, Store};
use cairn_test_etcd::TestEtcd;

/// etcd takes 128 operations in a transaction by default.
const AT_ONCE: usize = 120;

/// The path with the longest namespace, pool and group.
fn longest_path() -> ClaimPath {
    ClaimPath {
        namespace: Some("n".repeat(63)),
        pool: "p".repeat(40).parse().unwrap(),
        group: Some("g".repeat(63).parse().unwrap()),
    }
}

async fn reads_a_pool_of(names: usize) {
    let member = TestEtcd::start_with(&["--quota-backend-bytes=2147483648"]).unwrap();
    let etcd = Etcd::connect(&[member.url().to_owned()], None, Etcd::DEFAULT_REQUEST_TIMEOUT)
        .await
        .unwrap();
    let store = Store::new(etcd);
    let path = longest_path();
    let name = |number: usize| format!("{number:0>63}");
    // Each held name has a note. The last name has a note and no slot.
    let slots = (1..names).map(|number| Op::put(path.slot(&name(number)), "{}", 0));
    let notes = (1..=names).map(|number| Op::put(path.note(&name(number)), "46", 0));
    let ops: Vec<Op> = slots.chain(notes).collect();
    for chunk in ops.chunks(AT_ONCE) {
        store.kv().read(chunk.to_vec().into()).await.unwrap();
    }
    let request = ReadRequest {
        lists: true,
        path: path.clone(),
        pools: vec![path.pool.clone()],
        namespace: path.namespace.clone().unwrap(),
        uid: "u".to_owned(),
        ticket: None,
        clocks: true,
        wanted: None,
    };
    let view = store.read(&request).await.unwrap();
    assert_eq!((view.held.len(), view.unsettled.as_slice()), (names - 1, &[name(names)][..]));
    assert_eq!(store.kv().list(ROOT).await.unwrap().1.len(), 2 * names - 1);
}

#[tokio::test]
async fn a_pool_with_the_most_names_is_read_in_one_answer() {
    reads_a_pool_of(cairn_core::names::MAX_NAMES).await;
}

#[tokio::test]
async fn a_pool_with_more_than_the_most_names_is_read_in_one_answer() {
    reads_a_pool_of(20_000).await;
}

/// A group of more pages than one: 3 of records and 3 of shards.
#[tokio::test]
async fn a_group_of_1200_members_and_9000_shards_is_read_at_one_revision() {
    let member = TestEtcd::start().unwrap();
    let etcd = Etcd::connect(&[member.url().to_owned()], None, Etcd::DEFAULT_REQUEST_TIMEOUT)
        .await
        .unwrap();
    let store = Store::new(etcd);
    let path = GroupPath { namespace: "shop".into(), group: "checkout".parse().unwrap() };
    let record = format!(
        r#"{{"pod":"{}","admitted":1,"state":"participant","weight":100,"roles":["shards"],
        "validity_ms":10000,"nonce":"n","plan":1}}"#,
        "p".repeat(1000)
    );
    let grant = r#"{"uid":"u0001","session":{"epoch":5,"revision":7},"validity_ms":10000}"#;
    let members = (0..1_200).map(|n| Op::put(path.member(&format!("u{n:04}")), record.clone(), 0));
    let shards = (0..9_000).map(|n| Op::put(path.owner(Ownable::Shard(n)), grant, 0));
    let ops: Vec<Op> = [Op::put(EPOCH, "5", 0)].into_iter().chain(members).chain(shards).collect();
    for chunk in ops.chunks(AT_ONCE) {
        store.kv().read(chunk.to_vec().into()).await.unwrap();
    }
    let picture = store.read_group(&path, true).await.unwrap();
    assert_eq!((picture.members.len(), picture.shards.len()), (1_200, 9_000));
    assert_eq!(picture.members.get("u1199").unwrap().record.pod.len(), 1_000);
    assert_eq!(picture.shards.get(&8_999).unwrap().grant.uid, "u0001");
    assert_eq!(store.read_group(&path, false).await.unwrap().shards.len(), 0);
}
