//! What a renew pair does not prove: wiped and restored stores, clocks that jump.

use super::*;

/// A pair in which every slot was seen so.
fn pair(test: &MachineTest, change: impl Fn(&mut SeenSlot)) -> Renewal {
    let mut renewal = test.renewal(7, 7);
    renewal.slots().iter_mut().filter_map(|(_, seen)| seen.as_mut()).for_each(change);
    renewal
}

#[test]
fn the_same_revisions_under_another_pod_are_another_claim() {
    let mut test = MachineTest::held(SNOWFLAKE);
    test.step(Event::Renewed(pair(&test, |seen| seen.uid = "u2".into())));
    assert_eq!(test.state(SNOWFLAKE), ClaimState::Waiting);
    assert_eq!(test.shown(SNOWFLAKE).identity.slot, None);
}

#[test]
fn the_same_revisions_put_by_another_process_of_this_pod_fence_this_one() {
    let mut test = MachineTest::held(SNOWFLAKE);
    let actions = test.step(Event::Renewed(pair(&test, |seen| seen.nonce = "younger".into())));
    assert!(matches!(actions.as_slice(), [Action::Finish(EndReason::Fenced(_))]), "{actions:?}");
}

#[test]
fn during_a_freeze_a_belief_that_never_ended_goes_on() {
    let mut test = MachineTest::held(SNOWFLAKE);
    test.pass(20);
    let mut renewal = test.renewal(7, 7);
    renewal.proof().frozen_pools.push(SNOWFLAKE.parse().unwrap());
    test.step(Event::Renewed(renewal));
    test.pass(20);
    assert_eq!(test.state(SNOWFLAKE), ClaimState::Held);
}

#[test]
fn a_belief_that_has_ended_does_not_begin_again_before_the_freeze_is_over() {
    let mut test = MachineTest::held(SNOWFLAKE);
    test.pass(31);
    let mut renewal = test.renewal(7, 7);
    renewal.proof().frozen_pools.push(SNOWFLAKE.parse().unwrap());
    let actions = test.step(Event::Renewed(renewal));
    let hurried = actions.iter().any(|action| matches!(action, Action::Renew { .. }));
    assert!(!hurried, "a stream of renewals during the freeze: {actions:?}");
    assert_eq!(test.state(SNOWFLAKE), ClaimState::Lost);
    assert!(test.shown(SNOWFLAKE).identity.reason.unwrap().contains("wiped or restored"));
    test.pass(11);
    test.step(Event::Renewed(test.renewal(7, 7)));
    assert_eq!(test.state(SNOWFLAKE), ClaimState::Held);
}

#[test]
fn during_a_freeze_an_adoption_is_not_proved() {
    let mut test = MachineTest::new(&[MOUNTAINS]);
    test.step(Event::Start);
    let mut view = test.view(&["Denali"]);
    view.owners.push(test.owner(MOUNTAINS, "Denali", "older"));
    let resume = test.begun(view);
    let [Action::Resume { slots, .. }] = resume.as_slice() else { panic!("{resume:?}") };
    test.step(Event::Resumed(test.resumed(slots, 99)));
    test.step(Event::Adopted(Adopted { own_mod_revision: 12, clock: None }));
    let mut renewal = Renewal { lease: 99, ..test.renewal(7, 12) };
    renewal.proof().frozen_pools.push(MOUNTAINS.parse().unwrap());
    assert_eq!(test.step(Event::Renewed(renewal)), []);
    assert_eq!(test.state(MOUNTAINS), ClaimState::Waiting);
    test.pass(11);
    test.step(Event::Renewed(Renewal { lease: 99, ..test.renewal(7, 12) }));
    assert_eq!(test.state(MOUNTAINS), ClaimState::Held);
}

