//! Sentences about pods with several pools that lose the name of one: two must never wait for each
//! other.

use super::*;

/// Holds the first names of a Stop pool `beans` and of `snowflake`, a later pool.
fn holding_two() -> Script {
    let mut script = Script::new(&["beans", SNOWFLAKE]);
    script.step(Event::Start);
    script.begun(with_beans(&script));
    script.step(Event::Claimed(Script::won(7)));
    script.step(Event::Viewed(Box::new(with_beans(&script))));
    script.step(Event::Claimed(Script::won(7)));
    assert_eq!(script.state(SNOWFLAKE), ClaimState::Held);
    script
}

fn with_beans(script: &Script) -> View {
    let mut view = script.view(&[]);
    let spec = br#"{"names":{"list":["mocha"]},"onLoss":"Stop","quarantine":"30s"}"#;
    view.specs.push(("beans".parse().unwrap(), spec.to_vec(), 3));
    view
}

/// A pair in which the slot of `beans` is gone.
fn beans_gone(script: &Script) -> Renewal {
    let mut renewal = script.renewal(7, 7);
    renewal.slots().push((script.slot("beans", "mocha"), None));
    renewal
}

#[test]
fn a_later_pool_is_given_back_before_an_earlier_one_is_claimed_anew() {
    let mut script = holding_two();
    let actions = script.step(Event::Renewed(beans_gone(&script)));
    let [Action::Release(surrender)] = actions.as_slice() else { panic!("{actions:?}") };
    assert_eq!(surrender.path.pool.as_str(), SNOWFLAKE);
    // As after a force release: nothing says that the app has stopped believing.
    assert_eq!(surrender.quarantine, Duration::from_secs(60));
    assert_eq!(script.shown(SNOWFLAKE).identity.slot, None);
    let look = script.step(Event::Released(true));
    let [Action::Read(look)] = look.as_slice() else { panic!("{look:?}") };
    assert_eq!(look.path.pool.as_str(), "beans");
}

#[test]
fn a_slot_is_not_believed_again_once_its_release_was_sent() {
    let mut script = holding_two();
    script.step(Event::Renewed(beans_gone(&script)));
    let trouble = Trouble { lease_gone: false, sentence: "timeout".into() };
    script.step(Event::ClaimingFailed(trouble));
    script.pass(12);
    let actions = script.step(Event::Tick);
    let [Action::Release(again), Action::Renew { slots, .. }] = actions.as_slice() else {
        panic!("{actions:?}")
    };
    assert_eq!((again.path.pool.as_str(), slots.len()), (SNOWFLAKE, 0));
    script.step(Event::Renewed(script.renewal(7, 7)));
    assert_eq!(script.state(SNOWFLAKE), ClaimState::Waiting);
}

#[test]
fn a_lost_name_of_a_later_pool_leaves_the_earlier_one_alone() {
    let mut script = holding_two();
    let mut renewal = script.renewal(7, 7);
    renewal.slots().iter_mut().for_each(|(_, seen)| *seen = None);
    renewal.slots().push((script.slot("beans", "mocha"), Script::seen(7, 7)));
    let actions = script.step(Event::Renewed(renewal));
    assert!(matches!(actions.as_slice(), [Action::Read(_)]), "{actions:?}");
    assert_eq!(script.state("beans"), ClaimState::Held);
}

#[test]
fn a_name_of_a_later_keep_pool_is_lost_alone() {
    let mut script = Script::new(&[MOUNTAINS, SNOWFLAKE]);
    script.step(Event::Start);
    script.begun(script.view(&[]));
    script.step(Event::Claimed(Script::won(7)));
    script.step(Event::Viewed(Box::new(script.view(&[]))));
    script.step(Event::Claimed(Script::won(7)));
    let mut renewal = script.renewal(7, 7);
    renewal.slots()[0].1 = None;
    assert_eq!(script.step(Event::Renewed(renewal)), []);
    assert_eq!(script.state(MOUNTAINS), ClaimState::Lost);
    assert_eq!(script.state(SNOWFLAKE), ClaimState::Held);
}

#[test]
fn claims_of_stop_pools_whose_deadline_has_passed_are_left_to_run_out() {
    let mut script = holding_two();
    script.pass(31);
    let released = script.step(Event::Terminate);
    assert!(matches!(released.as_slice(), [Action::Finish(Outcome::Released)]), "{released:?}");
}
