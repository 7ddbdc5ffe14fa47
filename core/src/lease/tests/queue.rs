//! Waiting in the queue.

use super::*;

/// Three names, and a rule for when they are gone.
pub(super) fn tea(view: PoolView, rule: &str) -> PoolView {
    let spec =
        format!(r#"{{"names":{{"list":["Assam","Ceylon","Sikkim"]}},"onExhausted":"{rule}"}}"#);
    PoolView { specs: vec![("tea".parse().unwrap(), spec.into_bytes(), 3)], ..view }
}

pub(super) const ALL: [&str; 3] = ["Assam", "Ceylon", "Sikkim"];

/// A pod that has been told to join the queue.
pub(super) fn joining(rule: &str) -> MachineTest {
    let mut test = MachineTest::new(&["tea"]);
    test.step(Event::Start);
    let joins = test.begun(tea(PoolView { queued: 1, ..test.view(&[]) }, rule));
    let [Action::Claim(request)] = joins.as_slice() else { panic!("{joins:?}") };
    assert_eq!((request.key.as_deref(), request.queue), (None, QueueMode::Join));
    test
}

/// A pod that waits with ticket 20 behind so many others while these names are held.
pub(super) fn waiting(rank: usize, held: &[&str]) -> MachineTest {
    let mut test = joining("Wait");
    test.step(Event::Queued(Queued { revision: 20, origin: None }));
    let waits = test.read(tea(test.in_line(held, 20, rank), "Wait"));
    assert!(matches!(waits.as_slice(), [Action::Watch(_)]), "{waits:?}");
    test
}

impl MachineTest {
    pub(super) fn read(&mut self, view: PoolView) -> Vec<Action> {
        self.step(Event::Viewed(Box::new(view)))
    }

    fn reason(&self) -> String {
        self.shown("tea").identity.reason.unwrap()
    }
}

/// What a join tells of its ticket.
pub(super) fn origin(rank: usize) -> Origin {
    Origin { rank, in_use: 0 }
}

pub(super) fn target(actions: &[Action]) -> &str {
    match actions {
        [Action::Redeem(request)] => &request.key,
        _ => panic!("{actions:?}"),
    }
}

#[test]
fn a_name_is_claimed_without_a_ticket_only_when_one_is_free_nobody_waits_and_nothing_is_frozen() {
    let cases: [(usize, &[&str], bool, Option<&str>); 4] = [
        (0, &["Assam"], false, Some("Ceylon")),
        (1, &["Assam"], false, None),
        (0, &ALL, false, None),
        (0, &["Assam"], true, None),
    ];
    for (queued, held, frozen, key) in cases {
        let mut test = MachineTest::new(&["tea"]);
        test.step(Event::Start);
        let view = PoolView { frozen, queued, ..test.view(held) };
        let claim = test.begun(tea(view, "Wait"));
        let [Action::Claim(request)] = claim.as_slice() else { panic!("{claim:?}") };
        assert_eq!((request.key.as_deref(), request.queue), (key, QueueMode::Join));
    }
}

#[test]
fn attempts_that_fail_again_and_again_without_a_change_are_spread_out() {
    let mut test = joining("Wait");
    test.step(Event::Queued(Queued { revision: 20, origin: None }));
    for _ in 0..2 {
        let redeem = test.read(tea(test.in_line(&["Assam"], 20, 0), "Wait"));
        assert_eq!(target(&redeem), "Ceylon");
        let next = test.step(Event::Conflict);
        if next.is_empty() {
            assert!((1..=50).contains(&test.wakes_in()));
            return;
        }
    }
    panic!("two failures in a row without a pause");
}

#[test]
fn a_spec_that_cannot_be_read_is_waited_out_without_an_attempt() {
    let mut test = waiting(0, &ALL);
    test.step(Event::Woken);
    let specs = vec![("tea".parse().unwrap(), b"{}".to_vec(), 31)];
    assert_eq!(test.read(PoolView { specs, ..test.in_line(&[], 20, 0) }), []);
    assert!(test.reason().contains("is not usable"), "{}", test.reason());
    assert!((500..=1500).contains(&test.wakes_in()));
}

#[test]
fn a_ticket_that_was_there_already_asks_for_its_rank_as_of_now() {
    let mut test = joining("Wait");
    let read = test.step(Event::Queued(Queued { revision: 20, origin: None }));
    let [Action::Read(read)] = read.as_slice() else { panic!("{read:?}") };
    assert_eq!(read.ticket, Some(20));
    // A read that did not know of the ticket has found it: one more read.
    let unranked = PoolView { ahead: None, ..test.in_line(&[], 21, 0) };
    let read = test.read(tea(unranked, "Wait"));
    let [Action::Read(read)] = read.as_slice() else { panic!("{read:?}") };
    assert_eq!(read.ticket, Some(21));
}

#[test]
fn a_ticket_that_is_gone_is_asked_for_again() {
    let mut test = waiting(1, &ALL);
    test.step(Event::Woken);
    let view = PoolView { queued: 1, ..test.view(&ALL) };
    let again = test.read(tea(view, "Wait"));
    let [Action::Claim(request)] = again.as_slice() else { panic!("{again:?}") };
    assert_eq!((request.key.as_deref(), request.queue), (None, QueueMode::Join));
}

#[test]
fn a_waiting_pod_says_its_rank_and_what_it_waits_for() {
    let test = waiting(2, &ALL);
    assert_eq!(test.shown("tea").identity.rank, Some(2));
    assert_eq!(
        test.reason(),
        "all 3 names of pool 'tea' are in use; waiting with rank 2: 2 pods are ahead"
    );
    let promised = waiting(1, &["Assam", "Ceylon"]);
    assert_eq!(
        promised.reason(),
        "the free names of pool 'tea' go to pods ahead; waiting with rank 1: one pod is ahead"
    );
}

#[test]
fn every_waiting_pod_reads_again_once_per_validity_whatever_its_watch_says() {
    for rank in [0, 40] {
        let mut test = waiting(rank, &ALL);
        let mut other = 0;
        for _ in 0..5 {
            let pause = test.wakes_in();
            // The renewal comes first, every V/3.
            test.pass_millis(u64::try_from(pause).unwrap());
            let renew = test.step(Event::Tick);
            assert!(matches!(renew.as_slice(), [Action::Renew { .. }]), "{renew:?}");
            test.step(Event::Renewed(Renewal { read: None, ..test.renewal(0, 0) }));
            other += pause;
            if other + test.wakes_in() >= 27_000 {
                break;
            }
        }
        let pause = test.wakes_in();
        let total = other + pause;
        assert!((27_000..=33_000).contains(&total), "{total} ms");
        test.pass_millis(u64::try_from(pause).unwrap());
        let read = test.step(Event::Tick);
        assert!(read.iter().any(|action| matches!(action, Action::Read(_))), "{read:?}");
    }
}

#[test]
fn a_change_brings_the_next_read_at_once_and_a_broken_watch_after_a_pause() {
    let mut woken = waiting(1, &ALL);
    let read = woken.step(Event::Woken);
    assert!(matches!(read.as_slice(), [Action::Read(_)]), "{read:?}");

    let mut broken = waiting(1, &ALL);
    assert_eq!(broken.step(Event::WatchEnded), []);
    assert!((500..=1500).contains(&broken.wakes_in()));
}

#[test]
fn the_front_watches_everything_and_the_others_the_ticket_ahead() {
    let mut test = joining("Wait");
    test.step(Event::Queued(Queued { revision: 20, origin: None }));
    let mut view = tea(test.in_line(&ALL, 20, FRONT), "Wait");
    view.ahead = Some(TicketsAhead { rank: FRONT, watched_ticket: Some("key".into()) });
    let behind = test.read(view);
    let [Action::Watch(watch)] = behind.as_slice() else { panic!("{behind:?}") };
    assert_eq!((watch.from, watch.watched_ticket.as_deref()), (31, Some("key")));
    test.step(Event::Woken);
    let front = test.read(tea(test.in_line(&ALL, 20, FRONT - 1), "Wait"));
    let [Action::Watch(watch)] = front.as_slice() else { panic!("{front:?}") };
    assert_eq!(watch.watched_ticket, None);
}

#[test]
fn during_a_freeze_a_pod_joins_the_queue_and_tries_no_name() {
    let mut test = MachineTest::new(&["tea"]);
    test.step(Event::Start);
    test.begun(tea(PoolView { frozen: true, ..test.view(&[]) }, "Fail"));
    let read = test.step(Event::Queued(Queued { revision: 20, origin: Some(origin(0)) }));
    assert!(matches!(read.as_slice(), [Action::Read(_)]), "{read:?}");
    let held_up = PoolView { frozen: true, ..test.in_line(&[], 20, 0) };
    let waits = test.read(tea(held_up, "Fail"));
    assert!(matches!(waits.as_slice(), [Action::Watch(_)]), "{waits:?}");
    assert!(test.reason().contains("grants nothing for a while"), "{}", test.reason());
    assert!(test.wakes_in() > 2_000, "idle time counts for nothing during a freeze");
    test.step(Event::Woken);
    let redeem = test.read(tea(test.in_line(&[], 20, 0), "Fail"));
    assert_eq!(target(&redeem), "Assam");
}

#[test]
fn idle_time_ahead_is_counted_in_whole_seconds_from_one_read_to_the_next() {
    let held = ["Assam", "Ceylon"];
    let mut test = waiting(3, &held);
    for _ in 0..2 {
        assert_eq!(test.wakes_in(), 1_000);
        test.pass(1);
        assert!(matches!(test.step(Event::Tick).as_slice(), [Action::Read(_)]));
        let waits = test.read(tea(test.in_line(&held, 20, 3), "Wait"));
        assert!(matches!(waits.as_slice(), [Action::Watch(_)]), "{waits:?}");
    }
    test.pass(1);
    test.step(Event::Tick);
    let redeem = test.read(tea(test.in_line(&held, 20, 3), "Wait"));
    assert_eq!(target(&redeem), "Sikkim");
}

#[test]
fn any_change_of_slots_quarantines_or_queue_ends_the_idle_time() {
    let held = ["Assam", "Ceylon"];
    let changes: [fn(&mut PoolView); 4] = [
        |view| view.newest += 1,
        |view| view.sentinel += 1,
        |view| view.queued += 1,
        |view| view.quarantined.extend(["Darjeeling".into()]),
    ];
    for change in changes {
        let mut test = waiting(1, &held);
        test.pass(1);
        test.step(Event::Tick);
        let mut view = tea(test.in_line(&held, 20, 1), "Wait");
        change(&mut view);
        let waits = test.read(view.clone());
        assert!(matches!(waits.as_slice(), [Action::Watch(_)]), "{waits:?}");
        test.pass(1);
        test.step(Event::Tick);
        assert_eq!(target(&test.read(view)), "Sikkim");
    }
}

#[test]
fn idle_time_starts_again_when_an_edit_or_the_end_of_a_freeze_frees_a_name() {
    let mut edited = waiting(1, &ALL);
    edited.pass(20);
    edited.step(Event::Woken);
    let spec = br#"{"names":{"list":["Assam","Ceylon","Sikkim","Uva"]}}"#.to_vec();
    let specs = vec![("tea".parse().unwrap(), spec, 31)];
    let waits = edited.read(PoolView { specs, ..edited.in_line(&ALL, 20, 1) });
    assert!(matches!(waits.as_slice(), [Action::Watch(_)]), "{waits:?}");

    let mut freed = joining("Wait");
    freed.step(Event::Queued(Queued { revision: 20, origin: None }));
    let held_up = PoolView { frozen: true, ..freed.in_line(&["Assam", "Ceylon"], 20, 1) };
    freed.read(tea(held_up, "Wait"));
    freed.pass(20);
    freed.step(Event::Woken);
    let waits = freed.read(tea(freed.in_line(&["Assam", "Ceylon"], 20, 1), "Wait"));
    assert!(matches!(waits.as_slice(), [Action::Watch(_)]), "{waits:?}");
}

#[test]
fn the_time_while_an_answer_is_under_way_is_not_idle_time() {
    let held = ["Assam", "Ceylon"];
    let mut test = waiting(1, &held);
    test.pass_millis(500);
    test.step(Event::Woken);
    test.pass(3);
    // Only a look that leaves now can tell.
    let looks = test.read(tea(test.in_line(&held, 20, 1), "Wait"));
    assert!(matches!(looks.as_slice(), [Action::Watch(_), Action::Read(_)]), "{looks:?}");
}

#[test]
fn only_the_front_overtakes_and_without_a_free_name_no_idle_time_is_waited_for() {
    let mut behind = waiting(FRONT, &["Assam", "Ceylon"]);
    assert!(behind.wakes_in() > 2_000);
    behind.pass(20);
    behind.step(Event::Woken);
    let waits = behind.read(tea(behind.in_line(&["Assam", "Ceylon"], 20, FRONT), "Wait"));
    assert!(matches!(waits.as_slice(), [Action::Watch(_)]), "{waits:?}");
    assert!(waiting(1, &ALL).wakes_in() > 2_000);
}

/// The same pool while its Pool object is being deleted.
fn closed(view: PoolView) -> PoolView {
    let spec = br#"{"names":{"list":["Assam","Ceylon","Sikkim"]},"closed":true}"#;
    PoolView { specs: vec![("tea".parse().unwrap(), spec.to_vec(), 4)], ..view }
}

#[test]
fn a_closed_pool_grants_nothing_to_a_pod_that_starts_and_nothing_to_one_that_waits() {
    let mut starting = MachineTest::new(&["tea"]);
    starting.step(Event::Start);
    let actions = starting.begun(closed(starting.view(&[])));
    assert!(actions.is_empty(), "{actions:?}");
    assert!(starting.reason().contains("grants nothing new"), "{}", starting.reason());

    let mut waiting = waiting(0, &ALL);
    let actions = waiting.read(closed(waiting.in_line(&[], 20, 0)));
    assert!(actions.is_empty(), "{actions:?}");
    assert!(waiting.reason().contains("kubectl describe pool tea"), "{}", waiting.reason());
}
