//! What a claim reads: lists of slots only when it may use them.

use super::*;

fn asks(actions: &[Action]) -> Option<bool> {
    actions.iter().find_map(|action| match action {
        Action::Read(read) | Action::Begin { read, .. } => Some(read.lists),
        _ => None,
    })
}

fn without_lists(view: PoolView) -> PoolView {
    PoolView { without_lists: true, held: HashSet::new(), ..view }
}

#[test]
fn a_pod_that_found_others_waiting_joins_them_without_a_list_of_the_slots() {
    let mut test = MachineTest::new(&[MOUNTAINS]);
    assert_eq!(asks(&test.step(Event::Start)), Some(true));
    let crowd = PoolView { queued: 3, ..test.view(&[]) };
    let [Action::Claim(first)] = &test.begun(crowd.clone())[..] else { panic!("no request") };
    assert_eq!(first.key, None);
    // Its answer is lost, and the next read needs no lists.
    test.step(Event::ClaimingFailed(Failure { lease_gone: false, message: "slow".into() }));
    test.pass(5);
    assert_eq!(asks(&test.step(Event::Tick)), Some(false));
    let again = test.step(Event::Viewed(Box::new(without_lists(crowd))));
    let [Action::Claim(again)] = &again[..] else { panic!("no request: {again:?}") };
    assert_eq!(again.key, None);
}

#[test]
fn when_nobody_waits_any_more_the_slots_are_read_before_anything_is_claimed() {
    let mut test = MachineTest::new(&[MOUNTAINS]);
    test.step(Event::Start);
    test.begun(PoolView { queued: 3, ..test.view(&[]) });
    test.step(Event::Conflict);
    test.pass(5);
    assert_eq!(asks(&test.step(Event::Tick)), Some(false));
    let calm = without_lists(test.view(&[]));
    assert_eq!(asks(&test.step(Event::Viewed(Box::new(calm)))), Some(true));
    let [Action::Claim(claim)] = &test.step(Event::Viewed(Box::new(test.view(&[]))))[..] else {
        panic!("no request")
    };
    assert!(claim.key.is_some());
}

#[test]
fn before_its_spec_is_known_the_slots_of_a_pool_are_not_read() {
    let mut test = MachineTest::new(&["tea"]);
    assert_eq!(asks(&test.step(Event::Start)), Some(false));
}
