//! Whose etcd this is, and the freeze of a pool.

use std::time::Duration;

use cairn_core::keys;
use cairn_core::pool::{Pool, PoolName};
use cairn_store::installation::{Installation, Ownership};
use cairn_store::{ClusterId, KeyValue, Kv};

use crate::world::{World, tea};

fn teapot() -> Pool {
    Pool::from_json(tea(), br#"{"names":{"list":["assam"]}}"#).unwrap()
}

const FREEZE: Duration = Duration::from_secs(50);

impl<K: Kv> World<K> {
    async fn freeze(&self, pool: &PoolName) -> Option<KeyValue> {
        self.get(&keys::freeze(pool)).await
    }

    async fn left(&self, freeze: &KeyValue) -> Duration {
        self.store.kv().time_to_live(freeze.lease).await.unwrap().unwrap()
    }
}

pub(crate) async fn an_installation_is_recorded_once_and_another_one_is_refused<K: Kv>(
    world: &World<K>,
) {
    assert_eq!(world.store.installation().await.unwrap(), None);
    let Ownership::Ours(record) = world.store.record_installation("red").await.unwrap() else {
        panic!("an empty store is nobody's")
    };
    assert_eq!(Some(record.etcd_cluster_id), world.store.kv().cluster_id());
    let again = world.store.record_installation("red").await.unwrap();
    assert_eq!(again, Ownership::Ours(record.clone()));
    let other = world.store.record_installation("blue").await.unwrap();
    let expected = Ownership::OtherInstallation { ours: "blue".into(), theirs: "red".into() };
    assert_eq!(other, expected);
    assert_eq!(world.store.installation().await.unwrap(), Some(record));
}

pub(crate) async fn data_of_another_cluster_are_refused_until_an_administrator_accepts_them<
    K: Kv,
>(
    world: &World<K>,
) {
    let before = ClusterId::new(0xabc);
    let copied = r#"{"installationId":"red","etcdClusterId":"abc","replacedClusterIds":["1a"]}"#;
    world.write(keys::INSTALLATION, copied).await;
    let refused = world.store.record_installation("red").await.unwrap();
    let actual = world.store.kv().cluster_id().unwrap();
    assert_eq!(refused, Ownership::OtherCluster { recorded: before, actual });
    let record = world.store.accept_cluster(&[]).await.unwrap();
    let expected = Installation {
        installation_id: Some("red".to_owned()),
        etcd_cluster_id: actual,
        replaced_cluster_ids: vec![ClusterId::new(0x1a), before],
    };
    assert_eq!(record, expected);
    assert_eq!(world.store.record_installation("red").await.unwrap(), Ownership::Ours(expected));
}

pub(crate) async fn a_cluster_accepted_before_any_installation_is_the_first_ones<K: Kv>(
    world: &World<K>,
) {
    let replaced = ClusterId::new(0xabc);
    let record = world.store.accept_cluster(&[replaced]).await.unwrap();
    assert_eq!(record.installation_id, None);
    assert_eq!(world.store.accept_cluster(&[]).await.unwrap(), record);
    let Ownership::Ours(record) = world.store.record_installation("red").await.unwrap() else {
        panic!("nobody has recorded itself yet")
    };
    assert_eq!(record.replaced_cluster_ids, [replaced]);
    let other = world.store.record_installation("blue").await.unwrap();
    assert!(matches!(other, Ownership::OtherInstallation { .. }), "{other:?}");
}

pub(crate) async fn every_freeze_lasts_for_its_whole_span_from_after_it_was_laid<K: Kv>(
    world: &World<K>,
) {
    let pools = [tea(), "coffee".parse().unwrap()];
    assert!(world.store.begin(&pools, 5, Some(FREEZE)).await.unwrap());
    for pool in &pools {
        let laid = world.freeze(pool).await.unwrap();
        assert!(laid.create_revision < laid.mod_revision, "first without a lease, then on one");
        assert!(world.left(&laid).await > FREEZE / 2);
    }
    world.store.restored(&pools, 9, FREEZE * 2).await.unwrap();
    let laid = world.freeze(&pools[1]).await.unwrap();
    assert!(world.left(&laid).await > FREEZE, "a longer one replaces it");
}

pub(crate) async fn a_freeze_without_an_end_is_given_one_by_the_first_in_the_queue<K: Kv>(
    world: &World<K>,
) {
    world.define(r#""assam""#).await;
    // Its author died between the two steps.
    world.write(&keys::freeze(&tea()), r#"{"seconds":50,"cause":"restored"}"#).await;
    let lease = world.grant(60).await.lease;
    let [first, second] = [world.join("u1", lease).await, world.join("u2", lease).await];
    for view in [world.view("u3").await, world.view_from("u2", Some(second.revision)).await] {
        assert_eq!((view.frozen, view.frozen_for), (true, Some(FREEZE)));
    }
    assert_eq!(world.freeze(&tea()).await.unwrap().lease, 0, "not their business yet");
    world.view_from("u1", Some(first.revision)).await;
    let started = world.freeze(&tea()).await.unwrap();
    assert_ne!(started.lease, 0);
    assert!(world.left(&started).await > FREEZE / 2);
    let view = world.view_from("u1", Some(first.revision)).await;
    assert!(view.frozen_for.unwrap() <= FREEZE);
    assert_eq!(world.freeze(&tea()).await.unwrap(), started, "once is enough");
    // What another version wrote is not understood, and lasts for as long as anybody may believe.
    world.write(&keys::freeze(&tea()), "").await;
    let view = world.view_from("u1", Some(first.revision)).await;
    assert!(view.frozen_for.unwrap() > Duration::from_secs(3600));
}

pub(crate) async fn every_freeze_without_an_end_is_found_among_many<K: Kv>(world: &World<K>) {
    let many: Vec<PoolName> = (0..130).map(|n| format!("pool-{n}").parse().unwrap()).collect();
    for pool in &many {
        world.write(&keys::freeze(pool), r#"{"seconds":50}"#).await;
    }
    world.store.start_freezes().await.unwrap();
    for pool in &many {
        assert_ne!(world.freeze(pool).await.unwrap().lease, 0, "{pool}");
    }
}

pub(crate) async fn a_pool_defined_without_kubernetes_is_frozen_also_beside_another_one<K: Kv>(
    world: &World<K>,
) {
    let other = Pool::builtin(&"mountains".parse().unwrap()).unwrap();
    world.store.define_alone(&other, 5, None).await.unwrap();
    assert!(world.freeze(&other.name).await.is_none(), "the user has said that the store is new");
    // The wiped store has an epoch again, and its former holders of this pool still believe.
    world.store.define_alone(&teapot(), 6, Some(FREEZE)).await.unwrap();
    assert_ne!(world.freeze(&tea()).await.unwrap().lease, 0);
    assert_eq!(world.store.epoch().await.unwrap(), Some(5));
    let frozen = world.freeze(&tea()).await;
    world.store.define_alone(&teapot(), 7, Some(FREEZE * 2)).await.unwrap();
    assert_eq!(world.freeze(&tea()).await, frozen, "it is defined already");
}

pub(crate) async fn only_the_freeze_of_an_empty_store_is_lifted_by_a_user<K: Kv>(world: &World<K>) {
    world.store.define_alone(&teapot(), 6, Some(FREEZE)).await.unwrap();
    assert!(world.store.lift_freeze_of_new_store(&tea()).await.unwrap());
    assert!(world.freeze(&tea()).await.is_none());
    assert!(world.store.lift_freeze_of_new_store(&tea()).await.unwrap(), "nothing is to be done");
    world.store.restored(&[tea()], 9, FREEZE).await.unwrap();
    assert!(!world.store.lift_freeze_of_new_store(&tea()).await.unwrap());
    assert!(world.freeze(&tea()).await.is_some());
}
