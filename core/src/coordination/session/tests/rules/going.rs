//! How members go, and what the others do then.

use std::time::Duration;

use super::super::fixture::{Fixture, S, config, is_grant, is_read, on_terms};
use crate::coordination::member::MemberState;
use crate::coordination::owner::Ownable;
use crate::coordination::session::{Action, Command, Config, EndReason, Event, Refusal};
use crate::time::BootInstant;

#[test]
fn a_frozen_member_stops_at_its_deadline_and_is_followed_after_the_takeover_delay() {
    let mut world = Fixture::with(&["a", "b"], 8);
    world.until("balance", |world| world.serves(1).len() == 4);
    world.cut.insert(0);
    let deadline = world.status(0).valid_until.as_nanos();
    world.run(deadline - world.now);
    assert!(world.serves(0).is_empty());
    world.until("the end of the session", |world| {
        !world.status(1).picture.members.contains_key("a")
    });
    let seen = world.now;
    world.until("the takeover", |world| world.serves(1).len() == 8);
    let waited = Duration::from_nanos(world.now - seen);
    assert!(waited.as_millis() > 4990 && waited.as_millis() < 5300, "{waited:?}");
    assert!(Duration::from_nanos(world.now - deadline) > Duration::from_secs(2));
}

#[test]
fn a_member_of_a_deleted_pod_gives_everything_away_and_leaves() {
    let mut world = Fixture::with(&["a", "b"], 8);
    world.event(0, Event::Drain);
    while world.processes[0].end.is_none() {
        world.run(S / 20);
        world.confirm_all();
    }
    assert_eq!(world.processes[0].end, Some(EndReason::Left));
    assert_eq!(world.serves(1).len(), 8);
    assert!(world.status(1).leader.own.is_some());
    assert!(!world.store.picture.members.contains_key("a"));
}

#[test]
fn the_last_member_frees_everything_before_it_leaves() {
    let mut world = Fixture::with(&["a"], 8);
    world.event(0, Event::Drain);
    world.run(6 * S);
    assert_eq!(world.processes[0].end, Some(EndReason::Left));
    let picture = &world.store.picture;
    assert!(picture.shards.is_empty() && picture.leader.is_none() && picture.members.is_empty());
}

#[test]
fn a_draining_member_serves_on_while_nobody_else_may_own() {
    let mut world = Fixture::with(&["a"], 8);
    world.command(0, Command::SetState(MemberState::Draining)).unwrap();
    world.run(30 * S);
    assert_eq!((world.serves(0).len(), world.status(0).state), (8, MemberState::Draining));
    world.start(config("b", 8));
    world.run(10 * S);
    assert_eq!((world.serves(0).len(), world.serves(1).len()), (0, 8));
    let back = world.command(0, Command::SetState(MemberState::Participant));
    assert!(matches!(back, Err(Refusal::Transition { .. })));
}

#[test]
fn a_drain_that_comes_while_a_sidecar_resumes_its_session_hands_everything_over() {
    for resumes_first in [false, true] {
        let mut world = Fixture::with(&["a", "b"], 8);
        world.until("balance", |world| world.serves(1).len() == 4);
        world.cut.extend([0, 2]);
        let ask = on_terms(config("a", 8), |terms| terms.participate = false);
        let ask = Config { nonce: "second".into(), ..ask };
        world.start(ask);
        if resumes_first {
            for kind in [is_read as fn(&Action) -> bool, is_grant] {
                let (sent, action) = world.take(2, kind);
                world.answer(2, sent, action);
            }
        }
        let begun = world.now;
        world.event(2, Event::Drain);
        world.cut.remove(&2);
        world.until("all handed over", |world| world.serves(1).len() == 8);
        // Without its session others would have to wait for the end of its lease.
        assert!(world.now - begun < 7 * S, "{}", world.now - begun);
        world.settle();
        assert_eq!(world.processes[2].end, Some(EndReason::Left));
    }
}

