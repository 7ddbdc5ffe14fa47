//! Every rule is left out once: the checker finds a shortest path to the promise that needs it, and the path can be
//! replayed. With the rule the path does not exist.

use cairn_coordination_model::{Promise, Rule, check, left_out};

fn breaks(rule: Rule, promises: &[Promise]) {
    let cases = left_out(rule);
    assert_eq!(cases.iter().map(|case| case.promise).collect::<Vec<_>>(), promises);
    for case in cases {
        let without = case.config.clone().without(rule);
        let report = check(&without, &[case.promise], None);
        println!("without {}: {report}", rule.name());
        let counterexample = report.broken(case.promise);
        assert!(counterexample.is_some(), "without {}: '{}' holds", rule.name(), case.promise);
        let replays = |config| counterexample.is_some_and(|found| found.replays(config));
        assert!(replays(&without), "the path cannot be replayed");
        assert!(!replays(&case.config), "the path exists with the rule too");
    }
}

macro_rules! rules {
    ($($test:ident: $rule:ident breaks $($promise:ident),*;)*) => {
        $(#[test] fn $test() { breaks(Rule::$rule, &[$(Promise::$promise),*]); })*

        #[test]
        fn every_rule_has_a_test() {
            for rule in Rule::ALL {
                assert!([$(Rule::$rule),*].contains(rule), "{} has no test", rule.name());
            }
        }

        #[test]
        fn every_promise_can_be_broken() {
            let broken = [$($(Promise::$promise),*),*];
            for promise in Promise::ALL {
                assert!(broken.contains(promise), "'{promise}' never fails");
            }
        }
    };
}

rules! {
    a_gift_to_a_viewer_serves_two_maps:
        HandOverToEligible breaks OneMap, OnlyParticipantsGain;
    a_longer_validity_outlives_the_delay_of_others:
        ValidityIsFixed breaks OneServer;
    a_pod_that_joined_again_takes_its_old_grant_for_the_new:
        GrantNamesSession breaks OneServer;
    a_write_of_another_epoch_lands:
        WritesCompareEpoch breaks OneServer, FencesGrow, HoldsAreKept;
    claims_in_a_store_without_an_epoch_precede_the_hold:
        NothingWithoutEpoch breaks OneServer;
    a_new_owner_seems_over_when_members_lag_behind_shards:
        PictureOfOneRevision breaks OneServer;
    a_late_claim_serves_the_shard_of_another_map:
        ClaimComparesMap breaks OneMap;
    a_map_that_is_put_over_owners_serves_two_maps:
        ResizeComparesShards breaks OneMap;
    a_late_claim_gives_to_who_is_draining:
        ClaimComparesMine breaks OnlyParticipantsGain;
    a_late_takeover_gives_to_who_is_draining:
        TakeOverComparesMine breaks OnlyParticipantsGain;
    a_copy_of_an_old_hand_over_undoes_later_ones:
        HandOverComparesFence breaks OneServer;
    a_copy_of_an_old_takeover_undoes_later_ones:
        TakeOverComparesGrant breaks OneServer;
    a_hand_over_of_a_dead_process_lands_after_its_successor_serves:
        HandOverComparesMine breaks OneServer;
    a_free_of_a_dead_process_lands_after_its_successor_serves:
        FreeComparesMine breaks OneServer;
    a_takeover_without_a_delay_is_a_second_owner:
        TakeOverWaits breaks OneServer;
    a_delay_without_margin_leaves_no_rest:
        DelayIncludesMargin breaks TakeoversRest;
    a_delay_without_room_for_drift_is_over_before_the_deadline:
        DelayOutlastsDrift breaks OneServer;
    a_delay_from_a_suspicion_takes_from_who_serves:
        DelayFromSight breaks OneServer;
    shards_of_the_last_old_member_stay_for_ever_when_viewers_free_nothing:
        ViewersFree breaks NobodyIsStuck;
    a_hold_that_is_ignored_has_owners_of_two_epochs:
        HoldIsRespected breaks OneServer, HoldsAreKept;
    a_short_hold_ends_before_deadlines:
        HoldOutlastsDeadlines breaks OneServer;
    a_restored_store_without_a_new_epoch_has_two_owners:
        RestoreMovesEpoch breaks OneServer, FencesGrow;
    a_renewal_for_another_session_keeps_an_ended_one:
        RenewalChecksSession breaks OneServer;
    a_renewal_for_another_process_keeps_a_superseded_one:
        RenewalChecksNonce breaks OneServer;
    a_renewal_by_a_restored_record_keeps_an_ended_session:
        RenewalChecksEpoch breaks OneServer;
    a_slow_answer_is_believed_beyond_the_delay:
        DeadlineFromSend breaks OneServer;
    a_restored_grant_is_served_before_the_epoch_is_seen:
        EpochEndsSessionFirst breaks OneServer;
    a_late_read_gives_back_what_is_another_s:
        PictureNeverGoesBack breaks OneServer;
    a_read_from_before_the_resumption_gives_back_what_is_another_s:
        ReadsFollowResume breaks OneServer;
    a_late_confirmation_confirms_a_later_stop:
        ConfirmationNamesStop breaks OneServer;
    a_late_confirmation_confirms_a_stop_of_a_later_process:
        ConfirmationNamesProcess breaks OneServer;
    a_hand_over_before_the_stop_is_a_second_owner:
        HandOverAfterStop breaks OneServer;
    a_hand_over_at_the_deadline_leaves_no_rest:
        HandOverAfterMargin breaks TakeoversRest;
    a_resumed_process_gives_away_what_another_process_has_told:
        ResumedWaits breaks OneServer;
    a_new_session_gives_away_what_an_earlier_one_has_told:
        JoinedWaits breaks OneServer;
    a_confirmation_does_not_speak_for_what_another_process_has_told:
        ConfirmedWaits breaks OneServer;
    a_stop_that_is_taken_back_is_confirmed_by_its_own_confirmation:
        StopIsFinal breaks OneServer;
    a_delay_from_the_send_is_over_before_the_deadline: DelayFromReceipt breaks OneServer;
    a_drop_without_a_mark_lets_the_dropped_one_join_again: DropPutsOut breaks DroppedStayOut;
    a_late_join_brings_the_dropped_one_back: JoinComparesOut breaks DroppedStayOut;
    a_late_value_of_a_former_leader_is_put: ValueComparesFence breaks ValuesGoForward;
    a_late_copy_of_an_older_value_overwrites_the_newer: ValueComparesValue breaks ValuesGoForward;
    a_hold_after_its_epoch_has_owners_of_two_epochs: HoldComesWithEpoch breaks OneServer;
    a_hold_on_a_lease_from_before_is_over_too_early: HoldIsSettledLater breaks OneServer;
    a_plan_that_moves_what_is_within_quota_moves_twice: NobodyWithinQuotaMoves breaks ShardsMoveOnce;
    a_deadline_beyond_the_heartbeat_is_told: DeadlinesEndWithHeartbeat breaks HeartbeatsLimit;
    a_hand_over_that_is_under_way_lands_after_serving_again:
        SentIsFinal breaks OneServer;
}
