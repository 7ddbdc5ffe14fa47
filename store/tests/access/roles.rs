//! Roles of namespaces: given, narrowed and removed.

use std::sync::Arc;
use std::time::Duration;

use cairn_core::claim::{Holder, SlotRecord, TicketRecord};
use cairn_core::keys;
use cairn_core::time::UnixMillis;
use cairn_store::{Batch, Kv, Store, UserName};
use cairn_test_etcd::TestEtcd;

use crate::fixture::path;
use crate::office::{Office, cluster_path, is_denied, pool, put};
use crate::users;

#[tokio::test]
async fn replicas_that_set_up_authentication_and_a_namespace_at_once_all_succeed() {
    let process = TestEtcd::start_secure().unwrap();
    let [one, two, three] = [
        users::user(&process, "root").await,
        users::user(&process, "root").await,
        users::user(&process, "root").await,
    ];
    let outcomes = futures::join!(one.enable_auth(), two.enable_auth(), three.enable_auth());
    for outcome in [outcomes.0, outcomes.1, outcomes.2] {
        outcome.unwrap();
    }
    for namespace in ["a", "b", "c", "d"] {
        let pools = [pool("numbers")];
        let outcomes = futures::join!(
            one.grant_namespace(namespace, &pools),
            two.grant_namespace(namespace, &pools),
            three.grant_namespace(namespace, &[]),
        );
        for outcome in [outcomes.0, outcomes.1, outcomes.2] {
            outcome.unwrap();
        }
        let user = users::user(&process, &format!("cairn:{namespace}")).await;
        user.read(put(&format!("/cairn/v1/ns/{namespace}/o/u/tea"), 0)).await.unwrap();
        user.read(put(&cluster_path("numbers").slot("1"), 0)).await.unwrap();
    }
    assert_eq!(one.namespaces_with_access().await.unwrap(), ["a", "b", "c", "d"]);
}

#[tokio::test]
async fn authentication_is_turned_on_where_it_is_off_and_left_alone_where_it_is_on() {
    let process = TestEtcd::start_tls(&[]).unwrap();
    let root = users::user(&process, "root").await;
    let stranger = users::user(&process, "cairn:shop").await;
    stranger.get(keys::EPOCH).await.unwrap();
    root.require_version().await.unwrap();
    for _ in 0..2 {
        root.enable_auth().await.unwrap();
        is_denied("a user without a role", stranger.get(keys::EPOCH).await);
        root.read(put(keys::EPOCH, 0)).await.unwrap();
        root.require_version().await.unwrap();
    }
}

#[tokio::test]
async fn a_cluster_pool_that_is_opened_later_is_added() {
    let office = Office::open().await;
    let slot = cluster_path("letters").slot("assam");
    is_denied("before", office.bar.get(&slot).await);
    office.root.grant_namespace("bar", &[pool("letters")]).await.unwrap();
    office.bar.read(put(&slot, 0)).await.unwrap();
    office.root.grant_namespace("bar", &[]).await.unwrap();
    assert!(office.bar.get(&slot).await.unwrap().is_some(), "a grant takes nothing away");
}

#[tokio::test]
async fn a_closed_cluster_pool_is_taken_back_once_nothing_of_the_namespace_is_in_it() {
    let office = Office::open().await;
    let (slot, ticket) = (cluster_path("numbers").slot("1"), cluster_path("numbers").ticket("u1"));
    let owner = keys::owner("shop", "u1", &pool("numbers"));
    let open = [pool("letters")];
    let narrow = || office.root.narrow_namespace("shop", &open);
    for (key, record) in
        [(&slot, slot_of("shop")), (&ticket, ticket_of("shop")), (&owner, "{}".to_owned())]
    {
        let (lease, _) = office.shop.grant(Duration::from_secs(60)).await.unwrap();
        let mut batch = Batch::default();
        batch.put(key, record, lease);
        office.shop.read(batch).await.unwrap();
        assert_eq!(narrow().await.unwrap(), [pool("numbers")], "{key}");
        assert_eq!(office.shop.keep_alive(lease).await.unwrap().as_secs(), 60, "{key}");
        office.shop.revoke(lease).await.unwrap();
    }
    // Not even for a moment: a renewal in between would fail.
    let (lease, _) = office.shop.grant(Duration::from_secs(60)).await.unwrap();
    office.shop.read(put(&slot, lease)).await.unwrap();
    let narrowing = async {
        for _ in 0..30 {
            assert_eq!(narrow().await.unwrap(), [pool("numbers")]);
        }
    };
    let renewing = async {
        loop {
            office.shop.keep_alive(lease).await.unwrap();
        }
    };
    tokio::select! {
        () = narrowing => {}
        () = renewing => {}
    }
    office.shop.revoke(lease).await.unwrap();
    // Claims of other namespaces do not count.
    office.root.grant_namespace("bar", &[pool("numbers")]).await.unwrap();
    let mut batch = Batch::default();
    batch.put(&slot, slot_of("bar"), 0);
    office.bar.read(batch).await.unwrap();
    assert_eq!(narrow().await.unwrap(), []);
    is_denied("after", office.shop.get(&slot).await);
    office.shop.read(put(&path().sentinel(), 0)).await.unwrap();
    assert_eq!(narrow().await.unwrap(), [], "again");
    assert!(office.bar.get(&slot).await.unwrap().is_some());
}

