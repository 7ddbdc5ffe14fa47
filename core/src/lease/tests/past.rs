//! With a fresh ticket: the slots as they were when it was created.

use super::queue::{joining, origin, target, tea};
use super::*;

#[test]
fn a_fresh_ticket_takes_the_name_of_its_rank_as_of_its_own_revision() {
    let mut test = joining("Wait");
    let read = test.step(Event::Queued(Queued { revision: 20, origin: Some(origin(1)) }));
    assert!(matches!(read.as_slice(), [Action::ReadAt { revision: 20, .. }]), "{read:?}");
    let past = PastView { held: ["Ceylon".to_owned()].into(), ..PastView::default() };
    let redeem = test.step(Event::Past(Some(past)));
    assert_eq!(target(&redeem), "Sikkim");
    let [Action::Redeem(request)] = redeem.as_slice() else { panic!() };
    assert_eq!((request.ticket, request.spec, request.lease), (20, 3, 1));
    assert_eq!(test.step(Event::Claimed(MachineTest::won(31))), []);
    assert_eq!(test.state("tea"), ClaimState::Held);
    assert_eq!(test.shown("tea").identity.rank, None);
}

#[test]
fn without_that_revision_or_after_a_failed_attempt_the_present_is_read() {
    let mut unknown = joining("Wait");
    unknown.step(Event::Queued(Queued { revision: 20, origin: Some(origin(1)) }));
    let read = unknown.step(Event::Past(None));
    let [Action::Read(read)] = read.as_slice() else { panic!("{read:?}") };
    assert_eq!(read.ticket, Some(20));

    let mut outrun = joining("Wait");
    outrun.step(Event::Queued(Queued { revision: 20, origin: Some(origin(1)) }));
    outrun.step(Event::Past(Some(PastView::default())));
    let read = outrun.step(Event::Conflict);
    let [Action::Read(read)] = read.as_slice() else { panic!("{read:?}") };
    assert_eq!(read.ticket, Some(20));
    let again = outrun.read(tea(outrun.in_line(&["Assam"], 20, 0), "Wait"));
    assert_eq!(target(&again), "Ceylon");
}

#[test]
fn what_was_true_when_the_ticket_was_created_is_asked_for_again_after_a_failure() {
    let failed =
        || Event::ClaimingFailed(Failure { lease_gone: false, message: "timeout".to_owned() });
    let mut test = joining("Wait");
    test.step(Event::Queued(Queued { revision: 20, origin: Some(origin(1)) }));
    test.step(failed());
    test.pass(2);
    let past = test.step(Event::Tick);
    assert!(matches!(past.as_slice(), [Action::ReadAt { revision: 20, .. }]), "{past:?}");
    assert_eq!(target(&test.step(Event::Past(Some(PastView::default())))), "Ceylon");

    // That attempt may have landed. Whether the ticket is still there is read without the lists.
    test.step(failed());
    test.pass(2);
    let read = test.step(Event::Tick);
    let [Action::Read(read)] = read.as_slice() else { panic!("{read:?}") };
    assert_eq!((read.lists, read.ticket), (false, None));
    let own = Some(Ticket { revision: 20, lease: 1 });
    let view = PoolView { ticket: own, without_lists: true, ..test.view(&[]) };
    let past = test.read(tea(view, "Wait"));
    assert!(matches!(past.as_slice(), [Action::ReadAt { revision: 20, .. }]), "{past:?}");
    assert_eq!(target(&test.step(Event::Past(Some(PastView::default())))), "Ceylon");
    let read = test.step(Event::Conflict);
    let [Action::Read(read)] = read.as_slice() else { panic!("{read:?}") };
    assert_eq!((read.lists, read.ticket), (true, Some(20)));
}

#[test]
fn with_many_names_in_use_only_the_expected_name_is_read_and_the_lists_when_it_was_not_free() {
    let past = |held: &[&str]| {
        let held = held.iter().map(|name| (*name).to_owned()).collect();
        Event::Past(Some(PastView { held, ..PastView::default() }))
    };
    let numbers = |view: PoolView| {
        let spec = br#"{"names":{"range":{"from":0,"to":1999}}}"#.to_vec();
        PoolView { specs: vec![("tea".parse().unwrap(), spec, 3)], ..view }
    };
    let asked = |actions: &[Action]| match actions {
        [Action::ReadAt { revision: 20, only, .. }] => only.clone(),
        _ => panic!("{actions:?}"),
    };
    let queued = |in_use, expected: Option<&str>| {
        let mut test = MachineTest::new(&["tea"]);
        test.step(Event::Start);
        test.begun(numbers(PoolView { queued: 1, ..test.view(&[]) }));
        let read = test
            .step(Event::Queued(Queued { revision: 20, origin: Some(Origin { rank: 2, in_use }) }));
        assert_eq!(asked(&read).as_deref(), expected);
        test
    };
    assert_eq!(target(&queued(700, Some("702")).step(past(&["1"]))), "702");
    let mut taken = queued(700, Some("702"));
    assert_eq!(asked(&taken.step(past(&["702"]))), None);
    assert_eq!(target(&taken.step(past(&["0", "1"]))), "4");
    assert_eq!(asked(&queued(700, Some("702")).step(Event::Past(None))), None);
    queued(499, None);
    // The pool has no name at that place. Then the lists come first, and the present follows them.
    let present = queued(1998, None).step(Event::Past(None));
    assert!(matches!(present.as_slice(), [Action::Read(_)]), "{present:?}");
}

/// A pod that has found its ticket among a hundred, and asks what was true when it was created.
fn ticket_of_an_unanswered_join() -> MachineTest {
    let mut test = joining("Wait");
    test.step(Event::ClaimingFailed(Failure { lease_gone: false, message: "timeout".to_owned() }));
    test.pass(2);
    test.step(Event::Tick);
    let own = Some(Ticket { revision: 20, lease: 1 });
    let view = PoolView { ticket: own, without_lists: true, queued: 100, ..test.view(&[]) };
    let ask = test.read(tea(view, "Wait"));
    assert!(matches!(ask.as_slice(), [Action::ReadOrigin { revision: 20, .. }]), "{ask:?}");
    test
}

#[test]
fn a_ticket_whose_creation_had_no_answer_learns_its_rank_of_the_past_when_many_wait() {
    let mut test = ticket_of_an_unanswered_join();
    let past = test.step(Event::Origin(Some(origin(1))));
    assert!(matches!(past.as_slice(), [Action::ReadAt { revision: 20, .. }]), "{past:?}");
    assert_eq!(target(&test.step(Event::Past(Some(PastView::default())))), "Ceylon");
}

#[test]
fn without_the_rank_of_the_past_the_present_is_read() {
    let mut test = ticket_of_an_unanswered_join();
    let read = test.step(Event::Origin(None));
    let [Action::Read(read)] = read.as_slice() else { panic!("{read:?}") };
    assert_eq!((read.lists, read.ticket), (true, Some(20)));
}
