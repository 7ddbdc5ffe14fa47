//! How members come.

use super::super::fixture::{Fixture, S, config, is_grant, is_read, is_renew, is_write, on_terms};
use crate::coordination::member::MemberState;
use crate::coordination::session::{Action, Config, EndReason, Event};
use crate::coordination::validity::Validity;
use crate::time::BootInstant;

#[test]
fn a_single_member_owns_every_shard_and_leads_and_then_writes_nothing() {
    let mut world = Fixture::with(&["a"], 8);
    let status = world.status(0);
    assert_eq!(status.state, MemberState::Participant);
    assert_eq!(world.serves(0), [0, 1, 2, 3, 4, 5, 6, 7]);
    assert!(status.leader.own.is_some());
    let writes = world.store.writes;
    world.run(60 * S);
    assert_eq!(world.store.writes, writes);
    assert_eq!(world.serves(0).len(), 8);
}

#[test]
fn a_second_member_gets_its_half_and_one_shard_is_never_served_twice() {
    let mut world = Fixture::with(&["a"], 8);
    world.start(config("b", 8));
    for _ in 0..600 {
        world.run(S / 10);
        let both = [world.serves(0), world.serves(1)];
        assert!(both[0].iter().all(|shard| !both[1].contains(shard)), "{both:?}");
    }
    assert_eq!((world.serves(0).len(), world.serves(1).len()), (4, 4));
}

#[test]
fn nothing_is_written_into_a_store_without_an_epoch() {
    let mut world = Fixture::new();
    world.store.picture.epoch = None;
    world.start(config("a", 8));
    world.run(30 * S);
    assert_eq!(world.sent, []);
    world.store.picture.epoch = Some(7);
    world.run(10 * S);
    assert_eq!(world.serves(0).len(), 8);
}

#[test]
fn nothing_is_claimed_during_a_hold() {
    let mut world = Fixture::new();
    world.store.picture.hold = true;
    world.start(config("a", 8));
    world.run(30 * S);
    assert!(world.status(0).session.is_some() && world.store.picture.shards.is_empty());
    world.store.end_hold();
    world.run(3 * S);
    assert_eq!(world.serves(0).len(), 8);
}

#[test]
fn the_first_map_waits_for_enough_participants() {
    let mut world = Fixture::new();
    for uid in ["a", "b"] {
        world.start(on_terms(config(uid, 9), |terms| terms.min_participants = 3));
    }
    world.run(30 * S);
    assert!(world.store.picture.shards.is_empty());
    world.start(on_terms(config("c", 9), |terms| terms.min_participants = 3));
    world.run(3 * S);
    assert_eq!([0, 1, 2].map(|index| world.serves(index).len()), [3, 3, 3]);
}

#[test]
fn a_dropped_pod_joins_again_when_it_is_not_kept_out_any_more() {
    let mut world = Fixture::with(&["a"], 8);
    world.store.dropped.insert("a".into());
    world.store.delete_member("a");
    world.run(30 * S);
    let status = world.status(0);
    assert_eq!((status.session, status.lost, status.shards.len()), (None, 1, 0));
    assert!(status.reason.is_some_and(|reason| reason.contains("administrator")));
    world.store.dropped.clear();
    world.run(15 * S);
    assert_eq!(world.serves(0).len(), 8);
}

#[test]
fn a_member_whose_session_ended_early_has_its_own_shards_back_at_once() {
    let mut world = Fixture::with(&["a", "b"], 8);
    world.until("balance", |world| world.serves(1).len() == 4);
    let before = world.serves(0);
    world.store.delete_member("a");
    world.run(S / 10);
    assert_eq!((world.status(0).lost, world.serves(0)), (1, before));
}

#[test]
fn after_a_restart_only_a_read_that_was_sent_later_shows_what_is_owned() {
    let mut world = Fixture::with(&["a"], 8);
    world.cut.extend([0, 1]);
    world.start(Config { nonce: "second".into(), ..config("a", 8) });
    for kind in [is_read as fn(&Action) -> bool, is_grant, is_write, is_renew] {
        let (sent, action) = world.take(1, kind);
        world.answer(1, sent, action);
    }
    // The record is ours and renewed. But the first process may have handed shards over after the read.
    let status = world.status(1);
    assert!(status.session.is_some() && status.valid_until > status_now(&world));
    assert!(status.shards.is_empty() && status.leader.own.is_none());
    let (sent, action) = world.take(1, is_read);
    world.answer(1, sent, action);
    assert_eq!(world.serves(1).len(), 8);
}

#[test]
fn a_session_of_another_validity_or_map_is_not_resumed_but_waited_for() {
    let longer = Validity::from_millis(9000);
    let others = [on_terms(config("a", 8), |terms| terms.validity = longer), config("a", 16)];
    for other in others {
        let mut world = Fixture::new();
        world.start(other.clone());
        world.until("the first map", |world| !world.serves(0).is_empty());
        world.cut.insert(0);
        let before = world.store.member("a").unwrap().session;
        world.start(Config { nonce: "second".into(), ..config("a", 8) });
        world.run(2 * S);
        assert!(world.status(1).session.is_none());
        assert_eq!(world.store.member("a").unwrap().session, before);
        // It ends with its lease.
        world.until("another session", |world| world.status(1).session.is_some());
        let joined = world.now;
        assert_ne!(world.store.member("a").unwrap().session, before);
        if other.terms.validity != longer {
            continue;
        }
        // Deadlines of the longer validity may have been told: nothing is handed over before its takeover delay.
        world.start(config("b", 8));
        for _ in 0..600 {
            if !world.serves(2).is_empty() {
                break;
            }
            world.run(S / 20);
            world.confirm_all();
        }
        assert!(!world.serves(2).is_empty());
        let delay = BootInstant::from_nanos(world.now).since(BootInstant::from_nanos(joined));
        assert!(delay >= longer.takeover_delay(), "{delay:?}");
    }
}

#[test]
fn an_older_process_ends_when_a_younger_one_has_the_session() {
    let mut world = Fixture::with(&["a"], 8);
    let session = world.status(0).session;
    world.start(Config { nonce: "second".into(), ..config("a", 8) });
    world.run(S / 10);
    assert!(matches!(world.processes[0].end, Some(EndReason::Fenced(_))));
    assert_eq!((world.serves(0).len(), world.serves(1).len()), (0, 8));
    assert_eq!(world.status(1).session, session);
}

#[test]
fn an_unclear_join_is_repeated_unchanged_until_it_is_clear() {
    let mut world = Fixture::new();
    world.cut.insert(0);
    world.start(config("a", 8));
    for kind in [is_read as fn(&Action) -> bool, is_grant] {
        let (sent, action) = world.take(0, kind);
        world.answer(0, sent, action);
    }
    let (_, Action::Write(write)) = world.take(0, is_write) else { panic!() };
    // It is done, and its answer is lost.
    world.store.write(&write);
    world.event(0, Event::WriteFailed("timeout".into()));
    world.now += S / 2;
    world.event(0, Event::Tick);
    let (sent, again) = world.take(0, is_write);
    assert_eq!(again, Action::Write(write));
    world.answer(0, sent, again);
    assert!(world.status(0).session.is_some());
}

fn status_now(world: &Fixture) -> crate::time::BootInstant {
    crate::time::BootInstant::from_nanos(world.now)
}
