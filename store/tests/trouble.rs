//! What a real etcd says when it refuses, and what follows from it: only a failed compare is "taken".

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails"
)]

use std::time::Duration;

use cairn_core::time::BootInstant;
use cairn_store::etcd::Etcd;
use cairn_store::{Class, Error, Kv, Op, Txn};
use cairn_test_etcd::TestEtcd;
use etcd_client::{Client, Permission, PermissionType};

#[path = "suite/world.rs"]
#[expect(dead_code, reason = "shared with the suite")]
mod world;

use world::{Compactor, World, path, tea};

/// Everything fits into a few of these.
const QUOTA: &str = "--quota-backend-bytes=4194304";

async fn world(members: &[&TestEtcd]) -> World<Etcd> {
    let urls: Vec<String> = members.iter().map(|member| member.url().to_owned()).collect();
    let etcd = Etcd::connect(&urls, None, Duration::from_secs(2)).await.unwrap();
    World::new(etcd, Compactor::Etcd(urls[0].clone()))
}

fn put(key: &str, value: Vec<u8>) -> Txn {
    Txn { then: vec![Op::put(key, value, 0)], ..Txn::default() }
}

#[tokio::test]
async fn a_full_store_refuses_claims_as_not_applied_and_renews_what_is_held() {
    let process = TestEtcd::start_with(&[QUOTA]).unwrap();
    let world = world(&[&process]).await;
    world.define(r#""assam","ceylon""#).await;
    let (held, lease) = world.claim("u1", "assam", 60).await;
    let waiting = world.grant(60).await.lease;
    let redemption = {
        let ticket = world.join("u2", waiting).await.revision;
        world.redemption("u2", "ceylon", ticket, waiting).await
    };
    let mut filled = None;
    for round in 0..64 {
        let big = put(&format!("/filler/{round}"), vec![0; 500_000]);
        filled = world.store.kv().txn(big).await.err();
        if filled.is_some() {
            break;
        }
    }
    let full = filled.unwrap();
    assert_eq!(full.class(), Class::NotApplied, "{}", full.report());
    assert!(full.report().contains("database space exceeded"), "{}", full.report());

    let refused = world.store.redeem(&redemption).await.unwrap_err();
    assert_eq!(refused.class(), Class::NotApplied, "{}", refused.report());
    let slots = [(tea(), path().slot("assam"))];
    let renewal = world.store.renew(BootInstant::default(), lease, &slots).await.unwrap();
    let seen = renewal.read.unwrap().slots.remove(0).1.unwrap();
    assert_eq!((renewal.ttl.as_secs(), seen.mod_revision), (60, held.unwrap().own_mod_revision));
}

#[tokio::test]
async fn an_etcd_that_asks_who_we_are_denies_and_is_not_taken_for_a_lost_compare() {
    let process = TestEtcd::start().unwrap();
    let world = world(&[&process]).await;
    world.define(r#""assam""#).await;
    let mut admin = Client::connect([process.url()], None).await.unwrap();
    admin.user_add("root", "secret", None).await.unwrap();
    admin.role_add("root").await.unwrap();
    let all = Permission::new(PermissionType::Readwrite, "/").with_prefix();
    admin.role_grant_permission("root", all).await.unwrap();
    admin.user_grant_role("root", "root").await.unwrap();
    admin.auth_enable().await.unwrap();

    let denied: Error = world.store.kv().grant(Duration::from_secs(9)).await.unwrap_err();
    assert_eq!(denied.class(), Class::Denied, "{}", denied.report());
    let denied = world.store.kv().txn(put("/cairn/v1/x", Vec::new())).await.unwrap_err();
    assert_eq!(denied.class(), Class::Denied, "{}", denied.report());
    assert!(!denied.is_lease_gone());
}

#[tokio::test]
async fn what_a_member_of_another_cluster_says_is_not_believed() {
    let members = [TestEtcd::start().unwrap(), TestEtcd::start().unwrap()];
    let world = world(&[&members[0], &members[1]]).await;
    world.define(r#""assam""#).await;
    // Which of the two was asked first is chance.
    let first = self::world(&[&members[0]]).await.store.epoch().await.unwrap();
    let [mut ours, other] = members;
    let mut spare = other;
    if first.is_none() {
        std::mem::swap(&mut ours, &mut spare);
    }
    let (held, lease) = world.claim("u1", "assam", 60).await;
    let slots = [(tea(), path().slot("assam"))];
    let renew = || world.store.renew(BootInstant::default(), lease, &slots);
    ours.kill();
    // The first error is the dead member's; then the other is asked, which knows nothing of us.
    let stranger = async || {
        let Err(error) = renew().await else { panic!("a stranger's word was taken") };
        assert_eq!(error.class(), Class::Ambiguous, "{}", error.report());
        matches!(error, Error::OtherCluster { .. })
    };
    world.until("an answer of the other cluster", stranger).await;
    ours.restart().unwrap();
    world.until("our own member", async || renew().await.is_ok()).await;
    let proof = renew().await.unwrap().read.unwrap();
    assert_eq!(proof.slots[0].1.as_ref().unwrap().mod_revision, held.unwrap().own_mod_revision);
}
