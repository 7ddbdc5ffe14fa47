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
    let tries = renewals(MachineTest::held(MOUNTAINS), false);
    assert!((7..=10).contains(&tries.len()), "{tries:?}");
    assert!(tries.windows(2).all(|pair| pair[1] - pair[0] <= 3), "{tries:?}");
}

#[test]
fn a_store_that_cannot_keep_up_is_asked_little_more_than_without_failures() {
    let tries = renewals(MachineTest::held(MOUNTAINS), true);
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

/// The seconds until the deadline in which a renewal is sent, when each of them fails.
fn renewals(mut test: MachineTest, overloaded: bool) -> Vec<u64> {
    let mut tries = Vec::new();
    for second in 1..30 {
        test.pass(1);
        let actions = test.step(Event::Tick);
        if actions.iter().any(|action| matches!(action, Action::Renew { .. })) {
            tries.push(second);
            test.step(Event::RenewingFailed { overloaded });
        }
    }
    tries
}
