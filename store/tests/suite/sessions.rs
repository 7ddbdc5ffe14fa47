//! Members' sessions: C1 to C3, C8, C10 and renewals. Each compare has a case in which only it is false.

use std::time::Duration;

use cairn_core::coordination::map::{KeyHash, ShardMap};
use cairn_core::coordination::member::{MemberState, SessionId};
use cairn_core::coordination::path::GroupKey;
use cairn_core::coordination::picture::Change;
use cairn_core::coordination::session::{Action, Event};
use cairn_core::coordination::write::{WriteAnswer, WriteKind};
use cairn_core::keys;
use cairn_core::time::UnixMillis;
use cairn_store::Kv;

use crate::fixture::Fixture;
use crate::group::{EPOCH, MAP, Pod, group, join, now, record, refused, shows, write};

/// Asserts that a write is refused in a store without an epoch and in one with another epoch, and changes nothing.
pub(crate) async fn compares_the_epoch<K: Kv + Clone + 'static>(
    fixture: &Fixture<K>,
    pod: &Pod<K>,
    kind: WriteKind,
) {
    fixture.put(keys::EPOCH, "6").await;
    let before = fixture.picture().await;
    let other = refused(pod.send(kind.clone()).await);
    shows(&other, &Change::Epoch(Some(6)));
    fixture.delete(keys::EPOCH).await;
    shows(&refused(pod.send(kind.clone()).await), &Change::Epoch(None));
    fixture.put(keys::EPOCH, &EPOCH.to_string()).await;
    let after = fixture.picture().await;
    assert_eq!(after.members.keys().collect::<Vec<_>>(), before.members.keys().collect::<Vec<_>>());
    assert_eq!((after.shards, after.leader), (before.shards, before.leader), "{kind:?}");
    assert_eq!((after.map, after.leader_value), (before.map, before.leader_value), "{kind:?}");
}

pub(crate) async fn a_session_begins_with_its_record_and_the_first_map<K: Kv + Clone + 'static>(
    fixture: &Fixture<K>,
) {
    fixture.begin_epoch().await;
    let pod = fixture.pod("u1").await;
    let picture = fixture.picture().await;
    let member = picture.members.get("u1").unwrap();
    assert_eq!(member.record, record("u1"));
    assert_eq!(member.session, SessionId { epoch: EPOCH, revision: pod.session });
    assert_eq!(member.revision, pod.session);
    let map = picture.map.clone().unwrap();
    assert_eq!((map.value, map.revision), (MAP, pod.session), "in the same transaction");
    assert_eq!((picture.epoch, picture.hold), (Some(EPOCH), false));
    // The second member has another map, and does not change the one in force.
    let other = ShardMap { shards: 32, hash: KeyHash::Int };
    let joins = |uid: &str, map, lease| {
        let mut record = record(uid);
        record.map = map;
        write(uid, WriteKind::Join { lease, record: Box::new(record) })
    };
    for (uid, map) in [("u2", Some(other)), ("u3", None)] {
        let lease = fixture.grant(60).await.lease;
        let answer = fixture.coordination(uid).write(&joins(uid, map, lease)).await.unwrap();
        assert!(matches!(answer, WriteAnswer::Committed { .. }), "{answer:?}");
    }
    let after = fixture.picture().await;
    assert_eq!((after.members.len(), after.map), (3, picture.map));
}

