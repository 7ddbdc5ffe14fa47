//! Every small scenario is checked to its end: every promise holds in every state within its bounds, and the check
//! reaches the milestones of the scenario. One test each, so that they run in parallel.

use cairn_coordination_model::scenario::{self, Scenario};
use cairn_coordination_model::{Milestone, Promise, check};

fn holds(name: &str) {
    let found = scenario::by_name(name);
    assert!(found.is_some(), "there is no scenario {name}");
    found.iter().for_each(passes);
}

fn passes(scenario: &Scenario) {
    let name = scenario.name;
    let report = check(&scenario.config, Promise::ALL, None);
    println!("{name} ({}): {report}", scenario.about);
    assert!(report.holds(), "{name}: {report}");
    let missed = report.missed(scenario.passes);
    assert!(missed.is_empty(), "{name} did not reach {missed:?}, so it checks nothing about them");
}

macro_rules! scenarios {
    ($($test:ident: $name:literal,)*) => {
        $(#[test] fn $test() { holds($name); })*

        #[test]
        fn every_small_scenario_has_a_test() {
            for scenario in scenario::all().iter().filter(|scenario| scenario.small) {
                let name = scenario.name;
                assert!([$($name),*].contains(&name), "scenario {name} has no test");
            }
        }
    };
}

scenarios! {
    a_dead_process_and_a_doubled_write_do_no_harm: "crash",
    a_record_that_vanishes_early_does_no_harm: "expire",
    of_two_processes_of_a_pod_one_ends: "twin",
    a_write_with_a_lost_answer_is_repeated: "lost-expire",
    a_wiped_store_has_no_second_owners: "wipe",
    a_restored_store_has_no_second_owners: "restore",
    nothing_of_an_old_epoch_is_done_in_a_new_one: "epoch",
    clocks_that_differ_are_allowed_for: "drift",
    draining_members_take_nothing: "drain",
    a_draining_member_that_dies_takes_nothing: "drain-crash",
    two_maps_are_never_served_at_once: "resize",
    a_late_confirmation_does_no_harm: "confirmation",
    a_late_read_gives_nothing_back: "late-read",
    renewals_that_take_time_do_no_harm: "split",
    nobody_is_stuck_after_a_crash: "crash-stuck",
    nobody_is_stuck_after_a_record_vanished: "expire-stuck",
    nobody_is_stuck_after_a_drain: "drain-stuck",
    nobody_is_stuck_with_two_maps: "resize-stuck",
    a_hold_in_two_steps_has_no_second_owners: "two-steps",
    a_late_heartbeat_ends_every_deadline: "heartbeat",
    a_dropped_member_stays_out: "drop",
    a_plan_moves_each_shard_once: "plan",
    nobody_is_stuck_with_a_plan: "plan-stuck",
    the_leader_s_value_goes_forward: "values",
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
