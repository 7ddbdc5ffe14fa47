//! Sentences about how a wait ends other than with a name: restarts, lost leases, failure, the pod's end.

use super::waiting::{ALL, joining, tea, waiting};
use super::*;

#[test]
fn a_restarted_waiter_takes_up_the_lease_of_its_ticket_and_waits_on() {
    let mut script = Script::new(&["tea"]);
    script.step(Event::Start);
    let older = Some(Ticket { revision: 20, lease: 99 });
    let found = PoolView { ticket: older, ahead: None, ..script.in_line(&ALL, 20, 0) };
    let resume = script.begun(tea(found, "Wait"));
    let [Action::Resume { lease: 99, slots }] = resume.as_slice() else { panic!("{resume:?}") };
    assert!(slots.is_empty());
    let resumed = script.resumed(&[], 99);
    let actions = script.step(Event::Resumed(resumed));
    let [Action::Revoke(1), Action::Read(_)] = actions.as_slice() else { panic!("{actions:?}") };
    let read = script.look(tea(PoolView { ticket: older, ..script.in_line(&ALL, 0, 0) }, "Wait"));
    assert!(matches!(read.as_slice(), [Action::Watch(_)]), "{read:?}");
    script.pass(12);
    let renew = script.step(Event::Tick);
    assert!(matches!(renew.as_slice(), [Action::Renew { lease: 99, .. }]), "{renew:?}");
}

