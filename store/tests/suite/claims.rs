//! Claims, adoptions, renewals and releases; specs and epochs.

use std::time::Duration;

use cairn_core::claim::Fence;
use cairn_core::keys;
use cairn_core::lease::{AdoptRequest, ClaimAnswer, ClaimRequest, QueueMode};
use cairn_core::time::BootInstant;
use cairn_store::{Batch, Class, Compare, Guarded, Kv};
use tokio::time::sleep;

use crate::fixture::{Fixture, path, record, tea};

pub(crate) async fn a_slot_goes_to_one_claimant_and_owner_and_slot_share_their_revision<K: Kv>(
    fixture: &Fixture<K>,
) {
    fixture.define(r#""assam","darjeeling""#).await;
    let (first, lease) = fixture.claim("u1", "assam", 60).await;
    let (second, _) = fixture.claim("u2", "assam", 60).await;
    let won = first.unwrap();
    assert_eq!(second, None);
    assert_eq!(won.fence, Fence { epoch: 5, revision: won.own_mod_revision });
    let view = fixture.view("u1").await;
    assert_eq!(view.held.iter().collect::<Vec<_>>(), ["assam"]);
    assert_eq!(view.owners[0].create_revision, won.fence.revision);
    assert_eq!(view.owners[0].lease, lease);
}

pub(crate) async fn a_claim_conflicts_with_a_freeze_and_a_change_of_spec_or_queue<K: Kv>(
    fixture: &Fixture<K>,
) {
    fixture.define(r#""assam""#).await;
    let lease = fixture.grant(60).await.lease;
    let view = fixture.view("u1").await;
    let request = Fixture::<K>::claim_request(&view, "u1", "assam", lease);
    for key in [keys::pool(&tea()), path().sentinel(), keys::freeze(&tea())] {
        let before = fixture.view("u1").await;
        let request = Fixture::<K>::claim_request(&before, "u1", "assam", lease);
        // A re-claim goes ahead of the queue and does not compare the sentinel.
        let queue = if key == path().sentinel() { QueueMode::Join } else { request.queue };
        fixture.put(&key, "").await;
        let claimed = fixture.store.claim(&ClaimRequest { queue, ..request }).await.unwrap();
        assert_eq!(claimed.won(), None, "{key}");
        assert!(fixture.view("u1").await.held.is_empty());
    }
    assert_eq!(fixture.store.claim(&request).await.unwrap(), ClaimAnswer::Conflict);
}

pub(crate) async fn one_pod_holds_one_slot_of_a_pool<K: Kv>(fixture: &Fixture<K>) {
    fixture.define(r#""assam","darjeeling""#).await;
    let (first, _) = fixture.claim("u1", "assam", 60).await;
    let (second, _) = fixture.claim("u1", "darjeeling", 60).await;
    assert!(first.is_some());
    assert_eq!(second, None);
}

pub(crate) async fn a_released_slot_is_quarantined_and_granted_again_with_a_greater_fence<K: Kv>(
    fixture: &Fixture<K>,
) {
    fixture.define(r#""assam""#).await;
    let (first, _) = fixture.claim("u1", "assam", 60).await;
    let first = first.unwrap();
    assert!(fixture.release("u1", "assam", first.own_mod_revision, 2).await);
    let view = fixture.view("u2").await;
    assert!(view.held.is_empty() && view.quarantined.contains("assam"));
    assert_eq!(fixture.claim("u2", "assam", 60).await.0, None);
    fixture
        .until("the end of the quarantine", async || {
            fixture.view("u2").await.quarantined.is_empty()
        })
        .await;
    let (second, _) = fixture.claim("u2", "assam", 60).await;
    assert!(second.unwrap().fence > first.fence);
}

pub(crate) async fn an_older_incarnation_cannot_release_the_slot_of_a_younger_one<K: Kv>(
    fixture: &Fixture<K>,
) {
    fixture.define(r#""assam""#).await;
    let (won, lease) = fixture.claim("u1", "assam", 60).await;
    let won = won.unwrap();
    let adopted = fixture
        .store
        .adopt(&adopt_request(won.own_mod_revision, won.own_mod_revision, lease))
        .await
        .unwrap();
    let adopted = adopted.unwrap().own_mod_revision;
    assert!(!fixture.release("u1", "assam", won.own_mod_revision, 2).await);
    assert!(fixture.view("u1").await.held.contains("assam"));
    assert!(fixture.release("u1", "assam", adopted, 2).await);
}

pub(crate) async fn a_restarted_holder_finds_its_lease_and_adopts_its_slot<K: Kv>(
    fixture: &Fixture<K>,
) {
    fixture.define(r#""assam""#).await;
    let (won, lease) = fixture.claim("u1", "assam", 60).await;
    let won = won.unwrap();
    let owner = fixture.view("u1").await.owners.remove(0);
    assert_eq!((owner.lease, &owner.pool), (lease, &tea()));
    let slots = [(owner.pool, owner.record.slot)];
    let resumed = fixture.store.resume(BootInstant::default(), lease, &slots).await.unwrap();
    assert_eq!(resumed.granted.ttl, Duration::from_secs(60));
    assert_eq!(resumed.epoch, 5);
    let found = &resumed.found[0];
    assert_eq!(
        (found.create_revision, found.mod_revision),
        (won.fence.revision, won.own_mod_revision)
    );
    assert_eq!(found.record, record("u1", 1));
    let adopted = fixture
        .store
        .adopt(&adopt_request(won.own_mod_revision, won.own_mod_revision, lease))
        .await
        .unwrap();
    let mine = adopted.unwrap().own_mod_revision;
    let renewal = fixture.store.renew(BootInstant::default(), lease, &slots).await.unwrap();
    let proof = renewal.read.unwrap();
    let seen = proof.slots[0].1.as_ref().unwrap();
    assert_eq!((seen.create_revision, seen.mod_revision), (won.fence.revision, mine));
    assert_eq!((seen.uid.as_str(), &seen.nonce), ("u1", &record("u1", 2).nonce));
    assert_eq!((proof.epoch, proof.frozen_pools), (Some(5), Vec::new()));
    assert!(proof.revision >= mine);
}

pub(crate) async fn a_second_adoption_of_one_slot_conflicts<K: Kv>(fixture: &Fixture<K>) {
    fixture.define(r#""assam""#).await;
    let (won, lease) = fixture.claim("u1", "assam", 60).await;
    let mine = won.unwrap().own_mod_revision;
    let request = adopt_request(mine, mine, lease);
    assert!(fixture.store.adopt(&request).await.unwrap().is_some());
    assert_eq!(fixture.store.adopt(&request).await.unwrap(), None);
}

pub(crate) async fn a_renewed_lease_outlives_its_ttl_and_the_slots_of_an_expired_one_are_deleted<
    K: Kv,
>(
    fixture: &Fixture<K>,
) {
    fixture.define(r#""assam","darjeeling""#).await;
    // Two seconds are the shortest TTL that etcd grants with its default election timeout.
    let (_, renewed) = fixture.claim("u1", "assam", 2).await;
    fixture.claim("u2", "darjeeling", 2).await;
    let slot = [(tea(), path().slot("assam"))];
    fixture
        .until("the end of the lease that is not renewed", async || {
            let renewal =
                fixture.store.renew(BootInstant::default(), renewed, &slot).await.unwrap();
            assert!(!renewal.ttl.is_zero());
            assert!(renewal.read.is_some_and(|proof| proof.slots[0].1.is_some()));
            sleep(Duration::from_millis(200)).await;
            !fixture.view("u2").await.held.contains("darjeeling")
        })
        .await;
    let view = fixture.view("u2").await;
    assert!(view.owners.is_empty() && view.held.contains("assam"));
}

pub(crate) async fn the_renewal_of_a_revoked_lease_answers_a_ttl_of_zero<K: Kv>(
    fixture: &Fixture<K>,
) {
    fixture.define(r#""assam""#).await;
    let (_, lease) = fixture.claim("u1", "assam", 60).await;
    fixture.store.revoke(lease).await.unwrap();
    let slot = [(tea(), path().slot("assam"))];
    let renewal = fixture.store.renew(BootInstant::default(), lease, &slot).await.unwrap();
    assert_eq!(renewal.ttl, Duration::ZERO);
    assert_eq!(renewal.read, None, "the lease is gone, and its slots with it");
}

pub(crate) async fn a_claim_on_a_revoked_lease_is_refused_and_puts_no_key<K: Kv>(
    fixture: &Fixture<K>,
) {
    fixture.define(r#""assam""#).await;
    let lease = fixture.grant(60).await.lease;
    fixture.store.revoke(lease).await.unwrap();
    let request = Fixture::<K>::claim_request(&fixture.view("u1").await, "u1", "assam", lease);
    let refused = fixture.store.claim(&request).await.unwrap_err();
    assert_eq!(refused.class(), Class::LeaseGone);
    let view = fixture.view("u1").await;
    assert!(view.held.is_empty() && view.owners.is_empty());
}

pub(crate) async fn a_spec_is_put_only_when_it_differs<K: Kv>(fixture: &Fixture<K>) {
    fixture.define(r#""assam""#).await;
    let first = fixture.view("u").await.specs[0].2;
    fixture.define(r#""assam""#).await;
    assert_eq!(fixture.view("u").await.specs[0].2, first);
    fixture.define(r#""assam","ceylon""#).await;
    assert!(fixture.view("u").await.specs[0].2 > first);
}

pub(crate) async fn epoch_and_freeze_are_created_once<K: Kv>(fixture: &Fixture<K>) {
    let pool =
        cairn_core::pool::Pool::from_json(tea(), br#"{"names":{"list":["assam"]}}"#).unwrap();
    let freeze = Some(Duration::from_secs(60));
    fixture.admin.define(&pool, 7, freeze).await.unwrap();
    fixture.admin.define(&pool, 9, freeze).await.unwrap();
    let view = fixture.view("u").await;
    assert_eq!(view.epoch, Some(7));
    assert!(view.frozen);
}

pub(crate) async fn an_empty_store_gets_its_epoch_once_with_a_freeze_of_every_pool<K: Kv>(
    fixture: &Fixture<K>,
) {
    // More than fit into one transaction.
    let mut pools: Vec<_> = (0..200).map(|n| format!("pool-{n}").parse().unwrap()).collect();
    pools.push(tea());
    let freeze = Some(Duration::from_secs(60));
    assert_eq!(fixture.store.epoch().await.unwrap(), None);
    assert!(fixture.admin.begin(&pools, 7, freeze).await.unwrap());
    assert!(!fixture.admin.begin(&pools, 9, None).await.unwrap());
    assert_eq!(fixture.store.epoch().await.unwrap(), Some(7));
    assert!(fixture.view("u").await.frozen);
    let mut batch = Batch::default();
    let freezes = batch.list_keys(keys::FREEZES);
    let answer = fixture.store.kv().read(batch).await.unwrap();
    assert_eq!(answer.keys(freezes).unwrap().len(), pools.len() + 1, "and of coordination");
}

pub(crate) async fn a_nested_transaction_compares_the_keys_as_they_were_before_the_outer_one<
    K: Kv,
>(
    fixture: &Fixture<K>,
) {
    let key = path().sentinel();
    let compares = vec![Compare::absent(&key)];
    let mut inner = Guarded { compares, ..Guarded::default() };
    let put = inner.then.get(&key);
    let mut batch = Batch::default();
    batch.put(&key, "1", 0);
    let nested = batch.txn(inner);
    let answer = fixture.store.kv().read(batch).await.unwrap();
    let inner = answer.txn(nested).unwrap().then().unwrap();
    assert_eq!(inner.key(put).unwrap().unwrap().value, b"1");
}

fn adopt_request(create_revision: i64, mod_revision: i64, lease: i64) -> AdoptRequest {
    AdoptRequest {
        slot: path().slot("assam"),
        pool: tea(),
        record: record("u1", 2),
        create_revision,
        mod_revision,
        lease,
    }
}
