//! Every scenario is checked to its end: every promise holds in every state within its bounds, and the check reaches
//! the milestones of the scenario. One test each, so that they run in parallel.

use cairn_model::scenario::{self, Scenario};
use cairn_model::{Milestone, check};

fn holds(name: &str) {
    let found = scenario::by_name(name);
    assert!(found.is_some(), "there is no scenario {name}");
    found.iter().for_each(passes);
}

fn passes(scenario: &Scenario) {
    let name = scenario.name;
    let report = check(&scenario.small, None);
    println!("{name} ({}): {report}", scenario.about);
    assert!(report.holds(), "{name}: {report}");
    let missed = report.missed(scenario.passes);
    assert!(missed.is_empty(), "{name} did not reach {missed:?}, so it checks nothing about them");
}

macro_rules! scenarios {
    ($($test:ident: $name:literal,)*) => {
        $(#[test] fn $test() { holds($name); })*

        #[test]
        fn every_scenario_has_a_test() {
            let names: Vec<_> = scenario::all().into_iter().map(|scenario| scenario.name).collect();
            for name in names {
                assert!([$($name),*].contains(&name), "scenario {name} has no test");
            }
        }
    };
}

scenarios! {
    a_queue_of_three_is_served_in_order: "queue",
    names_of_dead_processes_are_granted_again_after_their_deadlines: "names",
    lost_late_and_repeated_messages_do_no_harm: "messages",
    a_restarted_process_adopts_slot_and_ticket_of_its_pod: "restart",
    of_two_processes_of_one_pod_the_older_one_ends: "twin",
    a_paused_process_does_not_believe_in_a_lost_slot: "stall",
    clocks_that_differ_are_allowed_for: "drift",
    a_keep_name_is_reclaimed_or_lost_for_good: "keep",
    two_pods_with_two_pools_never_wait_for_each_other: "pools",
    waiters_behind_the_front_get_a_name: "far",
    timestamps_of_one_name_never_repeat: "clock",
    pairs_whose_halves_land_apart_do_no_harm: "split",
    an_app_that_outlives_its_sidecar_shares_its_number_with_no_other_app: "sigterm",
    an_app_that_outlives_its_sidecar_keeps_its_name: "sigterm-keep",
    holders_of_a_wiped_store_reclaim_their_names_after_a_restart: "wiped-restart",
    a_force_release_that_lands_late_does_no_harm: "force",
    nothing_is_granted_during_a_freeze: "freeze",
    an_edited_spec_applies_to_new_claims_only: "edit",
    a_wiped_store_grants_no_name_to_two_pods: "wipe",
    holders_reclaim_their_own_names_during_a_freeze: "wiped-keep",
    revisions_that_start_anew_do_no_harm: "revisions",
    a_restored_store_grants_no_name_to_two_pods: "restore",
    a_restored_store_does_not_return_a_name_to_its_former_holder: "reassigned",
}

/// A milestone that no scenario demands could be unreachable.
#[test]
fn every_milestone_is_demanded_by_a_scenario() {
    let demanded: Vec<Milestone> =
        scenario::all().into_iter().flat_map(|scenario| scenario.passes).copied().collect();
    for milestone in Milestone::ALL {
        assert!(demanded.contains(milestone), "no scenario demands {milestone}");
    }
}
