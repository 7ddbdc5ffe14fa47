//! Pools with many names: every answer of the protocol fits into one message.

#![expect(clippy::unwrap_used, reason = "a test that fails")]

use cairn_core::keys::{ClaimPath, ROOT};
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
