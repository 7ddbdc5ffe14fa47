//! Every rule, left out: the checker finds a shortest way to the promise that needs it, and the way can be
//! taken again. In the same bounds, with the rule, every promise holds.

use cairn_model::{Config, Promise, Rule, check, left_out, scenario};

fn breaks(rule: Rule, promise: Promise) {
    let (config, expected) = left_out(rule);
    assert_eq!(promise, expected);
    let without = config.clone().without(rule);
    let report = check(&without, None);
    println!("without {}: {report}", rule.name());
    let counterexample = report.broken(promise);
    assert!(counterexample.is_some(), "without {}: '{promise}' holds", rule.name());
    let replays = |config| counterexample.is_some_and(|found| found.replays(config));
    assert!(replays(&without), "the way cannot be taken again");
    assert!(!replays(&config), "the way is there with the rule too");
    if !is_a_scenario(&config) {
        let report = check(&config, None);
        println!("with it: {report}");
        assert!(report.holds(), "with {}: {report}", rule.name());
    }
}

/// Bounds of which a scenario's test shows that they are fine.
fn is_a_scenario(config: &Config) -> bool {
    scenario::all().iter().any(|scenario| scenario.small == *config)
}

macro_rules! rules {
    ($($test:ident: $rule:ident breaks $promise:ident,)*) => {
        $(#[test] fn $test() { breaks(Rule::$rule, Promise::$promise); })*

        #[test]
        fn every_rule_has_a_test() {
            for rule in Rule::ALL {
                assert!([$(Rule::$rule),*].contains(rule), "{} has no test", rule.name());
            }
        }

        #[test]
        fn every_promise_can_be_broken() {
            for promise in Promise::ALL {
                assert!([$(Promise::$promise),*].contains(&promise), "'{promise}' never fails");
            }
        }
    };
}

rules! {
    a_spec_put_again_fails_claims_for_nothing:
        SpecPutOnlyWhenDifferent breaks FailuresHaveReasons,
    slots_keyed_by_what_is_shown_are_given_twice: SlotsKeyedByNumber breaks NoTwoHolders,
    terms_that_follow_the_pool_outlive_the_lease: TermsFixedAtGrant breaks NoTwoHolders,
    a_fresh_lease_does_not_keep_what_hangs_on_the_old_one: FoundLeaseIsTaken breaks NoTwoHolders,
    an_unguarded_ticket_stays_with_a_holder: TicketIsGuarded breaks TicketsAreWaiters,
    a_header_taken_for_the_ticket_s_revision_waits_for_ever:
        TicketRevisionIsItsOwn breaks NobodyIsStuck,
    a_count_without_a_filter_is_no_rank: RankCountsOlderTickets breaks NobodyIsStuck,
    an_adoption_taken_for_a_renewal_is_a_second_holder: AdoptionIsVerified breaks NoTwoHolders,
    an_older_incarnation_releases_the_younger_one_s_slot:
        ReleaseComparesModRevision breaks NoTwoHolders,
    a_revocation_after_a_failed_release_takes_the_slot_away:
        FailedReleaseRevokesNothing breaks NoTwoHolders,
    a_force_release_that_revokes_takes_other_pools_names_too:
        ForceSparesTheLease breaks NoTwoHolders,
    pools_in_the_annotation_s_order_embrace: PoolsInByteOrder breaks NoDeadlyEmbrace,
    another_process_s_attempt_is_taken_for_one_s_own: OwnAttemptsAreRecognised breaks NoTwoHolders,
    a_keepalive_alone_misses_a_force_release: RenewalsArePairs breaks NoTwoHolders,
    a_clock_that_stops_in_sleep_shows_a_deadline_too_late: ClockCountsSleep breaks NoTwoHolders,
    a_waiter_whose_watch_broke_waits_for_ever: WaitersReread breaks NobodyIsStuck,
    a_rank_lowered_without_silence_overtakes: SilenceBeforeOvertaking breaks NobodyIsOvertaken,
    a_reservation_read_too_early_repeats_timestamps:
        ReservationLearntInside breaks TimestampsAreUnique,
    claims_that_do_not_compare_the_owner_give_a_pod_two_slots:
        ClaimsAreGuardedByOwner breaks OneSlotPerPodAndPool,
    claims_that_do_not_compare_the_sentinel_overtake:
        ClaimsAreGuardedBySentinel breaks NobodyIsOvertaken,
    claims_that_do_not_compare_the_quarantine_take_a_name_at_rest:
        ClaimsAreGuardedByQuarantine breaks NamesRest,
    a_force_release_by_the_pool_s_terms_rests_too_short: ForceRestsAsGranted breaks NoTwoHolders,
    a_wiped_store_without_a_hold_gives_names_twice: WipeLeavesHold breaks NoTwoHolders,
    a_lease_without_room_for_drift_ends_before_the_deadline: LeaseOutlastsDrift breaks NoTwoHolders,
    a_longer_v_than_the_lease_has_room_for_outlives_it: ClaimsSuitTheLease breaks NoTwoHolders,
    a_repeated_grant_counted_from_its_last_send_outlives_the_lease:
        RepeatedGrantsCountFromFirstSend breaks NoTwoHolders,
    silence_that_goes_on_over_a_hold_overtakes:
        SilenceEndsWithSpecAndHold breaks NobodyIsOvertaken,
    a_pair_of_a_restored_store_brings_an_old_holder_back:
        NothingResumesDuringHold breaks NoTwoHolders,
    a_read_of_a_restored_store_brings_an_old_holder_back:
        NothingFoundDuringHold breaks NoTwoHolders,
    a_vain_look_at_the_past_misses_a_spec: VainLooksAreFollowed breaks NobodyIsOvertaken,
    a_force_release_without_room_for_drift_rests_too_short:
        ForceRestsOutlastDrift breaks NamesRest,
    a_rest_on_an_old_lease_is_over_when_it_begins: ForceRestsUntilSettled breaks NoTwoHolders,
    a_release_by_the_slot_s_revision_alone_takes_another_pod_s:
        ReleaseComparesOwner breaks OneSlotPerPodAndPool,
    a_pair_that_looks_at_revisions_alone_takes_another_pod_s_slot_for_its_own:
        PairsCheckHolder breaks NoTwoHolders,
    a_pod_that_keeps_a_later_pool_while_it_waits_embraces:
        LaterPoolsAreYielded breaks NoDeadlyEmbrace,
    a_name_claimed_ahead_of_the_queue_shifts_the_others:
        ReclaimShiftsThePairs breaks NobodyIsOvertaken,
    a_late_claim_of_the_old_name_leaves_a_ticket_on_a_holder:
        ReclaimComparesTicket breaks TicketsAreWaiters,
    a_claim_by_silence_that_outlasts_a_hold_overtakes: TakesAreOfOneEpoch breaks NobodyIsOvertaken,
    a_release_without_the_pod_s_uid_gives_its_name_to_two_apps:
        ReleaseNamesItsPod breaks NoTwoHolders,
    a_rest_that_ends_before_the_deadline_gives_its_name_to_two_apps:
        RestsOutlastDeadlines breaks NoTwoHolders,
    a_restart_that_forgets_its_name_renames_a_running_app: MarkedNamesReturn breaks NamesAreKept,
    a_late_return_out_of_a_rest_that_is_over_is_a_second_holder:
        ReturnsCompareRest breaks NoTwoHolders,
    whoever_does_not_believe_any_more_reclaims_what_was_given_on:
        BelieversAloneReclaim breaks NoTwoHolders,
}
