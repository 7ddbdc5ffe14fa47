//! The errors of a real etcd and their classes. Only a failed compare means that a name is taken.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails"
)]

use std::sync::Arc;
use std::time::Duration;

use cairn_core::coordination::path::GroupPath;
use cairn_core::time::BootInstant;
use cairn_store::etcd::Etcd;
use cairn_store::{Batch, Class, Error, Kv, Store};
use cairn_test_etcd::TestEtcd;
use etcd_client::{
    Client, GetOptions, Permission, PermissionType, SortOrder, SortTarget, Txn, TxnOp,
};
use futures::future::join_all;
use tokio::task::JoinHandle;

#[path = "suite/fixture.rs"]
#[expect(dead_code, reason = "shared with the suite")]
mod fixture;

use fixture::{Compactor, Fixture, path, tea};

/// A small quota, so that the store is full after a few writes.
const QUOTA: &str = "--quota-backend-bytes=4194304";

async fn fixture(members: &[&TestEtcd]) -> Fixture<Arc<Etcd>> {
    let urls: Vec<String> = members.iter().map(|member| member.url().to_owned()).collect();
    let etcd = Arc::new(Etcd::connect(&urls, None, Duration::from_secs(2)).await.unwrap());
    let client = Client::connect([&urls[0]], None).await.unwrap();
    Fixture::new(Arc::clone(&etcd), etcd, Compactor::Etcd(Box::new(client)))
}

fn put(key: &str, value: Vec<u8>) -> Batch {
    let mut batch = Batch::default();
    batch.put(key, value, 0);
    batch
}

