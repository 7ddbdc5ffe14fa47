//! The sentences.

use std::time::Duration;

use cairn_core::claim::Fence;
use cairn_core::keys;
use cairn_core::lease::{AdoptRequest, ClaimAnswer, ClaimRequest, QueueMode};
use cairn_core::time::BootInstant;
use cairn_store::{Class, Compare, Kv, Op, OpReply, Txn};
use tokio::time::sleep;

use crate::world::{World, path, record, tea};

pub(crate) async fn a_slot_goes_to_one_claimant_and_owner_and_slot_share_their_revision<K: Kv>(
    world: &World<K>,
) {
    world.define(r#""assam","darjeeling""#).await;
    let (first, lease) = world.claim("u1", "assam", 60).await;
    let (second, _) = world.claim("u2", "assam", 60).await;
    let won = first.unwrap();
    assert_eq!(second, None);
    assert_eq!(won.fence, Fence { epoch: 5, revision: won.own_mod_revision });
    let view = world.view("u1").await;
    assert_eq!(view.held.iter().collect::<Vec<_>>(), ["assam"]);
    assert_eq!(view.owners[0].create_revision, won.fence.revision);
    assert_eq!(view.owners[0].lease, lease);
}

pub(crate) async fn a_claim_loses_to_a_change_of_the_spec_the_queue_or_a_hold<K: Kv>(
    world: &World<K>,
) {
    world.define(r#""assam""#).await;
    let lease = world.grant(60).await.lease;
    let view = world.view("u1").await;
    let order = World::<K>::order(&view, "u1", "assam", lease);
    let put = |key: String| Txn { then: vec![Op::put(key, "", 0)], ..Txn::default() };
    for key in [keys::pool(&tea()), path().sentinel(), keys::freeze(&tea())] {
        let before = world.view("u1").await;
        let order = World::<K>::order(&before, "u1", "assam", lease);
        // A name that a running pod had is claimed ahead of the queue: the sentinel is not its matter.
        let queue = if key == path().sentinel() { QueueMode::Join } else { order.queue };
        world.store.kv().txn(put(key.clone())).await.unwrap();
        let claimed = world.store.claim(&ClaimRequest { queue, ..order }).await.unwrap();
        assert_eq!(claimed.won(), None, "{key}");
        assert!(world.view("u1").await.held.is_empty());
    }
    assert_eq!(world.store.claim(&order).await.unwrap(), ClaimAnswer::Conflict);
}

pub(crate) async fn one_pod_holds_one_slot_of_a_pool<K: Kv>(world: &World<K>) {
    world.define(r#""assam","darjeeling""#).await;
    let (first, _) = world.claim("u1", "assam", 60).await;
    let (second, _) = world.claim("u1", "darjeeling", 60).await;
    assert!(first.is_some());
    assert_eq!(second, None);
}

pub(crate) async fn a_released_slot_rests_and_comes_back_with_a_greater_fence<K: Kv>(
    world: &World<K>,
) {
    world.define(r#""assam""#).await;
    let (first, _) = world.claim("u1", "assam", 60).await;
    let first = first.unwrap();
    assert!(world.release("u1", "assam", first.own_mod_revision, 2).await);
    let view = world.view("u2").await;
    assert!(view.held.is_empty() && view.quarantined.contains("assam"));
    assert_eq!(world.claim("u2", "assam", 60).await.0, None);
    world
        .until("the end of the quarantine", async || world.view("u2").await.quarantined.is_empty())
        .await;
    let (second, _) = world.claim("u2", "assam", 60).await;
    assert!(second.unwrap().fence > first.fence);
}

pub(crate) async fn an_older_incarnation_cannot_release_the_younger_ones_slot<K: Kv>(
    world: &World<K>,
) {
    world.define(r#""assam""#).await;
    let (won, lease) = world.claim("u1", "assam", 60).await;
    let won = won.unwrap();
    let adopted = world
        .store
        .adopt(&adoption(won.own_mod_revision, won.own_mod_revision, lease))
        .await
        .unwrap();
    let adopted = adopted.unwrap().own_mod_revision;
    assert!(!world.release("u1", "assam", won.own_mod_revision, 2).await);
    assert!(world.view("u1").await.held.contains("assam"));
    assert!(world.release("u1", "assam", adopted, 2).await);
}

pub(crate) async fn a_restarted_holder_finds_its_lease_and_adopts_its_slot<K: Kv>(
    world: &World<K>,
) {
    world.define(r#""assam""#).await;
    let (won, lease) = world.claim("u1", "assam", 60).await;
    let won = won.unwrap();
    let owner = world.view("u1").await.owners.remove(0);
    assert_eq!((owner.lease, &owner.pool), (lease, &tea()));
    let slots = [(owner.pool, owner.record.slot)];
    let resumed = world.store.resume(BootInstant::default(), lease, &slots).await.unwrap();
    assert_eq!(resumed.granted.ttl, Duration::from_secs(60));
    assert_eq!(resumed.epoch, 5);
    let found = &resumed.found[0];
    assert_eq!(
        (found.create_revision, found.mod_revision),
        (won.fence.revision, won.own_mod_revision)
    );
    assert_eq!(found.record, record("u1", 1));
    let adopted = world
        .store
        .adopt(&adoption(won.own_mod_revision, won.own_mod_revision, lease))
        .await
        .unwrap();
    let mine = adopted.unwrap().own_mod_revision;
    let renewal = world.store.renew(BootInstant::default(), lease, &slots).await.unwrap();
    let proof = renewal.read.unwrap();
    let seen = proof.slots[0].1.as_ref().unwrap();
    assert_eq!((seen.create_revision, seen.mod_revision), (won.fence.revision, mine));
    assert_eq!((seen.uid.as_str(), &seen.nonce), ("u1", &record("u1", 2).nonce));
    assert_eq!((proof.epoch, proof.frozen_pools), (Some(5), Vec::new()));
    assert!(proof.revision >= mine);
}

pub(crate) async fn an_adoption_loses_to_another_adoption<K: Kv>(world: &World<K>) {
    world.define(r#""assam""#).await;
    let (won, lease) = world.claim("u1", "assam", 60).await;
    let mine = won.unwrap().own_mod_revision;
    let order = adoption(mine, mine, lease);
    assert!(world.store.adopt(&order).await.unwrap().is_some());
    assert_eq!(world.store.adopt(&order).await.unwrap(), None);
}

pub(crate) async fn a_renewed_lease_outlives_its_ttl_and_an_unrenewed_one_takes_its_slots_with_it<
    K: Kv,
>(
    world: &World<K>,
) {
    world.define(r#""assam","darjeeling""#).await;
    // Two seconds are the least that etcd grants with its usual election timeout.
    let (_, renewed) = world.claim("u1", "assam", 2).await;
    world.claim("u2", "darjeeling", 2).await;
    let slot = [(tea(), path().slot("assam"))];
    world
        .until("the unrenewed lease's end", async || {
            let renewal = world.store.renew(BootInstant::default(), renewed, &slot).await.unwrap();
            assert!(!renewal.ttl.is_zero());
            assert!(renewal.read.is_some_and(|proof| proof.slots[0].1.is_some()));
            sleep(Duration::from_millis(200)).await;
            !world.view("u2").await.held.contains("darjeeling")
        })
        .await;
    let view = world.view("u2").await;
    assert!(view.owners.is_empty() && view.held.contains("assam"));
}

pub(crate) async fn a_renewal_of_a_lease_that_is_gone_says_so<K: Kv>(world: &World<K>) {
    world.define(r#""assam""#).await;
    let (_, lease) = world.claim("u1", "assam", 60).await;
    world.store.revoke(lease).await.unwrap();
    let slot = [(tea(), path().slot("assam"))];
    let renewal = world.store.renew(BootInstant::default(), lease, &slot).await.unwrap();
    assert_eq!(renewal.ttl, Duration::ZERO);
    assert_eq!(renewal.read.unwrap().slots[0].1, None);
}

pub(crate) async fn a_claim_on_a_lease_that_is_gone_is_refused_and_leaves_nothing<K: Kv>(
    world: &World<K>,
) {
    world.define(r#""assam""#).await;
    let lease = world.grant(60).await.lease;
    world.store.revoke(lease).await.unwrap();
    let order = World::<K>::order(&world.view("u1").await, "u1", "assam", lease);
    let refused = world.store.claim(&order).await.unwrap_err();
    assert_eq!(refused.class(), Class::LeaseGone);
    let view = world.view("u1").await;
    assert!(view.held.is_empty() && view.owners.is_empty());
}

pub(crate) async fn a_spec_is_put_only_when_it_differs<K: Kv>(world: &World<K>) {
    world.define(r#""assam""#).await;
    let first = world.view("u").await.specs[0].2;
    world.define(r#""assam""#).await;
    assert_eq!(world.view("u").await.specs[0].2, first);
    world.define(r#""assam","ceylon""#).await;
    assert!(world.view("u").await.specs[0].2 > first);
}

pub(crate) async fn the_epoch_and_the_hold_are_made_once<K: Kv>(world: &World<K>) {
    let pool =
        cairn_core::pool::Pool::from_json(tea(), br#"{"names":{"list":["assam"]}}"#).unwrap();
    let hold = Some(Duration::from_secs(60));
    world.store.define(&pool, 7, hold).await.unwrap();
    world.store.define(&pool, 9, hold).await.unwrap();
    let view = world.view("u").await;
    assert_eq!(view.epoch, Some(7));
    assert!(view.frozen);
}

pub(crate) async fn an_empty_store_begins_once_with_every_hold<K: Kv>(world: &World<K>) {
    // More than fit into one transaction.
    let mut pools: Vec<_> = (0..200).map(|n| format!("pool-{n}").parse().unwrap()).collect();
    pools.push(tea());
    let rest = Some(Duration::from_secs(60));
    assert_eq!(world.store.epoch().await.unwrap(), None);
    assert!(world.store.begin(&pools, 7, rest).await.unwrap());
    assert!(!world.store.begin(&pools, 9, None).await.unwrap());
    assert_eq!(world.store.epoch().await.unwrap(), Some(7));
    assert!(world.view("u").await.frozen);
    let held = Txn::read(vec![Op::list_keys("/cairn/v1/hold/")]);
    assert_eq!(world.store.kv().txn(held).await.unwrap().keys(0).len(), pools.len());
}

pub(crate) async fn a_nested_transaction_sees_the_keys_as_they_were_before_the_outer_one<K: Kv>(
    world: &World<K>,
) {
    let inner = Txn {
        compares: vec![Compare::created("/cairn/v1/t/a", 0)],
        then: vec![Op::get("/cairn/v1/t/a")],
        otherwise: Vec::new(),
    };
    let then = vec![Op::put("/cairn/v1/t/a", "1", 0), Op::Txn(inner)];
    let reply = world.store.kv().txn(Txn { then, ..Txn::default() }).await.unwrap();
    let OpReply::Txn(inner) = &reply.replies[1] else { panic!("{reply:?}") };
    assert!(inner.succeeded);
    assert_eq!(inner.key(0).unwrap().value, b"1");
}

fn adoption(create_revision: i64, mod_revision: i64, lease: i64) -> AdoptRequest {
    AdoptRequest {
        slot: path().slot("assam"),
        pool: tea(),
        record: record("u1", 2),
        create_revision,
        mod_revision,
        lease,
    }
}
