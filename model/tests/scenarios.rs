//! Every scenario to its end: in every state that its bounds allow every promise holds, and the check has
//! come past the troubles that the scenario is about. One test each, so that they run side by side.

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
    assert!(missed.is_empty(), "{name} never came past {missed:?}: it checks nothing of that");
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
    names_of_the_dead_are_given_on_after_their_deadlines: "names",
    lost_late_and_doubled_messages_change_nothing: "messages",
    a_restarted_process_takes_up_what_its_pod_has: "restart",
    two_processes_of_one_pod_never_fight: "twin",
    a_paused_process_does_not_use_what_it_lost: "stall",
    clocks_that_differ_are_allowed_for: "drift",
    a_kept_name_comes_back_or_is_lost_for_good: "keep",
    two_pools_are_claimed_without_an_embrace: "pools",
    waiters_far_behind_get_their_turn: "far",
    timestamps_of_one_name_never_repeat: "clock",
    pairs_whose_halves_come_apart_prove_nothing_wrong: "split",
    an_app_that_lives_on_shares_its_node_id_with_nobody: "term",
    an_app_that_lives_on_keeps_its_name: "term-keep",
    holders_of_a_wiped_store_go_on_through_a_restart: "stay",
    a_force_release_may_land_whenever_it_likes: "force",
    nothing_is_granted_during_a_hold: "hold",
    an_edited_spec_applies_to_new_claims_only: "edit",
    a_wiped_store_gives_no_name_to_two: "wipe",
    during_a_hold_holders_get_their_own_names_back: "regain",
    revisions_that_start_anew_prove_nothing: "regress",
    a_restored_store_gives_no_name_to_two: "restore",
    a_name_that_was_given_on_stays_given_on_after_a_restore: "given-on",
}

/// What a scenario need not come past: it is there only when a rule is left out.
#[test]
fn every_milestone_is_demanded_by_a_scenario() {
    let demanded: Vec<Milestone> =
        scenario::all().into_iter().flat_map(|scenario| scenario.passes).copied().collect();
    for milestone in Milestone::ALL {
        assert!(demanded.contains(milestone), "no scenario demands {milestone}");
    }
}