#[test]
fn a_member_that_is_terminated_leaves_at_once_and_its_shards_wait() {
    let mut world = Fixture::with(&["a", "b"], 8);
    world.until("balance", |world| world.serves(1).len() == 4);
    let left = world.now;
    world.event(0, Event::Terminate);
    world.settle();
    assert_eq!(world.processes[0].end, Some(EndReason::Left));
    world.until("the takeover", |world| world.serves(1).len() == 8);
    assert!(world.now - left > 5 * S);
}

/// A member whose app has promised to call so often, in seconds.
fn beating(seconds: u64) -> Config {
    on_terms(config("a", 8), |terms| terms.heartbeat = Some(Duration::from_secs(seconds)))
}

#[test]
fn a_member_whose_app_has_not_called_yet_owns_nothing() {
    let mut world = Fixture::new();
    world.start(beating(15));
    world.run(30 * S);
    assert_eq!((world.status(0).state, world.serves(0).len()), (MemberState::Viewer, 0));
    world.command(0, Command::Heartbeat).unwrap();
    world.run(5 * S);
    assert_eq!(world.serves(0).len(), 8);
}

#[test]
fn no_deadline_is_told_beyond_the_last_heartbeat_and_its_time_and_a_hung_app_leaves() {
    let mut world = Fixture::new();
    world.start(beating(2));
    world.command(0, Command::Heartbeat).unwrap();
    for _ in 0..10 {
        world.run(S);
        world.command(0, Command::Heartbeat).unwrap();
    }
    let limit = BootInstant::from_nanos(world.now + 2 * S);
    assert_eq!((world.serves(0).len(), world.status(0).valid_until), (8, limit));
    for _ in 0..20 {
        world.run(S / 10);
        assert!(world.status(0).valid_until <= limit);
    }
    assert!(world.serves(0).is_empty());
    world.run(3 * S);
    assert_eq!(world.processes[0].end, Some(EndReason::Left));
    assert!(world.store.picture.shards.is_empty());
}

#[test]
fn after_a_restart_of_the_sidecar_nothing_is_told_before_the_app_calls_and_a_hung_app_leaves() {
    for hangs in [false, true] {
        let mut world = Fixture::new();
        world.start(beating(4));
        world.command(0, Command::Heartbeat).unwrap();
        world.until("the first map", |world| world.serves(0).len() == 8);
        world.cut.insert(0);
        let fences = world.store.picture.shards.clone();
        world.start(Config { nonce: "younger".into(), ..beating(4) });
        world.run(S);
        assert_eq!(world.status(1).state, MemberState::Participant);
        assert!(world.serves(1).is_empty());
        assert_eq!(world.store.picture.shards, fences);
        if hangs {
            world.run(20 * S);
            assert_eq!(world.processes[1].end, Some(EndReason::Left));
        } else {
            world.command(1, Command::Heartbeat).unwrap();
            world.run(S);
            assert_eq!(world.serves(1).len(), 8);
            assert_eq!(world.store.picture.shards, fences);
        }
    }
}

#[test]
fn a_member_that_does_not_take_what_is_available_is_passed_over() {
    let mut world = Fixture::with(&["a", "b"], 8);
    world.until("balance", |world| world.serves(1).len() == 4);
    // The second member renews and does nothing else; and all shards are free.
    world.cut.insert(1);
    for shard in 0..8 {
        world.store.put_owner(Ownable::Shard(shard), None);
    }
    world.store.end_hold();
    world.event(0, Event::WatchEnded("compacted".into()));
    let renew = |world: &mut Fixture| {
        let lease = world.store.lease_of("b").unwrap();
        world.store.keep_alive(world.now, lease);
    };
    world.run(2 * S);
    assert_eq!(world.store.picture.shards.len(), 4);
    for _ in 0..2 {
        renew(&mut world);
        world.run(S);
    }
    assert_eq!(world.store.picture.shards.len(), 8);
    assert!(world.store.picture.shards.values().all(|granted| granted.grant.uid == "a"));
}
