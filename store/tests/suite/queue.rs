//! The sentences about the queue.

use std::time::Duration;

use cairn_core::keys;
use cairn_core::lease::{ClaimAnswer, ClaimRequest, FRONT, LeaveQueueRequest, QueueMode, Queued};
use cairn_store::{Kv, Op, Txn};

use crate::world::{LIMIT, World, path, tea};

/// Nothing can be waited for when nothing is to happen.
const QUIET: Duration = Duration::from_millis(300);

pub(crate) async fn whoever_cannot_have_a_slot_joins_the_queue_behind_those_who_wait<K: Kv>(
    world: &World<K>,
) {
    world.define(r#""assam""#).await;
    let mut revision = 0;
    let view = world.view("u").await;
    world.claim("u0", "assam", 60).await;
    for (rank, uid) in ["u1", "u2", "u3"].into_iter().enumerate() {
        let lease = world.grant(60).await.lease;
        let order = ClaimRequest {
            queue: QueueMode::Join,
            ..World::<K>::order(&view, uid, "assam", lease)
        };
        let ClaimAnswer::Queued(queued) = world.store.claim(&order).await.unwrap() else {
            panic!()
        };
        assert_eq!(queued.rank, Some(rank));
        assert!(queued.revision > revision);
        revision = queued.revision;
        let ticket = world.view(uid).await.ticket.unwrap();
        assert_eq!((ticket.revision, ticket.lease), (queued.revision, lease));
    }
    let view = world.view("u4").await;
    assert_eq!((view.queued, view.sentinel, view.ticket), (3, revision, None));
}

pub(crate) async fn a_queue_that_somebody_joined_meanwhile_sends_a_claim_to_its_end<K: Kv>(
    world: &World<K>,
) {
    world.define(r#""assam","ceylon""#).await;
    let view = world.view("u1").await;
    let first = world.join("u0", world.grant(60).await.lease).await;
    let lease = world.grant(60).await.lease;
    let order =
        ClaimRequest { queue: QueueMode::Join, ..World::<K>::order(&view, "u1", "assam", lease) };
    let ClaimAnswer::Queued(queued) = world.store.claim(&order).await.unwrap() else { panic!() };
    assert_eq!((first.rank, queued.rank), (Some(0), Some(1)));
}

pub(crate) async fn a_repeated_request_finds_the_ticket_that_the_first_one_made<K: Kv>(
    world: &World<K>,
) {
    world.define(r#""assam""#).await;
    let lease = world.grant(60).await.lease;
    let first = world.join("u1", lease).await;
    world.join("u2", world.grant(60).await.lease).await;
    let again = world.join("u1", lease).await;
    assert_eq!(again, Queued { revision: first.revision, rank: None });
}

pub(crate) async fn a_late_duplicate_leaves_no_ticket_on_a_holder<K: Kv>(world: &World<K>) {
    world.define(r#""assam""#).await;
    let lease = world.grant(60).await.lease;
    let order = World::<K>::order(&world.view("u1").await, "u1", "assam", lease);
    let order = ClaimRequest { queue: QueueMode::Join, ..order };
    assert!(matches!(world.store.claim(&order).await.unwrap(), ClaimAnswer::Won(_)));
    for late in [order.clone(), ClaimRequest { key: None, ..order }] {
        assert_eq!(world.store.claim(&late).await.unwrap(), ClaimAnswer::Conflict);
        let view = world.view("u1").await;
        assert_eq!((view.queued, view.ticket), (0, None));
    }
}

pub(crate) async fn a_herd_takes_the_slots_that_its_ranks_give_it_without_one_lost_compare<
    K: Kv,
>(
    world: &World<K>,
) {
    world.define(r#""assam","ceylon","darjeeling","nilgiri","sikkim""#).await;
    world.claim("u", "ceylon", 60).await;
    let mut herd = Vec::new();
    for uid in ["u0", "u1", "u2", "u3"] {
        let lease = world.grant(60).await.lease;
        herd.push((uid, lease, world.join(uid, lease).await));
    }
    // In another order than that of their tickets, and each with what it saw at its own ticket.
    herd.swap(0, 3);
    herd.swap(1, 2);
    let names = ["assam", "ceylon", "darjeeling", "nilgiri", "sikkim"];
    for (uid, lease, queued) in herd {
        let past = world.store.read_at(&path(), queued.revision).await.unwrap().unwrap();
        let free: Vec<_> = names.iter().filter(|name| !past.held.contains(**name)).collect();
        assert_eq!(free.len(), 4);
        let key = free[queued.rank.unwrap()];
        let redemption = world.redemption(uid, key, queued.revision, lease).await;
        let won = world.store.redeem(&redemption).await.unwrap();
        assert!(won.is_some(), "{uid} did not get {key}");
    }
    let view = world.view("u").await;
    assert_eq!((view.held.len(), view.queued), (5, 0));
}

pub(crate) async fn a_rank_counts_the_tickets_created_before_and_shrinks_when_they_go<K: Kv>(
    world: &World<K>,
) {
    world.define(r#""assam""#).await;
    let lease = world.grant(60).await.lease;
    let mut tickets = Vec::new();
    for n in 0..=FRONT {
        tickets.push(world.join(&format!("u{n}"), lease).await.revision);
    }
    let last = format!("u{FRONT}");
    world.join("later", lease).await;
    let ahead = world.view_from(&last, Some(tickets[FRONT])).await.ahead.unwrap();
    assert_eq!((ahead.rank, ahead.watched_ticket), (FRONT, Some(path().ticket("u0"))));
    let first = world.view_from("u0", Some(tickets[0])).await.ahead.unwrap();
    assert_eq!((first.rank, first.watched_ticket), (0, None));
    let leaves = LeaveQueueRequest { path: path(), uid: "u5".into(), ticket: Some(tickets[5]) };
    world.store.leave_queue(&leaves).await.unwrap();
    let ahead = world.view_from(&last, Some(tickets[FRONT])).await.ahead.unwrap();
    assert_eq!((ahead.rank, ahead.watched_ticket), (FRONT - 1, None));
}

pub(crate) async fn a_ticket_that_is_not_the_one_asked_about_has_no_rank<K: Kv>(world: &World<K>) {
    world.define(r#""assam""#).await;
    let ticket = world.join("u1", world.grant(60).await.lease).await.revision;
    let view = world.view_from("u1", Some(ticket - 1)).await;
    assert_eq!((view.ticket.unwrap().revision, view.ahead), (ticket, None));
    assert_eq!(world.view_from("u2", Some(ticket)).await.ahead, None);
}

pub(crate) async fn a_ticket_is_redeemed_once<K: Kv>(world: &World<K>) {
    world.define(r#""assam","ceylon""#).await;
    let lease = world.grant(60).await.lease;
    let ticket = world.join("u1", lease).await.revision;
    let first = world.redemption("u1", "assam", ticket, lease).await;
    let won = world.store.redeem(&first).await.unwrap().unwrap();
    let view = world.view("u1").await;
    assert_eq!((view.ticket, view.queued), (None, 0));
    assert_eq!(view.owners[0].create_revision, won.fence.revision);
    assert_eq!((won.fence.epoch, view.owners[0].lease), (5, lease));
    // A late duplicate, and an attempt at another slot with the same ticket.
    assert_eq!(world.store.redeem(&first).await.unwrap(), None);
    let second = world.redemption("u1", "ceylon", ticket, lease).await;
    assert_eq!(world.store.redeem(&second).await.unwrap(), None);
    // Also once the slot is given back: that ticket is gone.
    assert!(world.release("u1", "assam", won.own_mod_revision, 0).await);
    assert_eq!(world.store.redeem(&first).await.unwrap(), None);
    assert!(world.view("u1").await.held.is_empty());
}

pub(crate) async fn a_ticket_is_not_redeemed_against_a_change_of_slot_quarantine_hold_or_spec<
    K: Kv,
>(
    world: &World<K>,
) {
    world.define(r#""assam""#).await;
    let lease = world.grant(60).await.lease;
    let ticket = world.join("u1", lease).await.revision;
    let redemption = world.redemption("u1", "assam", ticket, lease).await;
    let me = keys::owner("shop", "u1", &tea());
    for key in [path().slot("assam"), path().quarantine("assam"), keys::freeze(&tea()), me] {
        world.put(&key).await;
        assert_eq!(world.store.redeem(&redemption).await.unwrap(), None, "{key}");
        world.delete(&key).await;
    }
    world.define(r#""assam","ceylon""#).await;
    assert_eq!(world.store.redeem(&redemption).await.unwrap(), None);
    let fresh = world.redemption("u1", "assam", ticket, lease).await;
    assert!(world.store.redeem(&fresh).await.unwrap().is_some());
}

pub(crate) async fn a_withdrawn_ticket_is_gone_and_another_one_stays<K: Kv>(world: &World<K>) {
    world.define(r#""assam""#).await;
    let lease = world.grant(60).await.lease;
    let ticket = world.join("u1", lease).await.revision;
    let withdrawal = |ticket| LeaveQueueRequest { path: path(), uid: "u1".into(), ticket };
    world.store.leave_queue(&withdrawal(Some(ticket - 1))).await.unwrap();
    assert_eq!(world.view("u1").await.queued, 1);
    world.store.leave_queue(&withdrawal(Some(ticket))).await.unwrap();
    assert_eq!(world.view("u1").await.queued, 0);
    world.join("u1", lease).await;
    world.store.leave_queue(&withdrawal(None)).await.unwrap();
    assert_eq!(world.view("u1").await.queued, 0);
}

pub(crate) async fn a_ticket_ends_with_its_lease<K: Kv>(world: &World<K>) {
    world.define(r#""assam""#).await;
    let lease = world.grant(60).await.lease;
    world.join("u1", lease).await;
    world.store.revoke(lease).await.unwrap();
    let view = world.view("u1").await;
    assert_eq!((view.ticket, view.queued), (None, 0));
}

pub(crate) async fn the_slots_of_a_past_revision_are_known_until_it_is_compacted<K: Kv>(
    world: &World<K>,
) {
    world.define(r#""assam","ceylon""#).await;
    let (won, _) = world.claim("u0", "assam", 60).await;
    let queued = world.join("u1", world.grant(60).await.lease).await;
    assert!(world.release("u0", "assam", won.unwrap().own_mod_revision, 60).await);
    let past = world.store.read_at(&path(), queued.revision).await.unwrap().unwrap();
    assert!(past.held.contains("assam") && past.quarantined.is_empty());
    let now = world.view("u1").await.revision;
    let past = world.store.read_at(&path(), now).await.unwrap().unwrap();
    assert!(past.held.is_empty() && past.quarantined.contains("assam"));
    assert_eq!(world.store.read_at(&path(), now + 100).await.unwrap(), None);
    world.compact().await;
    assert_eq!(world.store.read_at(&path(), queued.revision).await.unwrap(), None);
}

pub(crate) async fn every_release_departure_edit_and_hold_wakes_the_front_of_the_queue<K: Kv>(
    world: &World<K>,
) {
    world.define(r#""assam""#).await;
    let gone = [path().slot("assam"), path().quarantine("assam"), path().ticket("u1")];
    for key in gone {
        world.put(&key).await;
        let from = world.view("u").await.revision + 1;
        let (woken, ()) = futures::join!(world.wakes(from, None, LIMIT), world.delete(&key));
        assert!(woken, "{key}");
    }
    for key in [keys::pool(&tea()), keys::freeze(&tea())] {
        let from = world.view("u").await.revision + 1;
        let (woken, ()) = futures::join!(world.wakes(from, None, LIMIT), world.put(&key));
        assert!(woken, "{key}");
    }
    // What has happened already is told at once.
    let from = world.view("u").await.revision;
    assert!(world.wakes(from, None, LIMIT).await);
}

pub(crate) async fn a_put_of_a_slot_wakes_nobody<K: Kv>(world: &World<K>) {
    world.define(r#""assam""#).await;
    let from = world.view("u").await.revision + 1;
    for key in [path().slot("assam"), path().quarantine("assam"), path().ticket("u1")] {
        world.put(&key).await;
    }
    world.delete(&path().clock("assam")).await;
    assert!(!world.wakes(from, None, QUIET).await);
}

pub(crate) async fn those_behind_are_woken_by_the_departure_of_the_ticket_ahead<K: Kv>(
    world: &World<K>,
) {
    world.define(r#""assam""#).await;
    let watched_ticket = Some(path().ticket("u1"));
    for key in [path().slot("assam"), path().ticket("u1"), path().ticket("u2")] {
        world.put(&key).await;
    }
    let from = world.view("u").await.revision + 1;
    world.delete(&path().slot("assam")).await;
    world.delete(&path().ticket("u2")).await;
    assert!(!world.wakes(from, watched_ticket.clone(), QUIET).await);
    let ahead = path().ticket("u1");
    let (woken, ()) =
        futures::join!(world.wakes(from, watched_ticket, LIMIT), world.delete(&ahead));
    assert!(woken);
}

pub(crate) async fn the_end_of_a_lease_wakes_those_who_wait<K: Kv>(world: &World<K>) {
    world.define(r#""assam""#).await;
    // Two seconds are the least that etcd grants with its usual election timeout.
    let (won, _) = world.claim("u0", "assam", 2).await;
    assert!(won.is_some());
    let from = world.view("u1").await.revision + 1;
    assert!(world.wakes(from, None, LIMIT).await);
    assert!(world.view("u1").await.held.is_empty());
}

impl<K: Kv> World<K> {
    async fn put(&self, key: &str) {
        let then = vec![Op::put(key, "", 0)];
        self.store.kv().txn(Txn { then, ..Txn::default() }).await.unwrap();
    }

    async fn delete(&self, key: &str) {
        let then = vec![Op::Delete(key.to_owned())];
        self.store.kv().txn(Txn { then, ..Txn::default() }).await.unwrap();
    }
}