#[tokio::test]
async fn a_namespaces_role_is_removed_once_nothing_of_it_lives() {
    let office = Office::open().await;
    let fixture = office.fixture().await;
    let (won, lease) = fixture.claim("u1", "assam", 60).await;
    let remove = || office.root.remove_namespace("shop");
    assert!(!remove().await.unwrap(), "a claim is held");
    assert_eq!(office.shop.keep_alive(lease).await.unwrap().as_secs(), 60);
    assert!(fixture.release("u1", "assam", won.unwrap().own_mod_revision, 60).await);
    assert!(!remove().await.unwrap(), "a name is in quarantine");
    fixture.delete(&path().quarantine("assam")).await;
    fixture.put(&path().clock("assam"), "{}").await;
    fixture.put(&path().sentinel(), "").await;
    assert!(remove().await.unwrap(), "what stays behind does not keep it");
    is_denied("after", office.shop.get(path().sentinel()).await);
    assert_eq!(office.root.namespaces_with_access().await.unwrap(), ["bar"]);
    assert!(remove().await.unwrap(), "again");
    office.root.grant_namespace("shop", &[]).await.unwrap();
    assert!(office.shop.get(path().sentinel()).await.unwrap().is_some(), "the namespace is back");
}

#[tokio::test]
async fn installations_with_other_key_prefixes_and_long_namespaces_have_roles_of_their_own() {
    let process = TestEtcd::start_secure().unwrap();
    let usual = users::user(&process, "root").await;
    let red = below(&process, "/red/", "root").await;
    for root in [&usual, &red] {
        root.enable_auth().await.unwrap();
        root.grant_namespace("shop", &[pool("numbers")]).await.unwrap();
    }
    let long = "n".repeat(63);
    usual.grant_namespace(&long, &[]).await.unwrap();
    assert_eq!(usual.namespaces_with_access().await.unwrap(), [long.as_str(), "shop"]);
    assert_eq!(red.namespaces_with_access().await.unwrap(), ["shop"]);

    let name = UserName::of(red.key_prefix(), "shop");
    let in_red = below(&process, "/red/", name.as_str()).await;
    let elsewhere = users::user(&process, name.as_str()).await;
    in_red.read(put(&path().sentinel(), 0)).await.unwrap();
    assert_eq!(Store::new(Arc::clone(&in_red)).epoch().await.unwrap(), None);
    is_denied("the other installation's epoch", elsewhere.get(keys::EPOCH).await);
    is_denied("the other installation's keys", elsewhere.get(path().sentinel()).await);
    let name = UserName::of(usual.key_prefix(), &long);
    let pods = users::user(&process, name.as_str()).await;
    pods.read(put(&format!("{}{long}/o/u/tea", keys::NAMESPACES), 0)).await.unwrap();
    assert!(
        red.remove_namespace("shop").await.unwrap() || in_red.get(path().sentinel()).await.is_ok()
    );
}

async fn below(process: &TestEtcd, prefix: &str, user: &str) -> Arc<cairn_store::etcd::Etcd> {
    let connection = cairn_store::etcd::Connection {
        tls: Some(cairn_store::etcd::Tls::Pem(users::pem(&process.client(user).unwrap()))),
        prefix: prefix.parse().unwrap(),
        ..cairn_store::etcd::Connection::new(&[process.url().to_owned()])
    };
    Arc::new(cairn_store::etcd::Etcd::open(&connection).await.unwrap())
}

fn holder(namespace: &str) -> Holder {
    Holder { namespace: namespace.into(), uid: "u1".into(), ..Holder::default() }
}

fn slot_of(namespace: &str) -> String {
    let record = SlotRecord {
        holder: holder(namespace),
        nonce: "n".into(),
        since: UnixMillis(0),
        validity_ms: 30_000,
        quarantine_ms: 15_000,
    };
    serde_json::to_string(&record).unwrap()
}

fn ticket_of(namespace: &str) -> String {
    let record = TicketRecord { holder: holder(namespace), since: UnixMillis(0) };
    serde_json::to_string(&record).unwrap()
}
