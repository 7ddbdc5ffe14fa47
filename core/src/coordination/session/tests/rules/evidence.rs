//! What proves a session, and what speaks against it.

use super::super::fixture::{Fixture, S, config, is_read, is_renew, now};
use crate::coordination::member::MemberState;
use crate::coordination::picture::{Change, Changes};
use crate::coordination::session::{Command, Config, Event};
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

#[test]
fn a_write_that_a_restored_store_answers_ends_the_session_before_its_answer_is_used() {
    let mut world = Fixture::with(&["a"], 8);
    world.run(20 * S);
    let snapshot = world.store.clone();
    world.start(config("b", 8));
    world.until("balance", |world| world.serves(1).len() == 4);
    world.cut.insert(1);
    world.store = snapshot;
    assert_eq!(world.serves(0).len(), 4);
    // No renewal has shown it yet. The record is as it was, so the write is done.
    let writes = world.store.writes;
    world.command(0, Command::SetTag("k".into(), Some("v".into()))).unwrap();
    assert_eq!(world.store.writes, writes + 1);
    let status = world.status(0);
    assert_eq!((status.session, status.lost, status.shards.len()), (None, 1, 0));
    assert!(status.reason.is_some_and(|reason| reason.contains("went back")));
    // Nor does another session begin in that store.
    world.run(10 * S);
    assert_eq!((world.store.writes, world.status(0).session), (writes + 1, None));
    world.store.move_epoch(9);
    world.store.end_hold();
    world.run(20 * S);
    assert_eq!(world.serves(0).len(), 8);
}

/// Another group writes all the while, and the watch answers every second request for progress, or none.
fn with_progress(world: &mut Fixture, asked: u32, answers: bool) {
    for count in 1..=asked {
        let period = u64::try_from(world.processes[0].progress.as_nanos()).unwrap();
        for _ in 0..10 {
            world.store.picture.revision += 1;
            world.run(period / 10);
        }
        if answers && count % 2 == 0 {
            let revision = world.store.picture.revision;
            world.event(0, Event::Changed(Changes { revision, changes: Vec::new() }));
        }
    }
}

#[test]
fn a_watch_is_dropped_when_two_requests_for_progress_in_a_row_are_not_answered() {
    let mut world = Fixture::with(&["a"], 8);
    world.processes[0].watch = None;
    with_progress(&mut world, 40, true);
    assert_eq!(world.processes[0].watches, 1, "one that is lost is no silence");
    with_progress(&mut world, 4, false);
    assert_eq!(world.processes[0].watches, 2);
}

/// When C0 follows the end of a watch, in nanoseconds, in a group with so many others.
fn rereads(others: usize) -> Vec<u64> {
    let after = |seed| {
        let mut world = Fixture::new();
        world.start(Config { seed, ..config("a", 8) });
        world.run(10 * S);
        let mut member = world.store.member("a").unwrap();
        member.record.state = MemberState::Viewer;
        let other = |index: usize| (format!("other-{index}"), member.clone().into());
        world.store.picture.members.extend((0..others).map(other));
        world.event(0, Event::WatchEnded("its etcd member was restarted".into()));
        world.run(2 * S);
        world.event(0, Event::WatchEnded("its etcd member was restarted".into()));
        world.cut.insert(0);
        let begun = world.now;
        let reads = |world: &Fixture| world.processes[0].open.iter().any(|(_, a)| is_read(a));
        while !reads(&world) {
            world.run(S / 200);
        }
        world.now - begun
    };
    (1..=20).map(after).collect()
}

#[test]
fn the_members_of_a_large_group_read_it_at_spread_instants_when_their_watches_end_together() {
    let large = rereads(120);
    let (first, last) = (large.iter().min().unwrap(), large.iter().max().unwrap());
    assert!(*last <= S + S / 100 && last - first > S / 2, "{large:?}");
    let small = rereads(3);
    assert!(small.iter().all(|after| *after <= S / 20), "{small:?}");
}

#[test]
fn what_we_own_and_may_not_is_given_away() {
    let mut world = Fixture::with(&["a", "b"], 8);
    world.until("balance", |world| world.serves(1).len() == 4);
    world.run(20 * S);
    // Somebody has made the record a viewer's.
    let mut member = world.store.member("a").unwrap();
    member.record.state = MemberState::Viewer;
    world.store.picture.members.insert("a".into(), member.clone().into());
    world.store.picture.revision += 1;
    let changes = vec![Change::Member("a".into(), Some(Box::new(member)))];
    let revision = world.store.picture.revision;
    world.store.log.push(Changes { revision, changes });
    world.until("given away", |world| world.serves(1).len() == 8);
    assert!(world.serves(0).is_empty());
}