#[test]
fn a_lease_with_a_slot_is_not_given_up_for_a_place_in_a_queue() {
    let mut script = Script::new(&["coffee", "tea"]);
    script.step(Event::Start);
    let coffee = || ("coffee".parse().unwrap(), br#"{"names":{"list":["Java"]}}"#.to_vec(), 4);
    let view = |mut view: PoolView| {
        view.specs.push(coffee());
        view
    };
    script.begun(view(tea(script.view(&[]), "Wait")));
    script.step(Event::Claimed(Script::won(7)));
    let older = Some(Ticket { revision: 20, lease: 99 });
    let found = PoolView { ticket: older, ahead: None, ..script.in_line(&ALL, 20, 0) };
    let withdraw = script.look(view(tea(found, "Wait")));
    let [Action::LeaveQueue(withdrawal)] = withdraw.as_slice() else { panic!("{withdraw:?}") };
    assert_eq!(withdrawal.ticket, Some(20));
    let read = script.step(Event::LeftQueue);
    let [Action::Read(look)] = read.as_slice() else { panic!("{read:?}") };
    assert_eq!(look.ticket, None);
}

#[test]
fn a_ticket_is_forgotten_with_its_lease() {
    let mut script = waiting(1, &ALL);
    let gone = Renewal { ttl: Duration::ZERO, read: None, ..script.renewal(0, 0) };
    let begin = script.step(Event::Renewed(gone));
    let begins = begin
        .iter()
        .any(|action| matches!(action, Action::Begin { read, .. } if read.ticket.is_none()));
    assert!(begins, "{begin:?}");
    assert_eq!(script.shown("tea").identity.rank, None);
}

#[test]
fn an_exhausted_pool_whose_rule_is_fail_refuses_at_once_and_leaves_no_ticket() {
    // Seen before joining: no ticket is made.
    let mut script = Script::new(&["tea"]);
    script.step(Event::Start);
    let fails = script.begun(tea(script.view(&ALL), "Fail"));
    let [Action::Revoke(1), Action::Finish(EndReason::Failed(sentence))] = fails.as_slice() else {
        panic!("{fails:?}")
    };
    assert!(sentence.contains("all 3 names of pool 'tea' are in use"), "{sentence}");

    // Seen in the queue: the ticket goes first. Its lease is left to run out: a younger sidecar of this
    // pod may have taken it up with the ticket.
    let mut script = joining("Fail");
    script.step(Event::Queued(Queued { revision: 20, rank: None }));
    let leaves = script.look(tea(script.in_line(&ALL, 20, 0), "Fail"));
    assert!(matches!(leaves.as_slice(), [Action::LeaveQueue(_)]), "{leaves:?}");
    let fails = script.step(Event::LeftQueue);
    let [Action::Finish(EndReason::Failed(_))] = fails.as_slice() else { panic!("{fails:?}") };
}

#[test]
fn a_failing_claim_beside_a_held_one_withdraws_its_ticket_and_retries_that() {
    let mut script = Script::new(&["coffee", "tea"]);
    script.step(Event::Start);
    let coffee = ("coffee".parse().unwrap(), br#"{"names":{"list":["Java"]}}"#.to_vec(), 4);
    let mut view = tea(script.view(&[]), "Fail");
    view.specs.push(coffee);
    script.begun(view.clone());
    script.step(Event::Claimed(Script::won(7)));
    script.look(PoolView { queued: 1, ..view.clone() });
    script.step(Event::Queued(Queued { revision: 20, rank: None }));
    let withdraw = script.look(PoolView { specs: view.specs, ..script.in_line(&ALL, 20, 1) });
    assert!(matches!(withdraw.as_slice(), [Action::LeaveQueue(_)]), "{withdraw:?}");
    script.step(Event::ClaimingFailed(Failure { lease_gone: false, message: "lost".into() }));
    script.pass(2);
    let again = script.step(Event::Tick);
    assert!(matches!(again.as_slice(), [Action::LeaveQueue(_)]), "{again:?}");
    let end = script.step(Event::LeftQueue);
    assert!(matches!(end.as_slice(), [Action::Finish(EndReason::Failed(_))]), "{end:?}");
}

#[test]
fn a_waiting_pod_that_is_stopped_withdraws_its_ticket_and_leaves_the_lease_to_whoever_took_it_up() {
    let mut idle = waiting(1, &ALL);
    let end = [Action::Finish(EndReason::Released)];
    let leaves = idle.step(Event::Terminate);
    assert!(matches!(leaves.as_slice(), [Action::LeaveQueue(_)]), "{leaves:?}");
    assert_eq!(idle.step(Event::LeftQueue), end);

    let mut busy = waiting(1, &ALL);
    busy.step(Event::Woken);
    assert_eq!(busy.step(Event::Terminate), []);
    let leaves = busy.look(tea(busy.in_line(&[], 20, 1), "Wait"));
    assert!(matches!(leaves.as_slice(), [Action::LeaveQueue(_)]), "{leaves:?}");
    assert_eq!(busy.step(Event::LeftQueue), end);
}

#[test]
fn an_attempt_without_an_answer_keeps_the_lease_but_not_the_ticket() {
    let mut script = joining("Wait");
    script.step(Event::Queued(Queued { revision: 20, rank: Some(0) }));
    script.step(Event::Past(Some(PastView::default())));
    script.step(Event::ClaimingFailed(Failure { lease_gone: false, message: "timeout".into() }));
    script.pass(2);
    let withdraw = script.step(Event::Terminate);
    let [Action::LeaveQueue(withdrawal)] = withdraw.as_slice() else { panic!("{withdraw:?}") };
    assert_eq!(withdrawal.ticket, Some(20));
    assert_eq!(script.step(Event::LeftQueue), [Action::Finish(EndReason::Released)]);
}

#[test]
fn the_watch_is_closed_when_the_wait_is_over() {
    let mut script = waiting(0, &ALL);
    // A tick, and not the watch, is what finds the name.
    script.pass(9);
    script.step(Event::Tick);
    script.step(Event::Renewed(Renewal { read: None, ..script.renewal(0, 0) }));
    script.pass(9);
    script.step(Event::Tick);
    script.step(Event::Renewed(Renewal { read: None, ..script.renewal(0, 0) }));
    script.pass(16);
    script.step(Event::Tick);
    let redeem = script.look(tea(script.in_line(&["Assam", "Ceylon"], 20, 0), "Wait"));
    assert!(matches!(redeem.as_slice(), [Action::Redeem(_)]), "{redeem:?}");
    assert_eq!(script.step(Event::Claimed(Script::won(40))), [Action::Unwatch]);
}

#[test]
fn a_name_that_a_running_pod_had_is_claimed_ahead_of_the_queue_and_without_a_ticket() {
    let mut script = Script::held(MOUNTAINS);
    script.step(Event::Renewed(Renewal { ttl: Duration::ZERO, ..script.renewal(7, 7) }));
    let claim = script.begun(PoolView { queued: 3, ..script.view(&["MtLogan"]) });
    let [Action::Claim(order)] = claim.as_slice() else { panic!("{claim:?}") };
    assert_eq!(
        (order.key.as_deref(), order.queue),
        (Some("Denali"), QueueMode::Ahead { despite_freeze: true })
    );
}
