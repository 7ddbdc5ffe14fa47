//! How a wait ends other than with a name: restarts, lost leases, failure, the pod's end.

use super::queue::{ALL, joining, origin, tea, waiting};
use super::*;

#[test]
fn a_restarted_waiter_takes_up_the_lease_of_its_ticket_and_waits_on() {
    let mut test = MachineTest::new(&["tea"]);
    test.step(Event::Start);
    let older = Some(Ticket { revision: 20, lease: 99 });
    let found = PoolView { ticket: older, ahead: None, ..test.in_line(&ALL, 20, 0) };
    let resume = test.begun(tea(found, "Wait"));
    let [Action::Resume { lease: 99, slots }] = resume.as_slice() else { panic!("{resume:?}") };
    assert!(slots.is_empty());
    let resumed = test.resumed(&[], 99);
    let actions = test.step(Event::Resumed(resumed));
    let [Action::Revoke(1), Action::Read(_)] = actions.as_slice() else { panic!("{actions:?}") };
    let read = test.read(tea(PoolView { ticket: older, ..test.in_line(&ALL, 0, 0) }, "Wait"));
    assert!(matches!(read.as_slice(), [Action::Watch(_)]), "{read:?}");
    test.pass(22);
    let renew = test.step(Event::Tick);
    assert!(matches!(renew.as_slice(), [Action::Renew { lease: 99, .. }]), "{renew:?}");
}

