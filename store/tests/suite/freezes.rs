//! Freezes of pools.

use std::time::Duration;

use cairn_core::keys;
use cairn_core::pool::{Pool, PoolName};
use cairn_store::{KeyValue, Kv};

use crate::fixture::{Fixture, tea};

const FREEZE: Duration = Duration::from_secs(50);

fn teapot() -> Pool {
    Pool::from_json(tea(), br#"{"names":{"list":["assam"]}}"#).unwrap()
}

impl<K: Kv> Fixture<K> {
    async fn freeze(&self, pool: &PoolName) -> Option<KeyValue> {
        self.get(&keys::freeze(pool)).await
    }

    async fn left(&self, freeze: &KeyValue) -> Duration {
        self.store.kv().time_to_live(freeze.lease).await.unwrap().unwrap()
    }
}

pub(crate) async fn every_freeze_lasts_for_its_whole_span_from_after_it_was_laid<K: Kv>(
    fixture: &Fixture<K>,
) {
    let pools = [tea(), "coffee".parse().unwrap()];
    assert!(fixture.admin.begin(&pools, 5, Some(FREEZE)).await.unwrap());
    for pool in &pools {
        let laid = fixture.freeze(pool).await.unwrap();
        assert!(laid.create_revision < laid.mod_revision, "first without a lease, then on one");
        assert!(fixture.left(&laid).await > FREEZE / 2);
    }
    fixture.admin.restored(&pools, 9, FREEZE * 2).await.unwrap();
    let laid = fixture.freeze(&pools[1]).await.unwrap();
    assert!(fixture.left(&laid).await > FREEZE, "a longer one replaces it");
}

pub(crate) async fn the_first_in_the_queue_starts_a_freeze_that_has_no_lease<K: Kv>(
    fixture: &Fixture<K>,
) {
    fixture.define(r#""assam""#).await;
    // Its author died between the two steps.
    fixture.put(&keys::freeze(&tea()), r#"{"seconds":50,"cause":"restored"}"#).await;
    let lease = fixture.grant(60).await.lease;
    let [first, second] = [fixture.join("u1", lease).await, fixture.join("u2", lease).await];
    for view in [fixture.view("u3").await, fixture.view_from("u2", Some(second.revision)).await] {
        assert_eq!((view.frozen, view.frozen_for), (true, Some(FREEZE)));
    }
    assert_eq!(
        fixture.freeze(&tea()).await.unwrap().lease,
        0,
        "only the first in the queue starts it"
    );
    // The webhook's or an administrator's rights: the namespaces' users may not write freezes.
    let first = Some(first.revision);
    Fixture::view_by(&fixture.admin, "u1", first).await;
    let started = fixture.freeze(&tea()).await.unwrap();
    assert_ne!(started.lease, 0);
    assert!(fixture.left(&started).await > FREEZE / 2);
    let view = fixture.view_from("u1", first).await;
    assert!(view.frozen_for.unwrap() <= FREEZE);
    assert_eq!(fixture.freeze(&tea()).await.unwrap(), started, "it is started once only");
    // A value of another version cannot be parsed. It lasts as long as any holder may believe in a claim.
    fixture.put(&keys::freeze(&tea()), "").await;
    let view = Fixture::view_by(&fixture.admin, "u1", first).await;
    assert!(view.frozen_for.unwrap() > Duration::from_secs(3600));
}

pub(crate) async fn every_freeze_without_a_lease_is_started_among_many<K: Kv>(
    fixture: &Fixture<K>,
) {
    let many: Vec<PoolName> = (0..130).map(|n| format!("pool-{n}").parse().unwrap()).collect();
    for pool in &many {
        fixture.put(&keys::freeze(pool), r#"{"seconds":50}"#).await;
    }
    fixture.admin.start_freezes().await.unwrap();
    for pool in &many {
        assert_ne!(fixture.freeze(pool).await.unwrap().lease, 0, "{pool}");
    }
}

pub(crate) async fn a_pool_defined_without_kubernetes_is_frozen_also_beside_another_one<K: Kv>(
    fixture: &Fixture<K>,
) {
    let other = Pool::builtin(&"mountains".parse().unwrap()).unwrap();
    fixture.admin.define_alone(&other, 5, None).await.unwrap();
    assert!(fixture.freeze(&other.name).await.is_none(), "the user said that the store is new");
    // The wiped store has an epoch again, and former holders of this pool still believe in their claims.
    fixture.admin.define_alone(&teapot(), 6, Some(FREEZE)).await.unwrap();
    assert_ne!(fixture.freeze(&tea()).await.unwrap().lease, 0);
    assert_eq!(fixture.store.epoch().await.unwrap(), Some(5));
    let frozen = fixture.freeze(&tea()).await;
    fixture.admin.define_alone(&teapot(), 7, Some(FREEZE * 2)).await.unwrap();
    assert_eq!(fixture.freeze(&tea()).await, frozen, "it is defined already");
}

pub(crate) async fn a_user_lifts_only_the_freeze_of_an_empty_store<K: Kv>(fixture: &Fixture<K>) {
    fixture.admin.define_alone(&teapot(), 6, Some(FREEZE)).await.unwrap();
    assert!(fixture.admin.lift_freeze_of_new_store(&tea()).await.unwrap());
    assert!(fixture.freeze(&tea()).await.is_none());
    assert!(fixture.admin.lift_freeze_of_new_store(&tea()).await.unwrap(), "nothing is to be done");
    fixture.admin.restored(&[tea()], 9, FREEZE).await.unwrap();
    assert!(!fixture.admin.lift_freeze_of_new_store(&tea()).await.unwrap());
    assert!(fixture.freeze(&tea()).await.is_some());
}
