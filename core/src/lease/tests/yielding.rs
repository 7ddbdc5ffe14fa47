//! Sentences about pods with several pools that lose the name of one: two must never wait for each
//! other.

use super::*;

const BEANS: &str = "beans";
const TEA: &str = "tea";

/// Holds the first names of `beans` and of `tea`, a later pool.
fn holding_two() -> Script {
    let mut script = Script::new(&[BEANS, TEA]);
    script.step(Event::Start);
    script.begun(view(&script));
    script.step(Event::Claimed(Script::won(7)));
    script.step(Event::Viewed(Box::new(view(&script))));
    script.step(Event::Claimed(Script::won(7)));
    assert_eq!(script.state(TEA), ClaimState::Held);
    script
}

fn view(script: &Script) -> View {
    let mut view = script.view(&[]);
    for pool in [BEANS, TEA] {
        let spec = br#"{"names":{"list":["mocha"]},"onLoss":"Stop","quarantine":"30s"}"#;
        view.specs.push((pool.parse().unwrap(), spec.to_vec(), 3));
    }
    view
}

/// A pair in which only the slot of this pool is still there.
fn only(script: &Script, kept: &str) -> Renewal {
    let mut renewal = script.renewal(7, 7);
    *renewal.slots() = [BEANS, TEA]
        .map(|pool| {
            let seen = Script::seen(7, 7).filter(|_| pool == kept);
            (script.slot(pool, "mocha"), seen)
        })
        .to_vec();
    renewal
}

#[test]
fn a_later_pool_is_given_back_before_an_earlier_one_is_claimed_anew() {
    let mut script = holding_two();
    let actions = script.step(Event::Renewed(only(&script, TEA)));
    let [Action::Release(surrender)] = actions.as_slice() else { panic!("{actions:?}") };
    assert_eq!(surrender.path.pool.as_str(), TEA);
    // As after a force release: nothing says that the app has stopped believing.
    assert_eq!(surrender.quarantine, Duration::from_secs(60));
    assert_eq!(script.shown(TEA).identity.slot, None);
    let look = script.step(Event::Released(true));
    let [Action::Read(look)] = look.as_slice() else { panic!("{look:?}") };
    assert_eq!(look.path.pool.as_str(), BEANS);
}

#[test]
fn a_slot_is_not_believed_again_once_its_release_was_sent() {
    let mut script = holding_two();
    script.step(Event::Renewed(only(&script, TEA)));
    let trouble = Trouble { lease_gone: false, sentence: "timeout".into() };
    script.step(Event::ClaimingFailed(trouble));
    script.pass(12);
    let actions = script.step(Event::Tick);
    let [Action::Release(again), Action::Renew { slots, .. }] = actions.as_slice() else {
        panic!("{actions:?}")
    };
    assert_eq!((again.path.pool.as_str(), slots.len()), (TEA, 0));
    script.step(Event::Renewed(script.renewal(7, 7)));
    assert_eq!(script.state(TEA), ClaimState::Waiting);
}

#[test]
fn a_lost_name_of_a_later_pool_leaves_the_earlier_one_alone() {
    let mut script = holding_two();
    let actions = script.step(Event::Renewed(only(&script, BEANS)));
    assert!(matches!(actions.as_slice(), [Action::Read(_)]), "{actions:?}");
    assert_eq!(script.state(BEANS), ClaimState::Held);
}

#[test]
fn a_lost_name_of_a_keep_pool_gives_nothing_else_back() {
    let mut script = Script::new(&[MOUNTAINS, SNOWFLAKE]);
    script.step(Event::Start);
    script.begun(script.view(&[]));
    script.step(Event::Claimed(Script::won(7)));
    script.step(Event::Viewed(Box::new(script.view(&[]))));
    script.step(Event::Claimed(Script::won(7)));
    let mut renewal = script.renewal(7, 7);
    renewal.slots()[0].1 = None;
    let actions = script.step(Event::Renewed(renewal));
    assert!(!actions.iter().any(|action| matches!(action, Action::Release(_))), "{actions:?}");
    assert_eq!(script.state(MOUNTAINS), ClaimState::Lost);
}

#[test]
fn claims_of_stop_pools_whose_deadline_has_passed_are_left_to_run_out() {
    let mut script = holding_two();
    script.pass(31);
    let released = script.step(Event::Terminate);
    assert!(matches!(released.as_slice(), [Action::Finish(Outcome::Released)]), "{released:?}");
}