#[tokio::test]
async fn a_full_store_refuses_claims_as_not_applied_and_renews_what_is_held() {
    let process = TestEtcd::start_with(&[QUOTA]).unwrap();
    let fixture = fixture(&[&process]).await;
    fixture.define(r#""assam","ceylon""#).await;
    let (held, lease) = fixture.claim("u1", "assam", 60).await;
    let waiting = fixture.grant(60).await.lease;
    let redeem_request = {
        let ticket = fixture.join("u2", waiting).await.revision;
        fixture.redeem_request("u2", "ceylon", ticket, waiting).await
    };
    let mut filled = None;
    for round in 0..64 {
        let big = put(&format!("/filler/{round}"), vec![0; 500_000]);
        filled = fixture.store.kv().read(big).await.err();
        if filled.is_some() {
            break;
        }
    }
    let full = filled.unwrap();
    assert_eq!(full.class(), Class::NotApplied, "{}", full.report());
    assert!(full.report().contains("database space exceeded"), "{}", full.report());

    let refused = fixture.store.redeem(&redeem_request).await.unwrap_err();
    assert_eq!(refused.class(), Class::NotApplied, "{}", refused.report());
    let slots = [(tea(), path().slot("assam"))];
    let renewal = fixture.store.renew(BootInstant::default(), lease, &slots).await.unwrap();
    let seen = renewal.read.unwrap().slots.remove(0).1.unwrap();
    assert_eq!((renewal.ttl.as_secs(), seen.mod_revision), (60, held.unwrap().own_mod_revision));
}

#[tokio::test]
async fn a_request_without_credentials_is_denied_and_is_no_conflict() {
    let process = TestEtcd::start().unwrap();
    let fixture = fixture(&[&process]).await;
    fixture.define(r#""assam""#).await;
    let mut admin = Client::connect([process.url()], None).await.unwrap();
    admin.user_add("root", "secret", None).await.unwrap();
    admin.role_add("root").await.unwrap();
    let all = Permission::new(PermissionType::Readwrite, "/").with_prefix();
    admin.role_grant_permission("root", all).await.unwrap();
    admin.user_grant_role("root", "root").await.unwrap();
    admin.auth_enable().await.unwrap();

    let denied: Error = fixture.store.kv().grant(Duration::from_secs(9)).await.unwrap_err();
    assert_eq!(denied.class(), Class::Denied, "{}", denied.report());
    let denied = fixture.store.kv().read(put("/cairn/v1/x", Vec::new())).await.unwrap_err();
    assert_eq!(denied.class(), Class::Denied, "{}", denied.report());
    assert!(!denied.is_lease_gone());
}

#[tokio::test]
async fn the_answer_of_a_member_of_another_cluster_is_refused() {
    let members = [TestEtcd::start().unwrap(), TestEtcd::start().unwrap()];
    let fixture = fixture(&[&members[0], &members[1]]).await;
    fixture.define(r#""assam""#).await;
    // Either of the two may have been asked first.
    let first = self::fixture(&[&members[0]]).await.store.epoch().await.unwrap();
    let [mut ours, other] = members;
    let mut spare = other;
    if first.is_none() {
        std::mem::swap(&mut ours, &mut spare);
    }
    let (held, lease) = fixture.claim("u1", "assam", 60).await;
    let slots = [(tea(), path().slot("assam"))];
    let renew = || fixture.store.renew(BootInstant::default(), lease, &slots);
    ours.kill();
    // The first error is that of the dead member. Then the other one is asked, which does not have our keys.
    let refused = async || {
        let Err(error) = renew().await else { panic!("an answer of another cluster was accepted") };
        assert_eq!(error.class(), Class::Ambiguous, "{}", error.report());
        matches!(error, Error::OtherCluster { .. })
    };
    fixture.until("an answer of the other cluster", refused).await;
    ours.restart().unwrap();
    fixture.until("our own member", async || renew().await.is_ok()).await;
    let proof = renew().await.unwrap().read.unwrap();
    assert_eq!(proof.slots[0].1.as_ref().unwrap().mod_revision, held.unwrap().own_mod_revision);
}

#[tokio::test]
async fn the_read_of_a_whole_group_has_a_time_limit_of_its_own() {
    let process = TestEtcd::start().unwrap();
    let usual = Duration::from_millis(500);
    let etcd = Etcd::connect(&[process.url().to_owned()], None, usual).await.unwrap();
    let store = Store::new(Arc::new(etcd));
    let path = GroupPath { namespace: "shop".into(), group: "g".parse().unwrap() };
    store.read_group(&path, true).await.unwrap();
    process.freeze();
    let failures = [
        store.kv().get("/cairn/v1/epoch").await.unwrap_err(),
        store.read_group(&path, true).await.unwrap_err(),
    ];
    process.thaw();
    let limits = failures.map(|error| match error {
        Error::Timeout { after, .. } => after,
        other => panic!("{other}"),
    });
    assert_eq!(limits, [usual, usual * 3]);
}

/// Keeps etcd behind with what it has committed: it applies one transaction after the other, and each of these reads
/// thousands of keys many times.
async fn keep_behind(client: &Client) -> JoinHandle<()> {
    let mut filling = client.kv_client();
    for page in 0..40 {
        let put = |number| TxnOp::put(format!("/filler/{page}/{number}"), "", None);
        filling.txn(Txn::new().and_then((0..125).map(put).collect::<Vec<_>>())).await.unwrap();
    }
    let newest = GetOptions::new().with_prefix().with_limit(1).with_keys_only();
    let newest = newest.with_sort(SortTarget::Mod, SortOrder::Descend);
    let mut work = vec![TxnOp::get("/filler/", Some(newest)); 120];
    work.push(TxnOp::put("/applied", "", None));
    let client = client.clone();
    tokio::spawn(async move {
        // Several at a time: the next one is committed when one has been applied.
        for _ in 0..20 {
            let slow = (0..6).map(|_| {
                let (mut client, work) = (client.kv_client(), work.clone());
                async move { client.txn(Txn::new().and_then(work)).await }
            });
            join_all(slow).await;
        }
    })
}

#[tokio::test]
async fn a_leader_that_is_behind_says_so_instead_of_renewing_a_lease() {
    let process = TestEtcd::start().unwrap();
    let fixture = fixture(&[&process]).await;
    let client = Client::connect([process.url()], None).await.unwrap();
    let lease = fixture.grant(60).await.lease;
    let busy = keep_behind(&client).await;
    let behind = async || match fixture.store.renew(BootInstant::default(), lease, &[]).await {
        Err(error) => {
            assert!(error.is_overload(), "{}", error.report());
            true
        }
        Ok(_) => false,
    };
    fixture.until("a refused renewal", behind).await;
    busy.abort();
}
