//! Every rule is left out once: the checker finds a shortest path to the promise that needs it, and the path can be
//! replayed. In the same bounds, with the rule, every promise holds.

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
    assert!(replays(&without), "the path cannot be replayed");
    assert!(!replays(&config), "the path exists with the rule too");
    if !is_a_scenario(&config) {
        let report = check(&config, None);
        println!("with it: {report}");
        assert!(report.holds(), "with {}: {report}", rule.name());
    }
}

/// Whether the test of a scenario checks these bounds.
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
    an_unchanged_spec_that_is_put_again_fails_claims_without_a_reason:
        SpecPutOnlyWhenDifferent breaks FailuresHaveReasons,
    slots_keyed_by_their_shown_name_are_granted_twice: SlotsKeyedByNumber breaks NoTwoHolders,
    a_validity_that_follows_the_spec_outlives_the_lease: TermsFixedAtGrant breaks NoTwoHolders,
    renewing_a_fresh_lease_lets_the_old_one_expire_under_its_slot: FoundLeaseIsTaken breaks NoTwoHolders,
    a_ticket_without_a_guard_stays_on_a_holder: TicketIsGuarded breaks TicketsAreWaiters,
    a_response_header_used_as_the_ticket_s_revision_waits_for_ever:
        TicketRevisionIsItsOwn breaks NobodyIsStuck,
    a_count_without_a_filter_is_no_rank: RankCountsOlderTickets breaks NobodyIsStuck,
    an_adoption_that_counts_as_a_renewal_is_a_second_holder: AdoptionIsVerified breaks NoTwoHolders,
    an_older_incarnation_releases_the_younger_one_s_slot:
        ReleaseComparesModRevision breaks NoTwoHolders,
    a_revocation_after_a_failed_release_ends_another_process_s_slot:
        FailedReleaseRevokesNothing breaks NoTwoHolders,
    a_force_release_that_revokes_the_lease_ends_names_of_other_pools:
        ForceReleaseSparesTheLease breaks NoTwoHolders,
    two_pods_that_claim_in_annotation_order_wait_for_each_other: PoolsInByteOrder breaks NoMutualWait,
    an_attempt_of_another_process_is_believed_without_a_nonce: OwnAttemptsAreRecognised breaks NoTwoHolders,
    a_keepalive_alone_misses_a_force_release: RenewalsArePairs breaks NoTwoHolders,
    a_clock_that_stops_in_sleep_extends_a_deadline: ClockCountsSleep breaks NoTwoHolders,
    a_waiter_whose_watch_broke_waits_for_ever: WaitersReread breaks NobodyIsStuck,
    a_rank_lowered_without_idle_time_overtakes: IdleBeforeOvertaking breaks NobodyIsOvertaken,
    a_reservation_read_before_the_claim_repeats_timestamps:
        ReservationLearntInside breaks TimestampsAreUnique,
    claims_that_do_not_compare_the_owner_give_a_pod_two_slots:
        ClaimsAreGuardedByOwner breaks OneSlotPerPodAndPool,
    claims_that_do_not_compare_the_sentinel_overtake:
        ClaimsAreGuardedBySentinel breaks NobodyIsOvertaken,
    claims_that_do_not_compare_the_quarantine_take_a_quarantined_name:
        ClaimsAreGuardedByQuarantine breaks NamesAreQuarantined,
    a_force_release_by_the_spec_s_terms_quarantines_too_short: ForceReleaseUsesGrantedTerms breaks NoTwoHolders,
    a_wiped_store_without_a_freeze_grants_names_twice: EmptyStoreIsFrozen breaks NoTwoHolders,
    a_lease_without_room_for_drift_ends_before_the_deadline: LeaseOutlastsDrift breaks NoTwoHolders,
    a_longer_v_than_the_lease_has_room_for_outlives_it: ClaimsFitTheLease breaks NoTwoHolders,
    a_repeated_grant_counted_from_its_last_send_outlives_the_lease:
        RepeatedGrantsCountFromFirstSend breaks NoTwoHolders,
    idle_time_that_counts_during_a_freeze_overtakes:
        IdleEndsWithSpecAndFreeze breaks NobodyIsOvertaken,
    a_pair_of_a_restored_store_revives_an_old_holder:
        NothingResumesDuringFreeze breaks NoTwoHolders,
    a_read_of_a_restored_store_revives_an_old_holder:
        NothingFoundDuringFreeze breaks NoTwoHolders,
    a_past_read_without_a_target_misses_a_spec: EmptyPastReadsAreFollowed breaks NobodyIsOvertaken,
    a_force_release_without_room_for_drift_quarantines_too_short:
        ForceReleaseOutlastsDrift breaks NamesAreQuarantined,
    a_quarantine_on_an_old_lease_has_ended_when_it_begins: ForceReleaseIsSettledLater breaks NoTwoHolders,
    a_release_that_compares_the_slot_only_releases_another_pod_s_slot:
        ReleaseComparesOwner breaks OneSlotPerPodAndPool,
    a_pair_that_compares_revisions_only_believes_in_another_pod_s_slot:
        PairsCheckHolder breaks NoTwoHolders,
    two_pods_that_keep_later_pools_wait_for_each_other:
        LaterPoolsAreYielded breaks NoMutualWait,
    a_reclaim_that_moves_no_key_lets_a_waiter_be_overtaken:
        ReclaimsInvalidateRanks breaks NobodyIsOvertaken,
    a_late_reclaim_leaves_a_ticket_on_a_holder:
        ReclaimComparesTicket breaks TicketsAreWaiters,
    a_redeem_by_idle_time_that_lands_after_a_freeze_overtakes: RedeemsAreOfOneEpoch breaks NobodyIsOvertaken,
    a_release_without_the_pod_s_uid_gives_its_name_to_two_apps:
        ReleaseNamesItsPod breaks NoTwoHolders,
    a_quarantine_that_ends_before_the_deadline_gives_its_name_to_two_apps:
        QuarantinesOutlastDeadlines breaks NoTwoHolders,
    a_restart_that_forgets_its_name_renames_a_running_app: SavedNamesAreReclaimed breaks NamesAreKept,
    a_late_reclaim_out_of_an_ended_quarantine_is_a_second_holder:
        ReclaimComparesQuarantine breaks NoTwoHolders,
    a_reclaim_in_a_freeze_after_the_deadline_is_a_second_holder:
        OnlyBelieversReclaim breaks NoTwoHolders,
}
