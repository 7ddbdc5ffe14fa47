//! What administrators do, and re-claims ahead of the queue.

use std::time::Duration;

use cairn_core::keys;
use cairn_core::lease::{ClaimAnswer, ClaimRequest, QuarantineRequest, QueueMode};
use cairn_store::{Forced, Kv};

use crate::fixture::{Fixture, path, rank_guard, tea};

pub(crate) async fn a_force_release_deletes_slot_and_owner_and_quarantines_the_name_as_the_slot_records<
    K: Kv,
>(
    fixture: &Fixture<K>,
) {
    fixture.define(r#""assam""#).await;
    let (won, lease) = fixture.claim("u1", "assam", 60).await;
    let fence = won.unwrap().fence.revision;
    let other = fixture.admin.force_release(&path(), "assam", fence - 1).await.unwrap();
    assert_eq!(other, Forced::Other(fence));
    let done = fixture.admin.force_release(&path(), "assam", fence).await.unwrap();
    assert_eq!(done, Forced::Released(Duration::from_secs(46)));
    let view = fixture.view("u1").await;
    assert!(view.held.is_empty() && view.owners.is_empty() && view.unsettled.is_empty());
    assert!(view.quarantined.contains("assam"));
    let quarantined = fixture.get(&path().quarantine("assam")).await.unwrap();
    assert_ne!(quarantined.lease, lease, "the pod's lease is left alone");
    let renewal = fixture.store.kv().keep_alive(quarantined.lease).await.unwrap();
    assert_eq!(renewal, Duration::from_secs(46));
    let again = fixture.admin.force_release(&path(), "assam", fence).await.unwrap();
    assert_eq!(again, Forced::NotHeld);
}

pub(crate) async fn a_quarantine_without_a_lease_is_read_as_unsettled_and_settled_once<K: Kv>(
    fixture: &Fixture<K>,
) {
    fixture.define(r#""assam""#).await;
    let quarantined = path().quarantine("assam");
    fixture.put(&quarantined, "2").await;
    assert_eq!(fixture.view("u1").await.unsettled, ["assam"]);
    assert_eq!(fixture.claim("u1", "assam", 60).await.0, None);
    fixture.store.settle(&path(), &["assam".to_owned()]).await.unwrap();
    let view = fixture.view("u1").await;
    assert!(view.unsettled.is_empty() && view.quarantined.contains("assam"));
    let settled = fixture.get(&quarantined).await.unwrap();
    fixture.store.settle(&path(), &["assam".to_owned()]).await.unwrap();
    assert_eq!(fixture.get(&quarantined).await.unwrap(), settled, "it is settled once only");
    let gone = async || fixture.view("u1").await.quarantined.is_empty();
    fixture.until("the end of the quarantine", gone).await;
    fixture.store.settle(&path(), &["assam".to_owned()]).await.unwrap();
}

pub(crate) async fn as_many_quarantines_as_a_request_may_name_are_settled_at_once<K: Kv>(
    fixture: &Fixture<K>,
) {
    let names: Vec<String> = (0..QuarantineRequest::MOST).map(|n| format!("n{n}")).collect();
    let list: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    fixture.define(&list.join(",")).await;
    for name in &names {
        fixture.put(&path().quarantine(name), "60").await;
    }
    assert_eq!(fixture.view("u1").await.unsettled.len(), names.len());
    fixture.store.settle(&path(), &names).await.unwrap();
    let view = fixture.view("u1").await;
    assert_eq!((view.unsettled.len(), view.quarantined.len()), (0, names.len()));
}

pub(crate) async fn a_reclaim_invalidates_every_rank<K: Kv>(fixture: &Fixture<K>) {
    fixture.define(r#""assam","ceylon""#).await;
    let lease = fixture.grant(60).await.lease;
    let ticket = fixture.join("u1", lease).await.revision;
    let outdated = fixture.redeem_request("u1", "ceylon", ticket, lease).await;
    assert!(fixture.claim("u0", "assam", 60).await.0.is_some());
    assert_eq!(fixture.store.redeem(&outdated).await.unwrap(), None);
    let past = fixture.store.read_at(&path(), ticket, None).await.unwrap().unwrap();
    assert_eq!(past.seen, outdated.seen);
    let view = fixture.view("u1").await;
    assert!(view.reclaims > outdated.seen.reclaims);
    let past = fixture.store.read_at(&path(), view.revision, None).await.unwrap().unwrap();
    assert_eq!(past.seen, rank_guard(&view));
    let fresh = fixture.redeem_request("u1", "ceylon", ticket, lease).await;
    assert!(fixture.store.redeem(&fresh).await.unwrap().is_some());
}

pub(crate) async fn during_a_freeze_only_a_reclaim_that_ignores_it_succeeds<K: Kv>(
    fixture: &Fixture<K>,
) {
    fixture.define(r#""assam""#).await;
    fixture.put(&keys::freeze(&tea()), "").await;
    let lease = fixture.grant(60).await.lease;
    let view = fixture.view("u1").await;
    let request = Fixture::<K>::claim_request(&view, "u1", "assam", lease);
    assert_eq!(fixture.store.claim(&request).await.unwrap(), ClaimAnswer::Conflict);
    let request = ClaimRequest { queue: QueueMode::Ahead { despite_freeze: true }, ..request };
    assert!(fixture.store.claim(&request).await.unwrap().won().is_some());
}

pub(crate) async fn a_freeze_invalidates_every_earlier_rank<K: Kv>(fixture: &Fixture<K>) {
    fixture.define(r#""assam""#).await;
    let lease = fixture.grant(60).await.lease;
    let ticket = fixture.join("u1", lease).await.revision;
    let outdated = fixture.redeem_request("u1", "assam", ticket, lease).await;
    fixture.admin.restored(&[tea()], 9, Duration::from_secs(60)).await.unwrap();
    fixture.delete(&keys::freeze(&tea())).await;
    assert_eq!(fixture.store.redeem(&outdated).await.unwrap(), None);
    let fresh = fixture.redeem_request("u1", "assam", ticket, lease).await;
    assert!(fixture.store.redeem(&fresh).await.unwrap().is_some());
}

pub(crate) async fn a_reclaim_conflicts_with_a_ticket_of_the_same_pod<K: Kv>(fixture: &Fixture<K>) {
    fixture.define(r#""assam""#).await;
    fixture.join("u1", fixture.grant(60).await.lease).await;
    assert_eq!(fixture.claim("u1", "assam", 60).await.0, None);
    assert!(fixture.claim("u2", "assam", 60).await.0.is_some());
}

pub(crate) async fn a_slot_whose_lease_ended_is_quarantined_before_it_is_granted_again<K: Kv>(
    fixture: &Fixture<K>,
) {
    fixture.define(r#""assam""#).await;
    let (won, lease) = fixture.claim("u1", "assam", 60).await;
    let fence = won.unwrap().fence.revision;
    // Whatever ends the lease; etcd itself may end it too early.
    fixture.store.revoke(lease).await.unwrap();
    let view = fixture.view("u2").await;
    assert!(view.held.is_empty() && view.quarantined.contains("assam"));
    assert_eq!((&view.unsettled[..], view.notes["assam"]), (&["assam".to_owned()][..], fence));
    let past = fixture.store.read_at(&path(), view.revision, None).await.unwrap().unwrap();
    assert!(past.held.contains("assam"), "its note still stands");
    assert_eq!(fixture.claim("u2", "assam", 60).await.0, None);
    let waiting = fixture.grant(60).await.lease;
    let ticket = fixture.join("u3", waiting).await.revision;
    let redeem_request = fixture.redeem_request("u3", "assam", ticket, waiting).await;
    assert_eq!(fixture.store.redeem(&redeem_request).await.unwrap(), None);

    fixture.store.settle(&path(), &["assam".to_owned()]).await.unwrap();
    let view = fixture.view("u2").await;
    assert!(
        view.unsettled.is_empty() && view.notes.is_empty() && view.quarantined.contains("assam")
    );
    let quarantined = fixture.get(&path().quarantine("assam")).await.unwrap();
    let left = fixture.store.kv().keep_alive(quarantined.lease).await.unwrap();
    assert_eq!(left, Duration::from_secs(46), "validity and quarantine of the claim, and drift");
}

pub(crate) async fn a_slot_whose_lease_ended_is_reclaimed_by_its_own_holder_at_once<K: Kv>(
    fixture: &Fixture<K>,
) {
    fixture.define(r#""assam""#).await;
    let (won, lease) = fixture.claim("u1", "assam", 60).await;
    fixture.store.revoke(lease).await.unwrap();
    let lease = fixture.grant(60).await.lease;
    let view = fixture.view("u1").await;
    let request = Fixture::<K>::claim_request(&view, "u1", "assam", lease);
    let again = ClaimRequest { note: won.unwrap().fence.revision, ..request };
    let won = fixture.store.claim(&again).await.unwrap().won().unwrap();
    assert!(fixture.release("u1", "assam", won.own_mod_revision, 0).await);
    assert!(fixture.view("u1").await.quarantined.is_empty(), "a release deletes the note");
}

pub(crate) async fn after_a_restore_every_pool_is_frozen_and_the_epoch_is_greater<K: Kv>(
    fixture: &Fixture<K>,
) {
    fixture.define(r#""assam""#).await;
    let many: Vec<_> = (0..300).map(|n| format!("pool-{n}").parse().unwrap()).collect();
    let freeze = Duration::from_secs(60);
    assert_eq!(fixture.admin.restored(&many, 3, freeze).await.unwrap(), 6, "one more than before");
    for pool in [&many[0], &many[127], &many[299]] {
        assert!(fixture.get(&keys::freeze(pool)).await.is_some(), "{pool}");
    }
    assert_eq!(fixture.admin.restored(&[tea()], 9_000, freeze).await.unwrap(), 9_000);
    assert_eq!(fixture.store.epoch().await.unwrap(), Some(9_000));
    assert!(fixture.view("u1").await.frozen);
}

pub(crate) async fn a_slot_whose_owner_record_is_not_ours_is_not_released<K: Kv>(
    fixture: &Fixture<K>,
) {
    fixture.define(r#""assam""#).await;
    let mine = fixture.claim("u1", "assam", 60).await.0.unwrap().own_mod_revision;
    // After a wipe another pod's slot may have our revision by chance. Its owner record then has another one.
    fixture.put(&keys::owner("shop", "u1", &tea()), "{}").await;
    assert!(!fixture.release("u1", "assam", mine, 5).await);
    assert!(fixture.get(&path().slot("assam")).await.is_some());
}