#[test]
fn a_store_that_went_back_proves_nothing_until_it_has_a_new_epoch() {
    let mut test = MachineTest::held(SNOWFLAKE);
    let seen_at = |test: &MachineTest, epoch, revision| {
        let mut renewal = test.renewal(7, 7);
        *renewal.proof() = SlotsRead { epoch: Some(epoch), revision, ..renewal.proof().clone() };
        renewal
    };
    test.step(Event::Tick);
    test.step(Event::Renewed(seen_at(&test, 5, 900)));
    for _ in 0..4 {
        test.pass(10);
        test.step(Event::Tick);
        test.step(Event::Renewed(seen_at(&test, 5, 800)));
    }
    assert_eq!(test.state(SNOWFLAKE), ClaimState::Lost);
    let reason = test.shown(SNOWFLAKE).identity.reason.unwrap();
    assert!(reason.contains("from revision 900 to 800"), "{reason}");
    assert!(reason.contains("cairn admin restored"), "{reason}");
    test.pass(2);
    test.step(Event::Tick);
    test.step(Event::Renewed(seen_at(&test, 6, 801)));
    assert_eq!(test.state(SNOWFLAKE), ClaimState::Held);
}

#[test]
fn an_answer_that_was_overtaken_by_a_later_one_is_no_store_that_went_back() {
    let mut test = MachineTest::new(&[SNOWFLAKE, MOUNTAINS]);
    test.step(Event::Start);
    test.begun(PoolView { revision: 31, ..test.view(&[]) });
    test.step(Event::Claimed(MachineTest::won(7)));
    // The read for the second pool is under way while a renewal answers from a later revision.
    test.pass(11);
    test.step(Event::Tick);
    let mut renewal = test.renewal(7, 7);
    renewal.proof().revision = 50;
    test.step(Event::Renewed(renewal));
    let claim = test.step(Event::Viewed(Box::new(PoolView { revision: 40, ..test.view(&[]) })));
    assert!(matches!(claim.as_slice(), [Action::Claim(_)]), "{claim:?}");
}

#[test]
fn a_waiting_pod_claims_nothing_in_a_store_that_went_back() {
    let mut test = MachineTest::held(MOUNTAINS);
    test.pass(31);
    test.step(Event::Renewed(Renewal { ttl: Duration::ZERO, ..test.renewal(7, 7) }));
    test.begun(PoolView { revision: 60, frozen: true, ..test.view(&[]) });
    test.pass(2);
    test.step(Event::Tick);
    let actions = test.step(Event::Viewed(Box::new(PoolView { revision: 59, ..test.view(&[]) })));
    assert_eq!(actions, []);
}

#[test]
fn a_clock_that_jumps_ends_the_belief_until_a_pair_sent_afterwards() {
    for jump in [11, -11, 86_400] {
        let mut test = MachineTest::held(SNOWFLAKE);
        let under_way = test.renewal(7, 7);
        test.step(Event::Tick);
        test.set_clock(jump);
        test.pass_millis(1);
        let pair = test.step(Event::Tick);
        assert!(matches!(pair.as_slice(), [Action::Renew { .. }]), "{pair:?}");
        assert_eq!(test.state(SNOWFLAKE), ClaimState::Lost, "{jump}");
        let again = test.step(Event::Renewed(under_way));
        assert_eq!(test.state(SNOWFLAKE), ClaimState::Lost, "{jump}");
        assert!(matches!(again.as_slice(), [Action::Renew { .. }]), "{again:?}");
        test.step(Event::Renewed(test.renewal(7, 7)));
        assert_eq!(test.state(SNOWFLAKE), ClaimState::Held, "{jump}");
    }
}

#[test]
fn a_clock_that_is_slewed_a_little_changes_nothing() {
    let mut test = MachineTest::held(SNOWFLAKE);
    for _ in 0..9 {
        test.set_clock(1);
        assert_eq!(test.step(Event::Tick), []);
        assert_eq!(test.state(SNOWFLAKE), ClaimState::Held);
    }
}

#[test]
fn what_an_older_lease_says_after_the_change_of_leases_is_nothing() {
    let mut test = MachineTest::held(SNOWFLAKE);
    test.step(Event::Renewed(Renewal { lease: 98, ttl: Duration::ZERO, ..test.renewal(7, 7) }));
    assert_eq!(test.state(SNOWFLAKE), ClaimState::Held);
    test.pass(20);
    test.step(Event::Renewed(Renewal { lease: 98, ..test.renewal(7, 7) }));
    test.pass(11);
    assert_eq!(test.state(SNOWFLAKE), ClaimState::Lost);
}