pub(crate) async fn c1_is_refused_by_a_record_a_drop_and_another_epoch<K: Kv + Clone + 'static>(
    fixture: &Fixture<K>,
) {
    fixture.begin_epoch().await;
    let pod = fixture.pod("u1").await;
    let lease = fixture.grant(60).await.lease;
    let again = refused(pod.send(join("u1", lease)).await);
    let own = fixture.picture().await.members.get("u1").unwrap().as_ref().clone();
    assert_eq!(own.revision, pod.mine, "the record was not put again");
    shows(&again, &Change::Member("u1".into(), Some(Box::new(own))));
    shows(&again, &Change::Dropped("u1".into(), false));

    fixture.put(&group().key(&GroupKey::Dropped("u2".into())), "{}").await;
    let out =
        refused(fixture.coordination("u2").write(&write("u2", join("u2", lease))).await.unwrap());
    shows(&out, &Change::Member("u2".into(), None));
    shows(&out, &Change::Dropped("u2".into(), true));

    let late = Pod { uid: "u3".into(), coordination: fixture.coordination("u3"), ..pod };
    compares_the_epoch(fixture, &late, join("u3", lease)).await;
    assert_eq!(fixture.picture().await.members.len(), 1);
}

pub(crate) async fn a_record_on_a_lease_that_is_gone_is_not_put<K: Kv + Clone + 'static>(
    fixture: &Fixture<K>,
) {
    fixture.begin_epoch().await;
    let lease = fixture.grant(60).await.lease;
    fixture.store.revoke(lease).await.unwrap();
    let answer = fixture.coordination("u1").write(&write("u1", join("u1", lease))).await.unwrap();
    assert_eq!(answer, WriteAnswer::LeaseGone);
    assert!(fixture.picture().await.members.is_empty());
}

pub(crate) async fn c2_changes_only_what_this_process_has_put<K: Kv + Clone + 'static>(
    fixture: &Fixture<K>,
) {
    fixture.begin_epoch().await;
    let mut pod = fixture.pod("u1").await;
    let mut draining = record("u1");
    draining.state = MemberState::Draining;
    let update =
        |mine| WriteKind::Update { lease: pod.lease, record: Box::new(draining.clone()), mine };
    compares_the_epoch(fixture, &pod, update(pod.mine)).await;
    assert_eq!(
        fixture.picture().await.members.get("u1").unwrap().record.state,
        MemberState::Participant
    );
    let revision = pod.commits(update(pod.mine)).await;
    let member = fixture.picture().await.members.get("u1").unwrap().as_ref().clone();
    assert_eq!((member.revision, member.session.revision), (revision, pod.session));
    assert_eq!(member.record.state, MemberState::Draining);
    // A copy that lands later, and an update after the session has ended.
    let seen = refused(pod.send(update(pod.mine)).await);
    shows(&seen, &Change::Member("u1".into(), Some(Box::new(member))));
    pod.mine = revision;
    fixture.store.revoke(pod.lease).await.unwrap();
    let update = WriteKind::Update { lease: pod.lease, record: Box::new(draining), mine: pod.mine };
    shows(&refused(pod.send(update).await), &Change::Member("u1".into(), None));
}

pub(crate) async fn c3_takes_a_record_onto_another_lease_and_keeps_the_session<
    K: Kv + Clone + 'static,
>(
    fixture: &Fixture<K>,
) {
    fixture.begin_epoch().await;
    let pod = fixture.pod("u1").await;
    let lease = fixture.grant(60).await.lease;
    let mut younger = record("u1");
    younger.nonce = "u1-2".into();
    let resume = |session, seen| WriteKind::Resume {
        lease,
        record: Box::new(younger.clone()),
        session,
        seen,
    };
    compares_the_epoch(fixture, &pod, resume(pod.session, pod.mine)).await;
    refused(pod.send(resume(pod.session - 1, pod.mine)).await);
    refused(pod.send(resume(pod.session, pod.mine - 1)).await);
    assert_eq!(fixture.picture().await.members.get("u1").unwrap().record.nonce, "u1-1");
    let revision = pod.commits(resume(pod.session, pod.mine)).await;
    // The former process's lease is no longer the session's.
    fixture.store.revoke(pod.lease).await.unwrap();
    let member = fixture.picture().await.members.get("u1").unwrap().as_ref().clone();
    assert_eq!((member.session.revision, member.revision), (pod.session, revision));
    assert_eq!(member.record.nonce, "u1-2");
    // A third process has come in between.
    shows(
        &refused(pod.send(resume(pod.session, pod.mine)).await),
        &Change::Member("u1".into(), Some(Box::new(member))),
    );
}

