//! A namespace's certificate against what is not the namespace's.

use std::time::Duration;

use cairn_core::keys;
use cairn_core::lease::{QueueMode, Watch};
use cairn_core::time::BootInstant;
use cairn_store::etcd::Etcd;
use cairn_store::{Batch, Kv, Op, Store, Txn};
use etcd_client::{
    AlarmAction, AlarmType, GetOptions, LeaseTimeToLiveOptions, Permission, PutOptions,
};

use crate::fixture::{path, tea};
use crate::office::{Office, cluster_path, is_denied, pool, put};

const SHOP: &str = "/cairn/v1/ns/shop/";

/// Every way to read keys.
fn reads(key: &str, prefix: &str) -> Vec<Op> {
    vec![
        Op::get(key),
        Op::list(prefix),
        Op::list_keys(prefix),
        Op::Count(prefix.to_owned()),
        Op::ListBefore { prefix: prefix.to_owned(), revision: 1000 },
        Op::ListAt { prefix: prefix.to_owned(), revision: 0 },
    ]
}

/// Tries everything on a key that must not even be read.
async fn is_out_of_reach(office: &Office, attacker: &Etcd, key: &str, prefix: &str) {
    let before = office.get(key).await;
    for op in reads(key, prefix) {
        let what = format!("{op:?}");
        is_denied(&what, attacker.read(Batch::from(vec![op])).await);
    }
    is_denied("list", attacker.list(prefix).await);
    is_denied("put", attacker.read(put(key, 0)).await);
    is_denied("delete", attacker.read(Batch::from(vec![Op::Delete(key.to_owned())])).await);
    is_denied("a watch", attacker.watch(prefix, 1).await.unwrap().next().await);
    assert_eq!(office.get(key).await, before);
}

#[tokio::test]
async fn another_namespaces_keys_are_neither_read_nor_written_nor_watched() {
    let office = Office::open().await;
    let fixture = office.fixture().await;
    assert!(fixture.claim("u1", "assam", 60).await.0.is_some());
    let owner = keys::owner("shop", "u1", &tea());
    for (key, prefix) in
        [(path().slot("assam"), SHOP), (owner, SHOP), (path().sentinel(), "/cairn/v1/ns/")]
    {
        is_out_of_reach(&office, &office.bar, &key, prefix).await;
    }
    // The whole store, from any side.
    let mut raw = office.raw("cairn:bar").await;
    let everything = GetOptions::new().with_all_keys().with_keys_only();
    assert!(raw.get("", Some(everything)).await.is_err());
    let beyond = GetOptions::new().with_range("/cairn/v1/ns/zzz").with_keys_only();
    assert!(raw.get("/cairn/v1/ns/bar/", Some(beyond)).await.is_err(), "from its own keys on");
    let watch = Watch { path: path(), from: 1, watched_ticket: None };
    is_denied("waiting", Store::new(std::sync::Arc::clone(&office.bar)).changed(&watch).await);
}

#[tokio::test]
async fn a_cluster_pool_that_is_not_open_to_a_namespace_is_out_of_its_reach() {
    let office = Office::open().await;
    let slot = cluster_path("numbers").slot("assam");
    office.shop.read(put(&slot, 0)).await.unwrap();
    let prefix = cluster_path("numbers").to_string();
    is_out_of_reach(&office, &office.bar, &slot, &prefix).await;
    let closed = cluster_path("letters");
    office.root.read(put(&closed.slot("assam"), 0)).await.unwrap();
    for attacker in [&office.shop, &office.bar] {
        let prefix = closed.to_string();
        is_out_of_reach(&office, attacker, &closed.slot("assam"), &prefix).await;
    }
}

#[tokio::test]
async fn what_is_common_to_all_namespaces_is_read_only() {
    let office = Office::open().await;
    let installation = Store::new(std::sync::Arc::clone(&office.root));
    installation.record_installation("red").await.unwrap();
    let common = [
        keys::EPOCH.to_owned(),
        keys::INSTALLATION.to_owned(),
        keys::pool(&tea()),
        keys::shape(&tea()),
        keys::freeze(&tea()),
        keys::pool(&pool("unheard-of")),
    ];
    for key in common {
        let before = office.get(&key).await;
        assert_eq!(office.shop.get(&key).await.unwrap(), before, "{key}");
        is_denied(&key, office.shop.read(put(&key, 0)).await);
        is_denied(&key, office.shop.read(Batch::from(vec![Op::Delete(key.clone())])).await);
        assert_eq!(office.get(&key).await, before, "{key}");
    }
    is_denied("a key beside ours", office.shop.read(put("/cairn/v1/other", 0)).await);
    is_denied("a key of others", office.shop.get("/other").await);
}

#[tokio::test]
async fn another_namespaces_lease_is_neither_revoked_nor_renewed_nor_given_a_key() {
    let office = Office::open().await;
    let fixture = office.fixture().await;
    let (won, lease) = fixture.claim("u1", "assam", 60).await;
    let own = "/cairn/v1/ns/bar/o/u9/tea";
    is_denied("revoking", office.bar.revoke(lease).await);
    is_denied("renewing", office.bar.keep_alive(lease).await);
    is_denied("attaching a key", office.bar.read(put(own, lease)).await);
    let nested = Txn { otherwise: vec![Op::put(own, "x", lease)], ..Txn::default() };
    let hidden = Txn { then: vec![Op::Txn(nested)], ..Txn::default() };
    is_denied("attaching a key in a branch that is not taken", office.bar.txn(hidden).await);
    // Nobody learns which keys it has, and nobody lists the leases.
    let mut raw = office.raw("cairn:bar").await;
    let with_keys = LeaseTimeToLiveOptions::new().with_keys();
    assert!(raw.lease_client().time_to_live(lease, Some(with_keys)).await.is_err());
    assert!(raw.leases().await.is_err());
    assert!(raw.put(own, "x", Some(PutOptions::new().with_lease(lease))).await.is_err());

    let slots = [(tea(), path().slot("assam"))];
    let renewal = fixture.store.renew(BootInstant::default(), lease, &slots).await.unwrap();
    assert_eq!(renewal.ttl.as_secs(), 60);
    let seen = renewal.read.unwrap().slots.remove(0).1.unwrap();
    assert_eq!(seen.mod_revision, won.unwrap().own_mod_revision);
}

