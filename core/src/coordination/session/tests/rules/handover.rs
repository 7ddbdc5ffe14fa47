//! How shards and the leadership change hands.

use super::super::fixture::{Fixture, S, config, on_terms};
use crate::coordination::session::{Command, Refusal, StopId};
use crate::coordination::validity::Validity;
use crate::time::BootInstant;

/// A member that owns four shards and was told to stop one, and a second one that should have it.
fn stopping(confirm_required: bool) -> Fixture {
    let mut world = Fixture::new();
    world.start(on_terms(config("a", 4), |terms| terms.confirm_required = confirm_required));
    world.run(20 * S);
    world.start(config("b", 4));
    world.until("a stop", |world| !world.status(0).stopping.is_empty());
    world
}

#[test]
fn nothing_is_handed_over_before_a_takeover_delay_after_the_join() {
    let mut world = Fixture::new();
    world.start(config("a", 4));
    world.run(S / 2);
    world.start(config("b", 4));
    let joined = world.now;
    // The leadership was claimed at once, and the first map is made by both after two calm seconds.
    assert!(world.status(0).leader.own.is_some());
    world.command(0, Command::Resign).unwrap();
    let delay = u64::try_from(Validity::from_millis(3000).takeover_delay().as_nanos()).unwrap();
    while world.now < joined + delay - S {
        world.run(S / 10);
        world.confirm_all();
        assert!(world.status(1).leader.own.is_none() && world.status(0).leader.own.is_some());
    }
    world.run(S);
    world.confirm_all();
    assert!(world.status(1).leader.own.is_some());
}

#[test]
fn only_the_id_of_this_stop_confirms_it() {
    let mut world = stopping(true);
    let stop = world.status(0).stopping[0].clone();
    let other = StopId { count: stop.stop.count + 7, ..stop.stop.clone() };
    let foreign = StopId { process: "another".into(), ..stop.stop.clone() };
    world.command(0, Command::Stopped(vec![other, foreign])).unwrap();
    world.run(S);
    assert!(!world.status(0).stopping[0].confirmed && world.serves(1).is_empty());
    world.command(0, Command::Stopped(vec![stop.stop])).unwrap();
    assert_eq!(world.serves(1).len(), 1);
}

#[test]
fn without_a_confirmation_the_told_deadline_and_the_margin_have_to_pass() {
    let mut world = stopping(false);
    let told = world.status(0).stopping[0].valid_until;
    let mut last = told;
    while world.serves(1).is_empty() {
        // Renewals go on, and the deadline of what is stopping does not move.
        let status = world.status(0);
        assert!(status.stopping.iter().all(|stop| stop.valid_until == told));
        last = last.max(status.valid_until);
        world.run(S / 50);
    }
    assert!(last > told);
    let margin = BootInstant::from_nanos(world.now).since(told);
    assert!(margin.as_millis() >= 2000 && margin.as_millis() < 2100, "{margin:?}");
}

#[test]
fn where_a_confirmation_is_required_time_alone_hands_nothing_over() {
    let mut world = stopping(true);
    world.run(60 * S);
    assert!(world.serves(1).is_empty());
    world.confirm_all();
    assert_eq!(world.serves(1).len(), 1);
}

#[test]
fn what_was_told_to_stop_is_served_again_only_under_a_new_fence() {
    let mut world = stopping(true);
    let stop = world.status(0).stopping[0].clone();
    let shard = (0..4).find(|shard| !world.serves(0).contains(shard)).unwrap();
    // The recipient goes, for good.
    world.cut.insert(1);
    world.store.delete_member("b");
    world.run(10 * S);
    assert!(!world.serves(0).contains(&shard));
    world.confirm_all();
    let fence = world.status(0).shards[&shard];
    assert!(fence > stop.owned.fence);
}

#[test]
fn a_leader_that_resigns_hands_over_and_leads_again_only_when_the_next_one_resigns() {
    let mut world = Fixture::with(&["a", "b"], 4);
    assert_eq!(world.command(1, Command::Resign), Err(Refusal::NotLeader));
    world.command(0, Command::Resign).unwrap();
    world.confirm_all();
    assert!(world.status(1).leader.own.is_some() && world.status(0).leader.own.is_none());
    world.run(60 * S);
    assert!(world.status(1).leader.own.is_some());
    world.command(1, Command::Resign).unwrap();
    world.confirm_all();
    assert!(world.status(0).leader.own.is_some() && world.status(1).leader.own.is_none());
    world.run(60 * S);
    assert!(world.status(0).leader.own.is_some());
}

#[test]
fn the_leaders_value_is_put_under_its_fence_and_only_over_the_expected_one() {
    let mut world = Fixture::with(&["a", "b"], 4);
    let put = |value: &[u8], expected| Command::PutLeaderValue { value: value.to_vec(), expected };
    assert_eq!(world.command(1, put(b"x", None)), Err(Refusal::NotLeader));
    world.command(0, put(b"one", Some(0))).unwrap();
    let leader = world.status(0).leader;
    let revision = leader.last_put.unwrap().unwrap();
    assert_eq!(leader.puts, 1);
    assert_eq!(world.store.picture.leader_value.as_ref().unwrap().value, b"one");
    world.command(0, put(b"two", Some(0))).unwrap();
    let refused = world.status(0).leader.last_put;
    assert_eq!(refused, Some(Err(Refusal::ValueChanged(revision))));
    // Another process has put it meanwhile, and this one does not know.
    world.command(0, put(b"three", Some(revision))).unwrap();
    assert_eq!(world.store.picture.leader_value.as_ref().unwrap().value, b"three");
}
