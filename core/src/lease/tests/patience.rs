//! How long a request may take.

use super::*;

fn failed() -> Event {
    Event::ClaimingFailed(Failure { lease_gone: false, message: "no answer".into() })
}

#[test]
fn a_pod_without_a_claim_waits_longer_than_etcd_itself_and_twice_as_long_after_each_failure() {
    let mut test = MachineTest::new(&[MOUNTAINS]);
    let seconds = |test: &MachineTest| test.machine.request_timeout().as_secs();
    test.step(Event::Start);
    assert_eq!(seconds(&test), 10, "etcd gives a request up after 7 s");
    for expected in [20, 40, 40] {
        test.step(failed());
        assert_eq!(seconds(&test), expected);
    }
    // One answer does not make the store quick.
    test.pass(20);
    test.step(Event::Tick);
    test.begun(test.view(&[]));
    assert_eq!(seconds(&test), 40);
}

#[test]
fn who_has_a_claim_or_has_had_one_asks_the_next_member_in_time() {
    for test in [MachineTest::held(MOUNTAINS), MachineTest::inheriting(SNOWFLAKE)] {
        assert_eq!(test.machine.request_timeout(), Duration::from_secs(5));
    }
}

#[test]
fn a_store_that_fails_renewals_quickly_is_asked_less_and_often_enough_before_the_deadline() {
    let mut test = MachineTest::held(MOUNTAINS);
    let mut tries = Vec::new();
    for second in 1..30 {
        test.pass(1);
        let actions = test.step(Event::Tick);
        if actions.iter().any(|action| matches!(action, Action::Renew { .. })) {
            tries.push(second);
            test.step(Event::RenewingFailed);
        }
    }
    assert!((4..=7).contains(&tries.len()), "{tries:?}");
    assert!(tries.windows(2).all(|pair| pair[1] - pair[0] <= 6), "{tries:?}");
}