#[tokio::test]
async fn ids_of_leases_do_not_tell_the_next_one() {
    let office = Office::open().await;
    let mut ids = Vec::new();
    for _ in 0..16 {
        ids.push(office.shop.grant(Duration::from_secs(60)).await.unwrap().0);
    }
    let near = |one: i64, other: i64| one.abs_diff(other) < 1 << 32;
    let pairs = ids.windows(2).filter(|pair| near(pair[0], pair[1])).count();
    assert_eq!(pairs, 0, "{ids:x?}");
}

#[tokio::test]
async fn a_namespaces_user_changes_no_users_and_no_roles_and_does_not_turn_authentication_off() {
    let office = Office::open().await;
    let mut raw = office.raw("cairn:bar").await;
    let foreign = || Permission::read_write(SHOP).with_prefix();
    let refusals = [
        ("user add", raw.user_add("eve", "secret", None).await.err()),
        ("user delete", raw.user_delete("cairn:shop").await.err()),
        ("user password", raw.user_change_password("root", "secret").await.err()),
        ("own password", raw.user_change_password("cairn:bar", "secret").await.err()),
        ("user list", raw.user_list().await.err()),
        ("foreign user", raw.user_get("cairn:shop").await.err()),
        ("role add", raw.role_add("eve").await.err()),
        ("role delete", raw.role_delete("cairn:shop").await.err()),
        ("role list", raw.role_list().await.err()),
        ("foreign role", raw.role_get("cairn:shop").await.err()),
        ("own role", raw.role_grant_permission("cairn:bar", foreign()).await.err()),
        ("common role", raw.role_grant_permission("cairn", foreign()).await.err()),
        ("revoke", raw.role_revoke_permission("cairn:shop", SHOP, None).await.err()),
        ("a foreign role", raw.user_grant_role("cairn:bar", "cairn:shop").await.err()),
        ("root's role", raw.user_grant_role("cairn:bar", "root").await.err()),
        ("user revoke", raw.user_revoke_role("cairn:shop", "cairn:shop").await.err()),
        ("auth disable", raw.auth_disable().await.err()),
        ("auth enable", raw.auth_enable().await.err()),
    ];
    for (what, refusal) in refusals {
        let refusal = refusal.unwrap_or_else(|| panic!("{what} was permitted")).to_string();
        assert!(refusal.contains("permission denied"), "{what}: {refusal}");
    }
    is_denied("still", office.bar.get(path().slot("assam")).await);
    assert!(office.shop.get(path().slot("assam")).await.unwrap().is_none());
}

#[tokio::test]
async fn a_namespaces_user_neither_copies_nor_stops_the_store_nor_changes_its_members() {
    let office = Office::open().await;
    let mut raw = office.raw("cairn:bar").await;
    let member = raw.member_list().await.unwrap().members()[0].id();
    let copied = match raw.snapshot().await {
        Ok(mut stream) => stream.message().await.err(),
        Err(error) => Some(error),
    };
    let full = raw.alarm(AlarmAction::Activate, AlarmType::Nospace, None).await;
    let refusals = [
        ("snapshot", copied),
        ("alarm", full.err()),
        ("compact", raw.compact(2, None).await.err()),
        ("defragment", raw.defragment().await.err()),
        ("hash", raw.hash_kv(0).await.err()),
        ("move leader", raw.move_leader(member).await.err()),
        ("member add", raw.member_add(["http://127.0.0.1:1"], None).await.err()),
        ("member remove", raw.member_remove(member).await.err()),
    ];
    for (what, refusal) in refusals {
        let refusal = refusal.unwrap_or_else(|| panic!("{what} was permitted")).to_string();
        assert!(refusal.contains("permission denied"), "{what}: {refusal}");
    }
    office.shop.read(put(&path().sentinel(), 0)).await.unwrap();
}

#[tokio::test]
async fn a_waiting_pod_cannot_end_a_freeze_and_leaves_no_lease_when_it_tries_to_start_one() {
    let office = Office::open().await;
    let fixture = office.fixture().await;
    fixture.put(&keys::freeze(&tea()), r#"{"seconds":50,"cause":"restored"}"#).await;
    let ticket = fixture.join("u1", fixture.grant(60).await.lease).await.revision;
    let mut raw = office.raw("root").await;
    let before = raw.leases().await.unwrap().leases().len();
    let view = fixture.view_from("u1", Some(ticket)).await;
    assert_eq!((view.frozen, view.frozen_for), (true, Some(Duration::from_secs(50))));
    assert_eq!(raw.leases().await.unwrap().leases().len(), before);
    assert_eq!(office.get(&keys::freeze(&tea())).await.unwrap().lease, 0);
    is_denied(
        "ending",
        office.shop.read(Batch::from(vec![Op::Delete(keys::freeze(&tea()))])).await,
    );
    let request = crate::fixture::Fixture::<std::sync::Arc<Etcd>>::claim_request(
        &view,
        "u2",
        "assam",
        fixture.grant(60).await.lease,
    );
    let request = cairn_core::lease::ClaimRequest { queue: QueueMode::Join, ..request };
    assert_eq!(fixture.store.claim(&request).await.unwrap().won(), None);
}