#[test]
fn a_lease_with_a_slot_is_not_given_up_for_a_place_in_a_queue() {
    let mut test = MachineTest::new(&["coffee", "tea"]);
    test.step(Event::Start);
    let coffee = || ("coffee".parse().unwrap(), br#"{"names":{"list":["Java"]}}"#.to_vec(), 4);
    let view = |mut view: PoolView| {
        view.specs.push(coffee());
        view
    };
    test.begun(view(tea(test.view(&[]), "Wait")));
    test.step(Event::Claimed(MachineTest::won(7)));
    let older = Some(Ticket { revision: 20, lease: 99 });
    let found = PoolView { ticket: older, ahead: None, ..test.in_line(&ALL, 20, 0) };
    let withdraw = test.read(view(tea(found, "Wait")));
    let [Action::LeaveQueue(request)] = withdraw.as_slice() else { panic!("{withdraw:?}") };
    assert_eq!(request.ticket, Some(20));
    let read = test.step(Event::LeftQueue);
    let [Action::Read(read)] = read.as_slice() else { panic!("{read:?}") };
    assert_eq!(read.ticket, None);
}

#[test]
fn a_ticket_is_forgotten_with_its_lease() {
    let mut test = waiting(1, &ALL);
    let gone = Renewal { ttl: Duration::ZERO, read: None, ..test.renewal(0, 0) };
    let begin = test.step(Event::Renewed(gone));
    let begins = begin
        .iter()
        .any(|action| matches!(action, Action::Begin { read, .. } if read.ticket.is_none()));
    assert!(begins, "{begin:?}");
    assert_eq!(test.shown("tea").identity.rank, None);
}

#[test]
fn an_exhausted_pool_whose_rule_is_fail_refuses_at_once_and_leaves_no_ticket() {
    // Seen before joining: no ticket is made.
    let mut test = MachineTest::new(&["tea"]);
    test.step(Event::Start);
    let fails = test.begun(tea(test.view(&ALL), "Fail"));
    let [Action::Revoke(1), Action::Finish(EndReason::Failed(sentence))] = fails.as_slice() else {
        panic!("{fails:?}")
    };
    assert!(sentence.contains("all 3 names of pool 'tea' are in use"), "{sentence}");

    // Seen in the queue: the ticket goes first. Its lease is left to run out: a younger sidecar of this
    // pod may have taken it up with the ticket.
    let mut test = joining("Fail");
    test.step(Event::Queued(Queued { revision: 20, origin: None }));
    let leaves = test.read(tea(test.in_line(&ALL, 20, 0), "Fail"));
    assert!(matches!(leaves.as_slice(), [Action::LeaveQueue(_)]), "{leaves:?}");
    let fails = test.step(Event::LeftQueue);
    let [Action::Finish(EndReason::Failed(_))] = fails.as_slice() else { panic!("{fails:?}") };
}

#[test]
fn a_failing_claim_beside_a_held_one_withdraws_its_ticket_and_retries_that() {
    let mut test = MachineTest::new(&["coffee", "tea"]);
    test.step(Event::Start);
    let coffee = ("coffee".parse().unwrap(), br#"{"names":{"list":["Java"]}}"#.to_vec(), 4);
    let mut view = tea(test.view(&[]), "Fail");
    view.specs.push(coffee);
    test.begun(view.clone());
    test.step(Event::Claimed(MachineTest::won(7)));
    test.read(PoolView { queued: 1, ..view.clone() });
    test.step(Event::Queued(Queued { revision: 20, origin: None }));
    let withdraw = test.read(PoolView { specs: view.specs, ..test.in_line(&ALL, 20, 1) });
    assert!(matches!(withdraw.as_slice(), [Action::LeaveQueue(_)]), "{withdraw:?}");
    test.step(Event::ClaimingFailed(Failure { lease_gone: false, message: "lost".into() }));
    test.pass(2);
    let again = test.step(Event::Tick);
    assert!(matches!(again.as_slice(), [Action::LeaveQueue(_)]), "{again:?}");
    let end = test.step(Event::LeftQueue);
    assert!(matches!(end.as_slice(), [Action::Finish(EndReason::Failed(_))]), "{end:?}");
}

#[test]
fn a_waiting_pod_that_is_stopped_deletes_its_ticket_and_leaves_its_lease_to_a_process_that_took_it_up()
 {
    let mut idle = waiting(1, &ALL);
    let end = [Action::Finish(EndReason::Released)];
    let leaves = idle.step(Event::Terminate);
    assert!(matches!(leaves.as_slice(), [Action::LeaveQueue(_)]), "{leaves:?}");
    assert_eq!(idle.step(Event::LeftQueue), end);

    let mut busy = waiting(1, &ALL);
    busy.step(Event::Woken);
    assert_eq!(busy.step(Event::Terminate), []);
    let leaves = busy.read(tea(busy.in_line(&[], 20, 1), "Wait"));
    assert!(matches!(leaves.as_slice(), [Action::LeaveQueue(_)]), "{leaves:?}");
    assert_eq!(busy.step(Event::LeftQueue), end);
}

#[test]
fn an_attempt_without_an_answer_keeps_the_lease_but_not_the_ticket() {
    let mut test = joining("Wait");
    test.step(Event::Queued(Queued { revision: 20, origin: Some(origin(0)) }));
    test.step(Event::Past(Some(PastView::default())));
    test.step(Event::ClaimingFailed(Failure { lease_gone: false, message: "timeout".into() }));
    test.pass(2);
    let withdraw = test.step(Event::Terminate);
    let [Action::LeaveQueue(request)] = withdraw.as_slice() else { panic!("{withdraw:?}") };
    assert_eq!(request.ticket, Some(20));
    assert_eq!(test.step(Event::LeftQueue), [Action::Finish(EndReason::Released)]);
}

#[test]
fn the_watch_is_closed_when_the_wait_is_over() {
    let mut test = waiting(0, &ALL);
    // A tick, and not the watch, is what finds the name.
    test.pass(22);
    test.step(Event::Tick);
    test.step(Event::Renewed(Renewal { read: None, ..test.renewal(0, 0) }));
    test.pass(12);
    test.step(Event::Tick);
    let redeem = test.read(tea(test.in_line(&["Assam", "Ceylon"], 20, 0), "Wait"));
    assert!(matches!(redeem.as_slice(), [Action::Redeem(_)]), "{redeem:?}");
    // The lease was renewed long ago, so a renewal of the slot follows at once.
    let done = test.step(Event::Claimed(MachineTest::won(40)));
    assert!(matches!(done.as_slice(), [Action::Unwatch, Action::Renew { .. }]), "{done:?}");
}

#[test]
fn a_name_that_a_running_pod_had_is_claimed_ahead_of_the_queue_and_without_a_ticket() {
    let mut test = MachineTest::held(MOUNTAINS);
    test.step(Event::Renewed(Renewal { ttl: Duration::ZERO, ..test.renewal(7, 7) }));
    let claim = test.begun(PoolView { queued: 3, ..test.view(&["MtLogan"]) });
    let [Action::Claim(request)] = claim.as_slice() else { panic!("{claim:?}") };
    assert_eq!(
        (request.key.as_deref(), request.queue),
        (Some("Denali"), QueueMode::Ahead { despite_freeze: true })
    );
}
