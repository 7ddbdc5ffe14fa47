//! What an administrator does, and what claims ahead of the queue do to it.

use std::time::Duration;

use cairn_core::keys;
use cairn_core::lease::{ClaimAnswer, ClaimRequest, QueueMode};
use cairn_store::admin::Forced;
use cairn_store::{KeyValue, Kv, Op, Txn};

use crate::world::{World, marks, path, tea};

pub(crate) async fn a_force_release_takes_slot_and_owner_and_the_name_rests_as_long_as_the_slot_says<
    K: Kv,
>(
    world: &World<K>,
) {
    world.define(r#""assam""#).await;
    let (won, lease) = world.claim("u1", "assam", 60).await;
    let fence = won.unwrap().fence.revision;
    let other = world.store.force_release(&path(), "assam", fence - 1).await.unwrap();
    assert_eq!(other, Forced::Other(fence));
    let done = world.store.force_release(&path(), "assam", fence).await.unwrap();
    assert_eq!(done, Forced::Released(Duration::from_secs(46)));
    let view = world.view("u1").await;
    assert!(view.held.is_empty() && view.owners.is_empty() && view.unsettled.is_empty());
    assert!(view.quarantined.contains("assam"));
    let quarantined = world.get(&path().quarantine("assam")).await.unwrap();
    assert_ne!(quarantined.lease, lease, "the pod's lease is left alone");
    let renewal = world.store.kv().keep_alive(quarantined.lease).await.unwrap();
    assert_eq!(renewal, Duration::from_secs(46));
    let again = world.store.force_release(&path(), "assam", fence).await.unwrap();
    assert_eq!(again, Forced::NotHeld);
}

pub(crate) async fn a_quarantine_without_an_end_is_shown_and_given_one<K: Kv>(world: &World<K>) {
    world.define(r#""assam""#).await;
    let quarantined = path().quarantine("assam");
    world.write(&quarantined, "2").await;
    assert_eq!(world.view("u1").await.unsettled, ["assam"]);
    assert_eq!(world.claim("u1", "assam", 60).await.0, None);
    world.store.settle(&path(), &["assam".to_owned()]).await.unwrap();
    let view = world.view("u1").await;
    assert!(view.unsettled.is_empty() && view.quarantined.contains("assam"));
    let settled = world.get(&quarantined).await.unwrap();
    world.store.settle(&path(), &["assam".to_owned()]).await.unwrap();
    assert_eq!(world.get(&quarantined).await.unwrap(), settled, "once is enough");
    let gone = async || world.view("u1").await.quarantined.is_empty();
    world.until("the end of the quarantine", gone).await;
    world.store.settle(&path(), &["assam".to_owned()]).await.unwrap();
}

pub(crate) async fn a_name_claimed_ahead_of_the_queue_outdates_every_rank_behind_it<K: Kv>(
    world: &World<K>,
) {
    world.define(r#""assam","ceylon""#).await;
    let lease = world.grant(60).await.lease;
    let ticket = world.join("u1", lease).await.revision;
    let outdated = world.redemption("u1", "ceylon", ticket, lease).await;
    assert!(world.claim("u0", "assam", 60).await.0.is_some());
    assert_eq!(world.store.redeem(&outdated).await.unwrap(), None);
    let past = world.store.read_at(&path(), ticket).await.unwrap().unwrap();
    assert_eq!(past.seen, outdated.seen);
    let view = world.view("u1").await;
    assert!(view.reclaims > outdated.seen.reclaims);
    let past = world.store.read_at(&path(), view.revision).await.unwrap().unwrap();
    assert_eq!(past.seen, marks(&view));
    let fresh = world.redemption("u1", "ceylon", ticket, lease).await;
    assert!(world.store.redeem(&fresh).await.unwrap().is_some());
}

pub(crate) async fn only_whose_belief_has_not_ended_claims_its_name_again_during_a_hold<K: Kv>(
    world: &World<K>,
) {
    world.define(r#""assam""#).await;
    world.write(&keys::freeze(&tea()), "").await;
    let lease = world.grant(60).await.lease;
    let view = world.view("u1").await;
    let order = World::<K>::order(&view, "u1", "assam", lease);
    assert_eq!(world.store.claim(&order).await.unwrap(), ClaimAnswer::Conflict);
    let order = ClaimRequest { queue: QueueMode::Ahead { despite_freeze: true }, ..order };
    assert!(world.store.claim(&order).await.unwrap().won().is_some());
}

pub(crate) async fn a_hold_outdates_every_rank_that_was_found_before_it<K: Kv>(world: &World<K>) {
    world.define(r#""assam""#).await;
    let lease = world.grant(60).await.lease;
    let ticket = world.join("u1", lease).await.revision;
    let outdated = world.redemption("u1", "assam", ticket, lease).await;
    world.store.restored(&[tea()], 9, Duration::from_secs(60)).await.unwrap();
    let lift = Txn { then: vec![Op::Delete(keys::freeze(&tea()))], ..Txn::default() };
    world.store.kv().txn(lift).await.unwrap();
    assert_eq!(world.store.redeem(&outdated).await.unwrap(), None);
    let fresh = world.redemption("u1", "assam", ticket, lease).await;
    assert!(world.store.redeem(&fresh).await.unwrap().is_some());
}

pub(crate) async fn a_name_is_not_claimed_again_over_a_ticket_of_the_same_pod<K: Kv>(
    world: &World<K>,
) {
    world.define(r#""assam""#).await;
    world.join("u1", world.grant(60).await.lease).await;
    assert_eq!(world.claim("u1", "assam", 60).await.0, None);
    assert!(world.claim("u2", "assam", 60).await.0.is_some());
}

pub(crate) async fn a_slot_that_was_lost_must_rest_before_it_is_given_on<K: Kv>(world: &World<K>) {
    world.define(r#""assam""#).await;
    let (won, lease) = world.claim("u1", "assam", 60).await;
    let fence = won.unwrap().fence.revision;
    // However that happens: etcd itself may do it too early.
    world.store.revoke(lease).await.unwrap();
    let view = world.view("u2").await;
    assert!(view.held.is_empty() && view.quarantined.contains("assam"));
    assert_eq!((&view.unsettled[..], view.notes["assam"]), (&["assam".to_owned()][..], fence));
    let past = world.store.read_at(&path(), view.revision).await.unwrap().unwrap();
    assert!(past.quarantined.contains("assam"));
    assert_eq!(world.claim("u2", "assam", 60).await.0, None);
    let waiting = world.grant(60).await.lease;
    let ticket = world.join("u3", waiting).await.revision;
    let redemption = world.redemption("u3", "assam", ticket, waiting).await;
    assert_eq!(world.store.redeem(&redemption).await.unwrap(), None);

    world.store.settle(&path(), &["assam".to_owned()]).await.unwrap();
    let view = world.view("u2").await;
    assert!(
        view.unsettled.is_empty() && view.notes.is_empty() && view.quarantined.contains("assam")
    );
    let quarantined = world.get(&path().quarantine("assam")).await.unwrap();
    let left = world.store.kv().keep_alive(quarantined.lease).await.unwrap();
    assert_eq!(left, Duration::from_secs(46), "V + Q of the claim, and drift");
}

pub(crate) async fn a_slot_that_was_lost_need_not_rest_for_its_own_holder<K: Kv>(world: &World<K>) {
    world.define(r#""assam""#).await;
    let (won, lease) = world.claim("u1", "assam", 60).await;
    world.store.revoke(lease).await.unwrap();
    let lease = world.grant(60).await.lease;
    let view = world.view("u1").await;
    let order = World::<K>::order(&view, "u1", "assam", lease);
    let again = ClaimRequest { note: won.unwrap().fence.revision, ..order };
    let won = world.store.claim(&again).await.unwrap().won().unwrap();
    assert!(world.release("u1", "assam", won.own_mod_revision, 0).await);
    assert!(world.view("u1").await.quarantined.is_empty(), "a release leaves nothing due");
}

pub(crate) async fn after_a_restore_every_pool_is_held_and_the_epoch_is_greater<K: Kv>(
    world: &World<K>,
) {
    world.define(r#""assam""#).await;
    let many: Vec<_> = (0..300).map(|n| format!("pool-{n}").parse().unwrap()).collect();
    let hold = Duration::from_secs(60);
    assert_eq!(world.store.restored(&many, 3, hold).await.unwrap(), 6, "one more than before");
    for pool in [&many[0], &many[127], &many[299]] {
        assert!(world.get(&keys::freeze(pool)).await.is_some(), "{pool}");
    }
    assert_eq!(world.store.restored(&[tea()], 9_000, hold).await.unwrap(), 9_000);
    assert_eq!(world.store.epoch().await.unwrap(), Some(9_000));
    assert!(world.view("u1").await.frozen);
}

pub(crate) async fn a_slot_whose_owner_record_is_not_ours_is_not_released<K: Kv>(world: &World<K>) {
    world.define(r#""assam""#).await;
    let mine = world.claim("u1", "assam", 60).await.0.unwrap().own_mod_revision;
    // In a wiped store another pod's slot may meet our revision; its owner record then does not.
    world.write(&keys::owner("shop", "u1", &tea()), "{}").await;
    assert!(!world.release("u1", "assam", mine, 5).await);
    assert!(world.get(&path().slot("assam")).await.is_some());
}

impl<K: Kv> World<K> {
    pub(crate) async fn write(&self, key: &str, value: &str) {
        let then = vec![Op::put(key, value, 0)];
        self.store.kv().txn(Txn { then, ..Txn::default() }).await.unwrap();
    }

    pub(crate) async fn get(&self, key: &str) -> Option<KeyValue> {
        self.store.kv().txn(Txn::read(vec![Op::get(key)])).await.unwrap().key(0).cloned()
    }
}
