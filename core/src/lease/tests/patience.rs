//! How long a request may take.

use super::*;
use crate::time_limits::TimeLimits;

const SHORT: TimeLimits = TimeLimits::fixed(Duration::from_secs(5));

#[test]
fn a_pod_without_a_claim_waits_longer_than_etcd_itself_after_a_member_that_did_not_answer() {
    let mut test = MachineTest::new(&[MOUNTAINS]);
    let patient = TimeLimits { longest: Duration::from_secs(10), ..SHORT };
    test.step(Event::Start);
    assert_eq!(test.machine.time_limits(), patient, "etcd gives a request up after 7 s");
    test.begun(test.view(&[]));
    assert_eq!(test.machine.time_limits(), patient);
}

#[test]
fn who_has_a_claim_or_has_had_one_or_gives_up_asks_the_next_member_in_time() {
    let mut ending = MachineTest::new(&[MOUNTAINS]);
    ending.step(Event::Start);
    ending.step(Event::Terminate);
    let mut releasing = MachineTest::held(MOUNTAINS);
    releasing.step(Event::Terminate);
    releasing.step(Event::Released(true));
    let (held, inheriting) = (MachineTest::held(MOUNTAINS), MachineTest::inheriting(SNOWFLAKE));
    for test in [ending, releasing, held, inheriting] {
        assert_eq!(test.machine.time_limits(), SHORT);
    }
}

#[test]
fn a_claim_that_is_answered_after_its_deadline_is_not_shown_as_lost_but_waits_for_a_renewal() {
    let mut test = MachineTest::new(&[MOUNTAINS]);
    test.step(Event::Start);
    test.begun(test.view(&[]));
    test.pass(31);
    let actions = test.step(Event::Claimed(MachineTest::won(7)));
    assert_eq!(test.state(MOUNTAINS), ClaimState::Waiting);
    assert!(actions.iter().any(|action| matches!(action, Action::Renew { .. })), "{actions:?}");
}

#[test]
fn a_store_that_is_away_is_asked_less_and_often_enough_before_the_deadline() {
    let tries = renewals(&mut MachineTest::held(MOUNTAINS), 29, false);
    assert!((7..=10).contains(&tries.len()), "{tries:?}");
    assert!(tries.windows(2).all(|pair| pair[1] - pair[0] <= 3), "{tries:?}");
}

#[test]
fn a_store_that_cannot_keep_up_is_asked_little_more_than_without_failures() {
    let tries = renewals(&mut MachineTest::held(MOUNTAINS), 29, true);
    assert!((4..=5).contains(&tries.len()), "{tries:?}");
    assert!(tries.windows(2).all(|pair| (4..=7).contains(&(pair[1] - pair[0]))), "{tries:?}");
}

#[test]
fn without_a_slot_the_lease_is_renewed_half_as_often_and_at_once_when_there_is_one() {
    let mut test = MachineTest::new(&[MOUNTAINS]);
    test.step(Event::Start);
    test.begun(test.view(&[]));
    test.pass(16);
    let actions = test.step(Event::Tick);
    assert!(!actions.iter().any(|action| matches!(action, Action::Renew { .. })), "{actions:?}");
    let actions = test.step(Event::Claimed(MachineTest::won(7)));
    assert!(actions.iter().any(|action| matches!(action, Action::Renew { .. })), "{actions:?}");
}

#[test]
fn a_store_that_was_slow_to_answer_is_asked_later_and_still_three_times_before_the_deadline() {
    for (took, first) in [(0, 9..=11), (1, 14..=17)] {
        let mut test = MachineTest::new(&[MOUNTAINS]);
        test.step(Event::Start);
        let granted = Granted { sent: test.now().boot, lease: 1, ttl: Duration::from_secs(61) };
        test.pass(took);
        test.step(Event::Begun(granted, Box::new(test.view(&[]))));
        test.step(Event::Claimed(MachineTest::won(7)));
        let tries = renewals(&mut test, 29 - took, true);
        assert!(first.contains(&(tries[0] + took)), "after {took} s: {tries:?}");
        assert!(tries.len() >= 3, "after {took} s: {tries:?}");
    }
}

#[test]
fn a_store_that_is_fast_again_is_asked_as_often_as_before() {
    let mut test = MachineTest::held(MOUNTAINS);
    let slow = test.renewal(7, 7);
    test.pass(1);
    test.step(Event::Renewed(slow));
    assert!(renewals(&mut test, 12, false).is_empty(), "it was sent a second ago");
    test.step(Event::Renewed(test.renewal(7, 7)));
    assert!(!renewals(&mut test, 11, false).is_empty());
}

/// The seconds, of so many, in which a renewal is sent, when each of them fails.
fn renewals(test: &mut MachineTest, seconds: u64, overloaded: bool) -> Vec<u64> {
    let mut tries = Vec::new();
    for second in 1..=seconds {
        test.pass(1);
        let actions = test.step(Event::Tick);
        if actions.iter().any(|action| matches!(action, Action::Renew { .. })) {
            tries.push(second);
            test.step(Event::RenewingFailed { overloaded });
        }
    }
    tries
}
