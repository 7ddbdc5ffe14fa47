//! Apps that miss the heartbeat that they promised.

use super::*;

#[test]
fn the_slot_of_a_stop_pool_goes_into_its_quarantine_and_none_is_claimed_before_the_app_is_back() {
    let mut test = MachineTest::held(SNOWFLAKE);
    let name = test.shown(SNOWFLAKE).identity.slot.unwrap().name;
    let actions = test.step(Event::Silent(true));
    let [Action::Release(request)] = actions.as_slice() else { panic!("{actions:?}") };
    assert_eq!((&request.key, request.own_mod_revision), (&name, 7));
    // As after a force release: nothing says that the app has stopped believing.
    assert_eq!(request.quarantine, Duration::from_secs(61));
    let shown = test.shown(SNOWFLAKE).identity;
    assert_eq!((shown.state, shown.slot), (ClaimState::Waiting, None));
    assert!(shown.reason.unwrap().contains("does not call POST /v1/heartbeat"));
    assert_eq!(test.step(Event::Released(true)), []);
    test.pass(5);
    let later = test.step(Event::Tick);
    assert!(!later.iter().any(|action| matches!(action, Action::Read(_))), "{later:?}");
    let back = test.step(Event::Silent(false));
    let [Action::Read(read)] = back.as_slice() else { panic!("{back:?}") };
    assert_eq!(read.wanted.as_ref(), Some(&name), "the same name");
}

#[test]
fn the_name_of_a_keep_pool_stays() {
    let mut test = MachineTest::held(MOUNTAINS);
    assert_eq!(test.step(Event::Silent(true)), []);
    assert_eq!(test.state(MOUNTAINS), ClaimState::Held);
}

#[test]
fn a_slot_that_is_won_after_the_app_was_missed_is_given_back() {
    let mut test = MachineTest::new(&[SNOWFLAKE]);
    test.step(Event::Start);
    test.begun(test.view(&[]));
    test.step(Event::Silent(true));
    let actions = test.step(Event::Claimed(MachineTest::won(7)));
    assert!(matches!(actions.as_slice(), [Action::Release(_)]), "{actions:?}");
    assert_eq!(test.shown(SNOWFLAKE).identity.slot, None);
}

#[test]
fn a_slot_that_is_being_given_back_is_not_believed_again_when_the_app_is_back() {
    let mut test = MachineTest::held(SNOWFLAKE);
    test.step(Event::Silent(true));
    assert_eq!(test.step(Event::Silent(false)), []);
    test.step(Event::Renewed(test.renewal(7, 7)));
    assert_eq!(test.state(SNOWFLAKE), ClaimState::Waiting);
    let read = test.step(Event::Released(true));
    assert!(read.iter().any(|action| matches!(action, Action::Read(_))), "{read:?}");
}
