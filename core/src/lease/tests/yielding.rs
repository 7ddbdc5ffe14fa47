//! Pods with several pools that lose the name of one: two pods must never wait for each other.

use super::*;

const BEANS: &str = "beans";
const TEA: &str = "tea";

/// Holds the first names of `beans` and of `tea`, a later pool.
fn holding_two() -> MachineTest {
    let mut test = MachineTest::new(&[BEANS, TEA]);
    test.step(Event::Start);
    test.begun(view(&test));
    test.step(Event::Claimed(MachineTest::won(7)));
    test.step(Event::Viewed(Box::new(view(&test))));
    test.step(Event::Claimed(MachineTest::won(7)));
    assert_eq!(test.state(TEA), ClaimState::Held);
    test
}

fn view(test: &MachineTest) -> PoolView {
    let mut view = PoolView { revision: 60, ..test.view(&[]) };
    for pool in [BEANS, TEA] {
        let spec = br#"{"names":{"list":["mocha"]},"onLoss":"Stop","quarantine":"30s"}"#;
        view.specs.push((pool.parse().unwrap(), spec.to_vec(), 3));
    }
    view
}

/// A pair in which only the slot of this pool is still there.
fn only(test: &MachineTest, kept: &str) -> Renewal {
    let mut renewal = test.renewal(7, 7);
    renewal.proof().revision = 60;
    *renewal.slots() = [BEANS, TEA]
        .map(|pool| {
            let seen = MachineTest::seen(7, 7).filter(|_| pool == kept);
            (test.slot(pool, "mocha"), seen)
        })
        .to_vec();
    renewal
}

/// The one name of both pools is another pod's.
fn exhausted(test: &MachineTest) -> PoolView {
    PoolView { held: HashSet::from(["mocha".to_owned()]), ..view(test) }
}

/// Has lost `beans`, found nothing free, and gives `tea` back.
fn yielding() -> (MachineTest, Vec<Action>) {
    let mut test = holding_two();
    let read = test.step(Event::Renewed(only(&test, TEA)));
    assert!(matches!(read.as_slice(), [Action::Read(_)]), "{read:?}");
    let actions = test.step(Event::Viewed(Box::new(exhausted(&test))));
    (test, actions)
}

#[test]
fn a_later_pool_is_given_back_before_an_earlier_one_is_waited_for() {
    let (mut test, actions) = yielding();
    let [Action::Release(request)] = actions.as_slice() else { panic!("{actions:?}") };
    assert_eq!(request.path.pool.as_str(), TEA);
    // As after a force release: nothing says that the app has stopped believing.
    assert_eq!(request.quarantine, Duration::from_secs(61));
    assert_eq!(test.shown(TEA).identity.slot, None);
    let read = test.step(Event::Released(true));
    let [Action::Read(read)] = read.as_slice() else { panic!("{read:?}") };
    assert_eq!(read.path.pool.as_str(), BEANS);
}

#[test]
fn with_a_name_free_nothing_is_given_back() {
    let mut test = holding_two();
    test.step(Event::Renewed(only(&test, TEA)));
    let claim = test.step(Event::Viewed(Box::new(view(&test))));
    let [Action::Claim(request)] = claim.as_slice() else { panic!("{claim:?}") };
    assert_eq!(request.path.pool.as_str(), BEANS);
    assert_eq!(test.state(TEA), ClaimState::Held);
}

#[test]
fn a_later_pool_that_is_won_after_the_loss_is_given_back_as_well() {
    let mut test = MachineTest::new(&[BEANS, TEA]);
    test.step(Event::Start);
    test.begun(view(&test));
    test.step(Event::Claimed(MachineTest::won(7)));
    test.step(Event::Viewed(Box::new(view(&test))));
    // The claim of the later pool is under way while a pair shows the earlier one gone.
    test.pass(11);
    test.step(Event::Tick);
    test.step(Event::Renewed(only(&test, TEA)));
    let read = test.step(Event::Claimed(MachineTest::won(7)));
    let [Action::Read(read)] = read.as_slice() else { panic!("{read:?}") };
    assert_eq!(read.path.pool.as_str(), BEANS);
    let actions = test.step(Event::Viewed(Box::new(exhausted(&test))));
    assert!(matches!(actions.as_slice(), [Action::Release(_)]), "{actions:?}");
}

#[test]
fn a_slot_is_not_believed_again_once_its_release_was_sent() {
    let (mut test, _) = yielding();
    let failure = Failure { lease_gone: false, message: "timeout".into() };
    test.step(Event::ClaimingFailed(failure));
    test.pass(12);
    let actions = test.step(Event::Tick);
    let [Action::Release(again), Action::Renew { slots, .. }] = actions.as_slice() else {
        panic!("{actions:?}")
    };
    assert_eq!((again.path.pool.as_str(), slots.len()), (TEA, 0));
    test.step(Event::Renewed(test.renewal(7, 7)));
    assert_eq!(test.state(TEA), ClaimState::Waiting);
}

#[test]
fn a_lease_on_which_something_is_being_given_back_is_not_given_up_for_a_longer_one() {
    let (mut test, _) = yielding();
    test.step(Event::Released(false));
    let mut longer = exhausted(&test);
    for spec in &mut longer.specs {
        spec.1 = br#"{"names":{"list":["mocha"]},"onLoss":"Stop","validity":"200s"}"#.to_vec();
    }
    // The release was refused, so nothing is known to hang on the lease: now it may go.
    let actions = test.step(Event::Viewed(Box::new(longer.clone())));
    assert!(matches!(actions.first(), Some(Action::Revoke(1))), "{actions:?}");
    let (mut test, _) = yielding();
    let late = test.step(Event::Viewed(Box::new(longer)));
    assert!(!late.iter().any(|action| matches!(action, Action::Revoke(_))), "{late:?}");
}

#[test]
fn a_lost_name_of_a_later_pool_leaves_the_earlier_one_alone() {
    let mut test = holding_two();
    let actions = test.step(Event::Renewed(only(&test, BEANS)));
    assert!(matches!(actions.as_slice(), [Action::Read(_)]), "{actions:?}");
    assert_eq!(test.state(BEANS), ClaimState::Held);
}

#[test]
fn a_lost_name_of_a_keep_pool_gives_nothing_else_back() {
    let mut test = MachineTest::new(&[MOUNTAINS, SNOWFLAKE]);
    test.step(Event::Start);
    test.begun(test.view(&[]));
    test.step(Event::Claimed(MachineTest::won(7)));
    test.step(Event::Viewed(Box::new(test.view(&[]))));
    test.step(Event::Claimed(MachineTest::won(7)));
    let mut renewal = test.renewal(7, 7);
    renewal.slots()[0].1 = None;
    let actions = test.step(Event::Renewed(renewal));
    assert!(!actions.iter().any(|action| matches!(action, Action::Release(_))), "{actions:?}");
    assert_eq!(test.state(MOUNTAINS), ClaimState::Lost);
}

#[test]
fn claims_of_stop_pools_whose_deadline_has_passed_are_left_to_run_out() {
    let mut test = holding_two();
    test.pass(31);
    let released = test.step(Event::Terminate);
    assert!(matches!(released.as_slice(), [Action::Finish(EndReason::Released)]), "{released:?}");
}
