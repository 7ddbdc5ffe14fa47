//! What proves a session, and what speaks against it.

use super::super::fixture::{Fixture, S, config, is_renew, now};
use crate::coordination::session::Event;
use crate::time::{BootInstant, Now, UnixMillis};

#[test]
fn the_deadline_counts_from_the_instant_at_which_the_read_was_sent() {
    let mut world = Fixture::with(&["a"], 8);
    world.cut.insert(0);
    world.run(S * 3 / 2);
    let (sent, renew) = world.take(0, is_renew);
    let before = world.status(0).valid_until;
    world.now += S / 2;
    world.answer(0, sent, renew);
    let after = world.status(0).valid_until;
    assert_eq!(after, sent.after(std::time::Duration::from_secs(3)));
    assert!(after > before);
}

#[test]
fn another_epoch_ends_the_session_before_anything_else_is_used() {
    let mut world = Fixture::with(&["a"], 8);
    world.store.move_epoch(9);
    world.run(2 * S);
    let status = world.status(0);
    assert_eq!(status.lost, 1);
    assert_eq!(status.session.map(|session| session.epoch), Some(9));
    // The grants are of the old epoch, and the hold is there.
    assert!(status.shards.is_empty() && status.leader.own.is_none());
    world.run(30 * S);
    assert!(world.serves(0).is_empty());
    world.store.end_hold();
    world.run(3 * S);
    assert_eq!(world.serves(0).len(), 8);
}

#[test]
fn a_store_that_went_back_within_its_epoch_proves_nothing() {
    let mut world = Fixture::with(&["a"], 8);
    let snapshot = world.store.clone();
    world.start(config("b", 8));
    world.until("balance", |world| world.serves(1).len() == 4);
    world.store = snapshot;
    world.run(4 * S);
    assert!(world.serves(0).is_empty());
    let reason = world.status(0).reason.unwrap();
    assert!(reason.contains("went back"), "{reason}");
}

#[test]
fn a_watch_that_does_not_reach_what_renewals_show_is_opened_elsewhere() {
    let mut world = Fixture::with(&["a"], 8);
    // The watch stays open for the machine, and shows nothing.
    world.processes[0].watch = None;
    world.start(config("b", 8));
    world.run(2 * S);
    assert!(!world.status(0).picture.members.contains_key("b"));
    world.run(5 * S);
    assert!(world.status(0).picture.members.contains_key("b"));
}

#[test]
fn a_clock_that_jumps_ends_what_was_proved_before() {
    let mut world = Fixture::with(&["a"], 8);
    world.cut.insert(0);
    let at = now(world.now);
    let jumped = Now { wall: UnixMillis(at.wall.0 + 1500), ..at };
    world.processes[0].machine.step(jumped, Event::Tick);
    assert!(world.serves(0).is_empty());
    assert!(world.status(0).valid_until <= BootInstant::from_nanos(world.now));
}
