//! Rules that a store enforces too, or that two parts of the machine keep together: without them nothing else here
//! fails. Each test says what would happen.

use super::super::fixture::{Fixture, S, config, is_renew, is_write, on_terms};
use crate::coordination::map::{KeyHash, ShardMap};
use crate::coordination::picture::Revised;
use crate::coordination::session::{Action, Command, Config, Event, Refusal};
use crate::coordination::validity::Validity;
use crate::coordination::write::WriteKind;

/// Answers renewals and writes of a process, and nothing that shows it the group.
fn answer_renewals_and_writes(world: &mut Fixture, index: usize) {
    for kind in [is_renew as fn(&Action) -> bool, is_write] {
        while world.processes[index].open.iter().any(|(_, action)| kind(action)) {
            let (sent, action) = world.take(index, kind);
            world.answer(index, sent, action);
        }
    }
}

/// R10: who is not there according to an older picture may have joined again before it was granted something.
#[test]
fn the_end_of_a_session_that_was_seen_before_its_grant_says_nothing() {
    let mut world = Fixture::with(&["a", "b"], 8);
    world.until("balance", |world| world.serves(1).len() == 4);
    world.processes[1].watch = None;
    world.cut.insert(1);
    // The first member sees that the second one is gone. The rest of the picture does not reach it.
    world.store.delete_member("b");
    world.settle();
    world.cut.insert(0);
    world.processes[0].watch = None;
    world.cut.remove(&1);
    world.event(1, Event::WatchEnded("broken".into()));
    world.run(S);
    assert_eq!(world.serves(1).len(), 4, "it has joined again, and has its own shards back");
    for _ in 0..200 {
        world.run(S / 10);
        answer_renewals_and_writes(&mut world, 0);
        // It has tried to take the shards over, was refused, and knows of the new grants by that.
        assert_eq!(world.serves(1).len(), 4);
    }
    let owned = world.store.picture.shards.values();
    assert_eq!(owned.filter(|granted| granted.grant.uid == "b").count(), 4);
}

/// R6: else a claim that was sent for shard 3 of 8 is one of shard 3 of 16.
#[test]
fn a_claim_that_lands_after_another_map_was_put_is_refused() {
    let mut world = Fixture::new();
    world.start(config("a", 8));
    world.cut.insert(0);
    for _ in 0..40 {
        world.run(S / 10);
        let claims = |action: &Action| match action {
            Action::Write(write) => matches!(&write.kind, WriteKind::Owners { changes, .. }
                if changes.len() == 8),
            _ => false,
        };
        if world.processes[0].open.iter().any(|(_, action)| claims(action)) {
            break;
        }
        world.answer_all(0);
    }
    let (sent, claim) = world.take(0, is_write);
    let map = ShardMap { shards: 16, hash: KeyHash::Xxh64 };
    world.store.picture.revision += 1;
    let revision = world.store.picture.revision;
    world.store.picture.map = Some(Revised { value: map, revision });
    world.answer(0, sent, claim);
    assert!(world.store.picture.shards.is_empty());
}

/// R13: who was told to stop leading puts nothing more, though its fence is still that of the store.
#[test]
fn a_leader_that_stops_puts_no_value_any_more() {
    let mut world = Fixture::new();
    for uid in ["a", "b"] {
        world.start(on_terms(config(uid, 4), |terms| terms.confirm_required = true));
    }
    world.run(20 * S);
    world.cut.insert(0);
    let other = |world: &mut Fixture| {
        world.store.picture.revision += 1;
        let revision = world.store.picture.revision;
        let value = b"another".to_vec();
        world.store.picture.leader_value = Some(Revised { value, revision });
    };
    let answer = |world: &mut Fixture| {
        let (sent, write) = world.take(0, is_write);
        world.answer(0, sent, write);
        world.run(S / 10);
    };
    world.command(0, Command::PutLeaderValue { value: b"one".to_vec(), expected: None }).unwrap();
    world.command(0, Command::Resign).unwrap();
    other(&mut world);
    // The put is refused, the resignation is written, the put is sent again, and meanwhile the stop begins.
    answer(&mut world);
    answer(&mut world);
    assert_eq!(world.status(0).stopping.len(), 1);
    other(&mut world);
    answer(&mut world);
    assert_eq!(world.status(0).leader.last_put, Some(Err(Refusal::PutLost)));
    assert_eq!(world.store.picture.leader_value.as_ref().unwrap().value, b"another");
}

