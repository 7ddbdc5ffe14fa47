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

fn view(script: &Script) -> PoolView {
    let mut view = PoolView { revision: 60, ..script.view(&[]) };
    for pool in [BEANS, TEA] {
        let spec = br#"{"names":{"list":["mocha"]},"onLoss":"Stop","quarantine":"30s"}"#;
        view.specs.push((pool.parse().unwrap(), spec.to_vec(), 3));
    }
    view
}

/// A pair in which only the slot of this pool is still there.
fn only(script: &Script, kept: &str) -> Renewal {
    let mut renewal = script.renewal(7, 7);
    renewal.proof().revision = 60;
    *renewal.slots() = [BEANS, TEA]
        .map(|pool| {
            let seen = Script::seen(7, 7).filter(|_| pool == kept);
            (script.slot(pool, "mocha"), seen)
        })
        .to_vec();
    renewal
}

/// The one name of both pools is another pod's.
fn exhausted(script: &Script) -> PoolView {
    PoolView { held: HashSet::from(["mocha".to_owned()]), ..view(script) }
}

/// Has lost `beans`, found nothing free, and gives `tea` back.
fn yielding() -> (Script, Vec<Action>) {
    let mut script = holding_two();
    let look = script.step(Event::Renewed(only(&script, TEA)));
    assert!(matches!(look.as_slice(), [Action::Read(_)]), "{look:?}");
    let actions = script.step(Event::Viewed(Box::new(exhausted(&script))));
    (script, actions)
}

#[test]
fn a_later_pool_is_given_back_before_an_earlier_one_is_waited_for() {
    let (mut script, actions) = yielding();
    let [Action::Release(surrender)] = actions.as_slice() else { panic!("{actions:?}") };
    assert_eq!(surrender.path.pool.as_str(), TEA);
    // As after a force release: nothing says that the app has stopped believing.
    assert_eq!(surrender.quarantine, Duration::from_secs(61));
    assert_eq!(script.shown(TEA).identity.slot, None);
    let look = script.step(Event::Released(true));
    let [Action::Read(look)] = look.as_slice() else { panic!("{look:?}") };
    assert_eq!(look.path.pool.as_str(), BEANS);
}

#[test]
fn with_a_name_free_nothing_is_given_back() {
    let mut script = holding_two();
    script.step(Event::Renewed(only(&script, TEA)));
    let claim = script.step(Event::Viewed(Box::new(view(&script))));
    let [Action::Claim(order)] = claim.as_slice() else { panic!("{claim:?}") };
    assert_eq!(order.path.pool.as_str(), BEANS);
    assert_eq!(script.state(TEA), ClaimState::Held);
}

#[test]
fn a_later_pool_that_is_won_after_the_loss_is_given_back_as_well() {
    let mut script = Script::new(&[BEANS, TEA]);
    script.step(Event::Start);
    script.begun(view(&script));
    script.step(Event::Claimed(Script::won(7)));
    script.step(Event::Viewed(Box::new(view(&script))));
    // The claim of the later pool is under way while a pair shows the earlier one gone.
    script.pass(11);
    script.step(Event::Tick);
    script.step(Event::Renewed(only(&script, TEA)));
    let look = script.step(Event::Claimed(Script::won(7)));
    let [Action::Read(look)] = look.as_slice() else { panic!("{look:?}") };
    assert_eq!(look.path.pool.as_str(), BEANS);
    let actions = script.step(Event::Viewed(Box::new(exhausted(&script))));
    assert!(matches!(actions.as_slice(), [Action::Release(_)]), "{actions:?}");
}

#[test]
fn a_slot_is_not_believed_again_once_its_release_was_sent() {
    let (mut script, _) = yielding();
    let failure = Failure { lease_gone: false, message: "timeout".into() };
    script.step(Event::ClaimingFailed(failure));
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
fn a_lease_on_which_something_is_being_given_back_is_not_given_up_for_a_longer_one() {
    let (mut script, _) = yielding();
    script.step(Event::Released(false));
    let mut longer = exhausted(&script);
    for spec in &mut longer.specs {
        spec.1 = br#"{"names":{"list":["mocha"]},"onLoss":"Stop","validity":"200s"}"#.to_vec();
    }
    // The release was refused, so nothing is known to hang on the lease: now it may go.
    let actions = script.step(Event::Viewed(Box::new(longer.clone())));
    assert!(matches!(actions.first(), Some(Action::Revoke(1))), "{actions:?}");
    let (mut script, _) = yielding();
    let late = script.step(Event::Viewed(Box::new(longer)));
    assert!(!late.iter().any(|action| matches!(action, Action::Revoke(_))), "{late:?}");
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
    assert!(matches!(released.as_slice(), [Action::Finish(EndReason::Released)]), "{released:?}");
}
