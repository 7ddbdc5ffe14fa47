//! The queue: join, rank, redeem, leave, and wake.

use std::time::Duration;

use cairn_core::keys;
use cairn_core::lease::{
    ClaimAnswer, ClaimRequest, FRONT, LeaveQueueRequest, Origin, QueueMode, Queued,
};
use cairn_store::Kv;

use crate::fixture::{Fixture, LIMIT, path, tea};

/// How long to wait for a change that must not come.
const QUIET: Duration = Duration::from_millis(300);

pub(crate) async fn a_claim_of_a_taken_slot_joins_the_end_of_the_queue<K: Kv>(
    fixture: &Fixture<K>,
) {
    fixture.define(r#""assam""#).await;
    let mut revision = 0;
    let view = fixture.view("u").await;
    fixture.claim("u0", "assam", 60).await;
    for (rank, uid) in ["u1", "u2", "u3"].into_iter().enumerate() {
        let lease = fixture.grant(60).await.lease;
        let request = ClaimRequest {
            queue: QueueMode::Join,
            ..Fixture::<K>::claim_request(&view, uid, "assam", lease)
        };
        let ClaimAnswer::Queued(queued) = fixture.store.claim(&request).await.unwrap() else {
            panic!()
        };
        assert_eq!(queued.origin, Some(Origin { rank, in_use: 1 }));
        assert!(queued.revision > revision);
        revision = queued.revision;
        let ticket = fixture.view(uid).await.ticket.unwrap();
        assert_eq!((ticket.revision, ticket.lease), (queued.revision, lease));
    }
    let view = fixture.view("u4").await;
    assert_eq!((view.queued, view.sentinel, view.ticket), (3, revision, None));
}

pub(crate) async fn a_claim_joins_a_queue_that_was_created_after_its_read<K: Kv>(
    fixture: &Fixture<K>,
) {
    fixture.define(r#""assam","ceylon""#).await;
    let view = fixture.view("u1").await;
    let first = fixture.join("u0", fixture.grant(60).await.lease).await;
    let lease = fixture.grant(60).await.lease;
    let request = ClaimRequest {
        queue: QueueMode::Join,
        ..Fixture::<K>::claim_request(&view, "u1", "assam", lease)
    };
    let ClaimAnswer::Queued(queued) = fixture.store.claim(&request).await.unwrap() else {
        panic!()
    };
    assert_eq!(first.origin, Some(Origin { rank: 0, in_use: 0 }));
    assert_eq!(queued.origin, Some(Origin { rank: 1, in_use: 0 }));
}

pub(crate) async fn a_repeated_join_finds_its_first_ticket<K: Kv>(fixture: &Fixture<K>) {
    fixture.define(r#""assam""#).await;
    let lease = fixture.grant(60).await.lease;
    let first = fixture.join("u1", lease).await;
    fixture.join("u2", fixture.grant(60).await.lease).await;
    let again = fixture.join("u1", lease).await;
    assert_eq!(again, Queued { revision: first.revision, origin: None });
}

pub(crate) async fn a_late_copy_of_a_claim_puts_no_ticket_of_a_holder<K: Kv>(fixture: &Fixture<K>) {
    fixture.define(r#""assam""#).await;
    let lease = fixture.grant(60).await.lease;
    let request = Fixture::<K>::claim_request(&fixture.view("u1").await, "u1", "assam", lease);
    let request = ClaimRequest { queue: QueueMode::Join, ..request };
    assert!(matches!(fixture.store.claim(&request).await.unwrap(), ClaimAnswer::Won(_)));
    for late in [request.clone(), ClaimRequest { key: None, ..request }] {
        assert_eq!(fixture.store.claim(&late).await.unwrap(), ClaimAnswer::Conflict);
        let view = fixture.view("u1").await;
        assert_eq!((view.queued, view.ticket), (0, None));
    }
}

pub(crate) async fn waiters_redeem_the_slots_of_their_ranks_without_a_conflict<K: Kv>(
    fixture: &Fixture<K>,
) {
    fixture.define(r#""assam","ceylon","darjeeling","nilgiri","sikkim""#).await;
    fixture.claim("u", "ceylon", 60).await;
    let mut waiters = Vec::new();
    for uid in ["u0", "u1", "u2", "u3"] {
        let lease = fixture.grant(60).await.lease;
        waiters.push((uid, lease, fixture.join(uid, lease).await));
    }
    // In another order than that of their tickets. Each reads the revision of its own ticket.
    waiters.swap(0, 3);
    waiters.swap(1, 2);
    let names = ["assam", "ceylon", "darjeeling", "nilgiri", "sikkim"];
    for (uid, lease, queued) in waiters {
        let past = fixture.store.read_at(&path(), queued.revision, None).await.unwrap().unwrap();
        let free: Vec<_> = names.iter().filter(|name| !past.held.contains(**name)).collect();
        assert_eq!(free.len(), 4);
        let key = free[queued.origin.unwrap().rank];
        let redeem_request = fixture.redeem_request(uid, key, queued.revision, lease).await;
        let won = fixture.store.redeem(&redeem_request).await.unwrap();
        assert!(won.is_some(), "{uid} did not get {key}");
    }
    let view = fixture.view("u").await;
    assert_eq!((view.held.len(), view.queued), (5, 0));
}

pub(crate) async fn a_rank_counts_older_tickets_and_falls_when_they_are_deleted<K: Kv>(
    fixture: &Fixture<K>,
) {
    fixture.define(r#""assam""#).await;
    let lease = fixture.grant(60).await.lease;
    let mut tickets = Vec::new();
    for n in 0..=FRONT {
        tickets.push(fixture.join(&format!("u{n}"), lease).await.revision);
    }
    let last = format!("u{FRONT}");
    fixture.join("later", lease).await;
    let ahead = fixture.view_from(&last, Some(tickets[FRONT])).await.ahead.unwrap();
    assert_eq!((ahead.rank, ahead.watched_ticket), (FRONT, Some(path().ticket("u0"))));
    let first = fixture.view_from("u0", Some(tickets[0])).await.ahead.unwrap();
    assert_eq!((first.rank, first.watched_ticket), (0, None));
    let leaves = LeaveQueueRequest { path: path(), uid: "u5".into(), ticket: Some(tickets[5]) };
    fixture.store.leave_queue(&leaves).await.unwrap();
    let ahead = fixture.view_from(&last, Some(tickets[FRONT])).await.ahead.unwrap();
    assert_eq!((ahead.rank, ahead.watched_ticket), (FRONT - 1, None));
}

pub(crate) async fn a_ticket_of_another_revision_than_the_request_has_no_rank<K: Kv>(
    fixture: &Fixture<K>,
) {
    fixture.define(r#""assam""#).await;
    let ticket = fixture.join("u1", fixture.grant(60).await.lease).await.revision;
    let view = fixture.view_from("u1", Some(ticket - 1)).await;
    assert_eq!((view.ticket.unwrap().revision, view.ahead), (ticket, None));
    assert_eq!(fixture.view_from("u2", Some(ticket)).await.ahead, None);
}

pub(crate) async fn a_ticket_is_redeemed_once<K: Kv>(fixture: &Fixture<K>) {
    fixture.define(r#""assam","ceylon""#).await;
    let lease = fixture.grant(60).await.lease;
    let ticket = fixture.join("u1", lease).await.revision;
    let first = fixture.redeem_request("u1", "assam", ticket, lease).await;
    let won = fixture.store.redeem(&first).await.unwrap().unwrap();
    let view = fixture.view("u1").await;
    assert_eq!((view.ticket, view.queued), (None, 0));
    assert_eq!(view.owners[0].create_revision, won.fence.revision);
    assert_eq!((won.fence.epoch, view.owners[0].lease), (5, lease));
    // A late copy, and an attempt at another slot with the same ticket.
    assert_eq!(fixture.store.redeem(&first).await.unwrap(), None);
    let second = fixture.redeem_request("u1", "ceylon", ticket, lease).await;
    assert_eq!(fixture.store.redeem(&second).await.unwrap(), None);
    // Also after the slot was released: that ticket does not exist any more.
    assert!(fixture.release("u1", "assam", won.own_mod_revision, 0).await);
    assert_eq!(fixture.store.redeem(&first).await.unwrap(), None);
    assert!(fixture.view("u1").await.held.is_empty());
}

pub(crate) async fn redeem_conflicts_with_a_change_of_slot_quarantine_owner_freeze_or_spec<
    K: Kv,
>(
    fixture: &Fixture<K>,
) {
    fixture.define(r#""assam""#).await;
    let lease = fixture.grant(60).await.lease;
    let ticket = fixture.join("u1", lease).await.revision;
    let redeem_request = fixture.redeem_request("u1", "assam", ticket, lease).await;
    let me = keys::owner("shop", "u1", &tea());
    for key in [path().slot("assam"), path().quarantine("assam"), keys::freeze(&tea()), me] {
        fixture.put(&key, "").await;
        assert_eq!(fixture.store.redeem(&redeem_request).await.unwrap(), None, "{key}");
        fixture.delete(&key).await;
    }
    fixture.define(r#""assam","ceylon""#).await;
    assert_eq!(fixture.store.redeem(&redeem_request).await.unwrap(), None);
    let fresh = fixture.redeem_request("u1", "assam", ticket, lease).await;
    assert!(fixture.store.redeem(&fresh).await.unwrap().is_some());
}

pub(crate) async fn leaving_deletes_the_ticket_of_the_request_and_no_other<K: Kv>(
    fixture: &Fixture<K>,
) {
    fixture.define(r#""assam""#).await;
    let lease = fixture.grant(60).await.lease;
    let ticket = fixture.join("u1", lease).await.revision;
    let withdrawal = |ticket| LeaveQueueRequest { path: path(), uid: "u1".into(), ticket };
    fixture.store.leave_queue(&withdrawal(Some(ticket - 1))).await.unwrap();
    assert_eq!(fixture.view("u1").await.queued, 1);
    fixture.store.leave_queue(&withdrawal(Some(ticket))).await.unwrap();
    assert_eq!(fixture.view("u1").await.queued, 0);
    fixture.join("u1", lease).await;
    fixture.store.leave_queue(&withdrawal(None)).await.unwrap();
    assert_eq!(fixture.view("u1").await.queued, 0);
}

pub(crate) async fn a_ticket_ends_with_its_lease<K: Kv>(fixture: &Fixture<K>) {
    fixture.define(r#""assam""#).await;
    let lease = fixture.grant(60).await.lease;
    fixture.join("u1", lease).await;
    fixture.store.revoke(lease).await.unwrap();
    let view = fixture.view("u1").await;
    assert_eq!((view.ticket, view.queued), (None, 0));
}

pub(crate) async fn a_past_revision_is_read_until_it_is_compacted<K: Kv>(fixture: &Fixture<K>) {
    fixture.define(r#""assam","ceylon""#).await;
    let (won, _) = fixture.claim("u0", "assam", 60).await;
    let queued = fixture.join("u1", fixture.grant(60).await.lease).await;
    assert!(fixture.release("u0", "assam", won.unwrap().own_mod_revision, 60).await);
    let past = fixture.store.read_at(&path(), queued.revision, None).await.unwrap().unwrap();
    assert!(past.held.contains("assam") && past.quarantined.is_empty());
    let now = fixture.view("u1").await.revision;
    let past = fixture.store.read_at(&path(), now, None).await.unwrap().unwrap();
    assert!(past.held.is_empty() && past.quarantined.contains("assam"));
    assert_eq!(fixture.store.read_at(&path(), now + 100, None).await.unwrap(), None);
    let one = fixture.store.read_at(&path(), queued.revision, Some("ceylon")).await.unwrap();
    assert!(one.unwrap().held.is_empty());
    let one = fixture.store.read_at(&path(), queued.revision, Some("assam")).await.unwrap();
    assert!(one.unwrap().held.contains("assam"));
    let origin = fixture.store.read_origin(&path(), queued.revision).await.unwrap();
    assert_eq!((origin, queued.origin), (Some(Origin { rank: 0, in_use: 1 }), origin));
    fixture.compact().await;
    assert_eq!(fixture.store.read_origin(&path(), queued.revision).await.unwrap(), None);
    assert_eq!(fixture.store.read_at(&path(), queued.revision, None).await.unwrap(), None);
}

pub(crate) async fn every_release_deleted_ticket_edit_and_freeze_wakes_the_front_of_the_queue<
    K: Kv,
>(
    fixture: &Fixture<K>,
) {
    fixture.define(r#""assam""#).await;
    let gone = [path().slot("assam"), path().quarantine("assam"), path().ticket("u1")];
    for key in gone {
        fixture.put(&key, "").await;
        let from = fixture.view("u").await.revision + 1;
        let (woken, ()) = futures::join!(fixture.wakes(from, None, LIMIT), fixture.delete(&key));
        assert!(woken, "{key}");
    }
    for key in [keys::pool(&tea()), keys::freeze(&tea())] {
        let from = fixture.view("u").await.revision + 1;
        let (woken, ()) = futures::join!(fixture.wakes(from, None, LIMIT), fixture.put(&key, ""));
        assert!(woken, "{key}");
    }
    // A change before the watch is reported at once.
    let from = fixture.view("u").await.revision;
    assert!(fixture.wakes(from, None, LIMIT).await);
}

pub(crate) async fn puts_of_slots_quarantines_and_tickets_wake_no_waiter<K: Kv>(
    fixture: &Fixture<K>,
) {
    fixture.define(r#""assam""#).await;
    let from = fixture.view("u").await.revision + 1;
    for key in [path().slot("assam"), path().quarantine("assam"), path().ticket("u1")] {
        fixture.put(&key, "").await;
    }
    fixture.delete(&path().clock("assam")).await;
    assert!(!fixture.wakes(from, None, QUIET).await);
}

pub(crate) async fn a_waiter_behind_the_front_is_woken_by_the_deletion_of_its_watched_ticket<
    K: Kv,
>(
    fixture: &Fixture<K>,
) {
    fixture.define(r#""assam""#).await;
    let watched_ticket = Some(path().ticket("u1"));
    for key in [path().slot("assam"), path().ticket("u1"), path().ticket("u2")] {
        fixture.put(&key, "").await;
    }
    let from = fixture.view("u").await.revision + 1;
    fixture.delete(&path().slot("assam")).await;
    fixture.delete(&path().ticket("u2")).await;
    assert!(!fixture.wakes(from, watched_ticket.clone(), QUIET).await);
    let ahead = path().ticket("u1");
    let (woken, ()) =
        futures::join!(fixture.wakes(from, watched_ticket, LIMIT), fixture.delete(&ahead));
    assert!(woken);
}

pub(crate) async fn the_end_of_a_lease_wakes_the_waiters<K: Kv>(fixture: &Fixture<K>) {
    fixture.define(r#""assam""#).await;
    // Two seconds are the shortest TTL that etcd grants with its default election timeout.
    let (won, _) = fixture.claim("u0", "assam", 2).await;
    assert!(won.is_some());
    let from = fixture.view("u1").await.revision + 1;
    assert!(fixture.wakes(from, None, LIMIT).await);
    assert!(fixture.view("u1").await.held.is_empty());
}