pub(crate) async fn c8_deletes_only_the_record_that_this_process_has_put<
    K: Kv + Clone + 'static,
>(
    fixture: &Fixture<K>,
) {
    fixture.begin_epoch().await;
    let pod = fixture.pod("u1").await;
    compares_the_epoch(fixture, &pod, WriteKind::Leave { mine: pod.mine }).await;
    refused(pod.send(WriteKind::Leave { mine: pod.mine - 1 }).await);
    assert!(fixture.picture().await.members.contains_key("u1"));
    pod.commits(WriteKind::Leave { mine: pod.mine }).await;
    assert!(fixture.picture().await.members.is_empty());
    // Who left may join anew, and is another session.
    let again = fixture.pod("u1").await;
    assert!(again.session > pod.session);
    refused(pod.send(WriteKind::Leave { mine: pod.mine }).await);
    assert!(fixture.picture().await.members.contains_key("u1"), "a late copy deletes nothing");
}

pub(crate) async fn a_dropped_member_is_kept_out_and_keeps_its_shards_until_they_are_taken_over<
    K: Kv + Clone + 'static,
>(
    fixture: &Fixture<K>,
) {
    fixture.begin_epoch().await;
    let pod = fixture.pod("u1").await;
    pod.claims([3], pod.session).await;
    let drop = async || fixture.admin.drop_member(&group(), "u1", UnixMillis(7)).await.unwrap();
    let dropped = drop().await.unwrap();
    assert_eq!(dropped.session, SessionId { epoch: EPOCH, revision: pod.session });
    assert_eq!(drop().await, None);
    let picture = fixture.picture().await;
    assert!(picture.members.is_empty());
    assert_eq!(picture.shards.get(&3).unwrap().grant.uid, "u1");
    let lease = fixture.grant(60).await.lease;
    shows(&refused(pod.send(join("u1", lease)).await), &Change::Dropped("u1".into(), true));
    let out = fixture.get(&group().key(&GroupKey::Dropped("u1".into()))).await.unwrap();
    let left = fixture.store.kv().time_to_live(out.lease).await.unwrap().unwrap();
    assert!(left > Duration::from_secs(500) && left <= Duration::from_secs(600), "{left:?}");
}

pub(crate) async fn a_renewal_reads_record_epoch_and_hold_and_then_renews_the_lease<
    K: Kv + Clone + 'static,
>(
    fixture: &Fixture<K>,
) {
    fixture.begin_epoch().await;
    let pod = fixture.pod("u1").await;
    let renewed = async |lease| {
        let action = Action::Renew { lease };
        match pod.coordination.perform(now(), action).await.event {
            Some(Event::Renewed(renewal)) => renewal,
            other => panic!("{other:?}"),
        }
    };
    let good = renewed(Some(pod.lease)).await;
    assert_eq!((good.epoch, good.hold), (Some(EPOCH), false));
    assert_eq!(good.member.unwrap().session.revision, pod.session);
    assert_eq!(good.ttl, Some(Duration::from_secs(60)));
    assert_eq!(good.revision, fixture.picture().await.revision);
    assert_eq!(renewed(None).await.ttl, None, "the record is on another process's lease");
    fixture.put("/cairn/v1/hold/-coordinate", "{}").await;
    fixture.put(keys::EPOCH, "6").await;
    let moved = renewed(Some(pod.lease)).await;
    assert_eq!((moved.epoch, moved.hold), (Some(6), true));
    fixture.store.revoke(pod.lease).await.unwrap();
    let gone = renewed(Some(pod.lease)).await;
    assert_eq!((gone.member, gone.ttl), (None, Some(Duration::ZERO)));
}