/// R16: a late copy of our own C1 has made a record with our nonce, and it is of another session.
#[test]
fn a_record_that_a_late_join_has_made_does_not_keep_the_session() {
    let mut world = Fixture::with(&["a"], 8);
    let join = world.sent.iter().find(|write| matches!(write.kind, WriteKind::Join { .. }));
    let join = join.unwrap().clone();
    let before = world.status(0).session;
    world.cut.insert(0);
    world.processes[0].watch = None;
    world.store.forget_member("a");
    world.store.write(&join);
    world.run(2 * S);
    answer_renewals_and_writes(&mut world, 0);
    let status = world.status(0);
    assert_eq!((status.lost, status.session), (1, None));
    assert!(status.shards.is_empty() && before.is_some());
}

/// R16: a renewal that was sent for a session that has ended proves nothing for the next one.
#[test]
fn a_late_renewal_of_an_earlier_session_proves_nothing() {
    let mut world = Fixture::with(&["a"], 8);
    world.cut.insert(0);
    world.run(S * 3 / 2);
    let (sent, renewal) = world.take(0, is_renew);
    // Meanwhile the session ends, and another one begins. The read is answered when its record is there.
    world.store.delete_member("a");
    world.settle();
    world.tell(0);
    for _ in 0..10 {
        let rest = |action: &Action| !is_renew(action);
        while world.processes[0].open.iter().any(|(_, action)| rest(action)) {
            let open = &mut world.processes[0].open;
            let position = open.iter().position(|(_, action)| rest(action)).unwrap();
            let (sent, action) = open.remove(position);
            world.answer(0, sent, action);
        }
        world.run(S / 10);
    }
    assert_eq!(world.status(0).lost, 1);
    assert!(world.status(0).session.is_some());
    world.answer(0, sent, renewal);
    let status = world.status(0);
    assert_eq!(status.valid_until.as_nanos(), 0, "it was sent before the session began");
}

/// R22: the app may act on the latest deadline that it was told, whatever is the instant of the stop.
#[test]
fn a_stop_has_the_deadline_that_was_told_last() {
    let mut world = Fixture::new();
    world.start(config("a", 4));
    world.run(20 * S);
    world.start(config("b", 4));
    let mut told = world.status(0).valid_until;
    while world.status(0).stopping.is_empty() {
        told = world.status(0).valid_until;
        world.run(S / 50);
    }
    assert!(world.status(0).stopping.iter().all(|stop| stop.valid_until >= told));
}

/// R23: the process before this one may have told deadlines of what this one was told that the app has stopped.
#[test]
fn a_resumed_process_hands_nothing_over_before_a_takeover_delay_though_the_app_confirms() {
    let mut world = Fixture::with(&["a", "b"], 8);
    world.until("balance", |world| world.serves(1).len() == 4);
    world.cut.insert(0);
    world.start(Config { nonce: "second".into(), ..config("a", 8) });
    world.run(S / 10);
    let resumed = world.now;
    world.event(2, Event::Drain);
    let delay = Validity::from_millis(3000).takeover_delay();
    let until = resumed + u64::try_from(delay.as_nanos()).unwrap() - S / 2;
    while world.now < until {
        world.run(S / 10);
        world.confirm_all();
        assert_eq!(world.serves(1).len(), 4);
    }
    world.run(S);
    assert_eq!(world.serves(1).len(), 8);
}

/// The plan, 4: who comes in a burst is waited for.
#[test]
fn nothing_is_balanced_before_two_calm_seconds() {
    let mut world = Fixture::with(&["a"], 8);
    for uid in ["b", "c"] {
        world.start(config(uid, 8));
        for _ in 0..18 {
            world.run(S / 10);
            assert!(world.status(0).stopping.is_empty());
        }
    }
    world.run(S / 2);
    assert!(!world.status(0).stopping.is_empty());
}