#[test]
fn in_a_wiped_store_a_pod_that_still_believes_claims_its_name_again() {
    for (passed, claims) in [(29, true), (31, false)] {
        let mut test = MachineTest::held(MOUNTAINS);
        test.step(Event::Renewed(Renewal { ttl: Duration::ZERO, ..test.renewal(7, 7) }));
        test.pass(passed);
        let view = PoolView { revision: 2, epoch: Some(6), frozen: true, ..test.view(&[]) };
        let actions = test.begun(view);
        let despite_freeze = match actions.as_slice() {
            [Action::Claim(request)] => request.queue == QueueMode::Ahead { despite_freeze: true },
            _ => false,
        };
        assert_eq!(despite_freeze, claims, "{passed} s: {actions:?}");
    }
}

#[test]
fn an_attempt_found_during_a_freeze_is_not_believed_before_a_renewal_after_it() {
    let mut test = MachineTest::unanswered();
    let mut view = PoolView { frozen: true, ..test.view(&["Denali"]) };
    view.owners.push(FoundOwner { lease: 1, ..test.owner(MOUNTAINS, "Denali", "nonce") });
    let actions = test.step(Event::Viewed(Box::new(view)));
    assert!(matches!(actions.as_slice(), [Action::Renew { .. }]), "{actions:?}");
    assert_eq!(test.state(MOUNTAINS), ClaimState::Waiting);
    test.step(Event::Renewed(test.renewal(7, 7)));
    assert_eq!(test.state(MOUNTAINS), ClaimState::Held);
}

#[test]
fn a_pod_that_claims_past_a_quarantine_note_settles_it_afterwards() {
    let mut test = MachineTest::new(&[MOUNTAINS]);
    test.step(Event::Start);
    let gone = HashSet::from(["Denali".to_owned()]);
    let unsettled = vec!["Denali".to_owned()];
    let claim = test.begun(PoolView { unsettled, quarantined: gone, ..test.view(&[]) });
    let [Action::Claim(request)] = claim.as_slice() else { panic!("{claim:?}") };
    assert_eq!((request.key.as_deref(), request.note), (Some("MtLogan"), 0));
    let chore = test.step(Event::Claimed(MachineTest::won(7)));
    let [Action::Settle(request)] = chore.as_slice() else { panic!("{chore:?}") };
    assert_eq!(request.keys, ["Denali"]);
    assert_eq!(test.step(Event::Settled), []);
}

#[test]
fn a_keep_claim_ignores_its_own_quarantine_note_but_not_another_pods() {
    for (after, claims) in [(7, true), (9, false)] {
        let mut test = MachineTest::held(MOUNTAINS);
        test.step(Event::Renewed(Renewal { ttl: Duration::ZERO, ..test.renewal(7, 7) }));
        let mut view = PoolView { revision: 60, ..test.view(&[]) };
        view.quarantined.insert("Denali".into());
        view.notes.insert("Denali".into(), after);
        let actions = test.begun(view);
        let due = actions.iter().find_map(|action| match action {
            Action::Claim(request) => Some(request.note),
            _ => None,
        });
        assert_eq!(due, claims.then_some(7), "{actions:?}");
    }
}

#[test]
fn a_claim_won_on_a_lease_that_is_gone_meanwhile_is_read_again_and_not_believed() {
    let mut test = MachineTest::new(&[MOUNTAINS]);
    test.step(Event::Start);
    test.begun(test.view(&[]));
    test.pass(20);
    test.step(Event::Tick);
    let gone = Renewal { ttl: Duration::ZERO, read: None, ..test.renewal(0, 0) };
    test.step(Event::Renewed(gone));
    let actions = test.step(Event::Claimed(MachineTest::won(7)));
    assert!(matches!(actions.as_slice(), [Action::Begin { .. }]), "{actions:?}");
    assert_eq!(test.state(MOUNTAINS), ClaimState::Waiting);
}

#[test]
fn a_process_that_wants_its_old_name_and_finds_a_ticket_of_its_pod_ends_as_the_older_one() {
    let mut test = MachineTest::held(MOUNTAINS);
    test.step(Event::Renewed(Renewal { ttl: Duration::ZERO, ..test.renewal(7, 7) }));
    let ticket = Some(Ticket { revision: 20, lease: 99 });
    let actions = test.begun(PoolView { ticket, ..test.view(&[]) });
    let [Action::Finish(EndReason::Fenced(sentence))] = actions.as_slice() else {
        panic!("{actions:?}")
    };
    assert!(sentence.contains("younger sidecar"), "{sentence}");
}
