//! Groups that take part in other ways: two plan versions, weights, confirmations, heartbeats, the leader's value, and
//! sidecars that die at every step of a hand-over.

use std::time::Duration;

use cairn_faults::coordination::group::Acts;
use cairn_faults::coordination::manner::Manner;
use cairn_faults::coordination::scene::{GroupScene, Scene};
use cairn_faults::coordination::script::Fault;
use cairn_faults::failure::Failure;

use super::{LATEST, calm, drawn, each, group, has_no_violation, rollout, seconds, seed, template};

/// So few shards that a hand-over has few steps.
const FEW: u32 = 16;
/// The half steps of a hand-over at which a process surely dies: its stop, the confirmations, the write and its answer.
const SURE: u32 = 10;

/// Two members of the present release, and four of the next one, which are heavier.
pub(super) fn versions(name: &'static str, acts: Acts) -> GroupScene {
    let weights = vec![100, 100, 300, 300, 300, 300];
    let manner = Manner { weights, newer_from: Some(3), ..Manner::default() };
    GroupScene { manner, ..group(name, 6, vec![acts]) }
}

/// Members of whose apps a third confirms late.
pub(super) fn required(name: &'static str, acts: Acts) -> GroupScene {
    let manner = Manner { confirm_required: true, ..Manner::default() };
    GroupScene { manner, ..group(name, 6, vec![acts]) }
}

/// Members whose sidecars die while they hand over.
pub(super) fn sweep(name: &'static str, acts: Acts) -> GroupScene {
    let manner = Manner { dies_handing_over: true, ..Manner::default() };
    let few = template("1", FEW, None);
    GroupScene { manner, template: few, ..group(name, 8, vec![acts]) }
}

/// So many rollouts, one after the other.
pub(super) fn handing_over(times: u64) -> Acts {
    let generations = (0..times).map(|time| {
        let generation = (time + 2).to_string();
        rollout(7 + 12 * time, template(&generation, FEW, None), Duration::from_millis(300))
    });
    Acts { rollouts: generations.collect(), ..calm(12 + 12 * times) }
}

#[test]
fn plan_versions_confirmations_heartbeats_and_values_keep_their_promises() -> Result<(), Failure> {
    let seed = seed();
    let short = seconds(1);
    // First those of the present release leave: then the plan of the next one is in force.
    let leaving = each(Fault::Drain, 14, short, &[0, 1]);
    // Two of these end a session whose pod lives: nobody confirms for it, and it is taken over by time.
    let ends = [Fault::Drain, Fault::Terminate, Fault::Lose, Fault::Sever, Fault::Revoke];
    let ending = drawn(seed, 6, 24, Duration::from_millis(2_500), &ends);
    let hung = each(Fault::Hang, 9, seconds(6), &[0, 2, 4]);
    let manner =
        Manner { heartbeat: Some(seconds(2)), weights: vec![50, 100, 200], ..Manner::default() };
    let beating = GroupScene { manner, ..group("heartbeats", 6, vec![hung]) };
    let led = [Fault::Resign, Fault::Kill, Fault::Deaf, Fault::Slow, Fault::Freeze, Fault::Revoke];
    let led = drawn(seed + 1, 4, 30, Duration::from_millis(900), &led);
    let manner = Manner { values: true, ..Manner::default() };
    let putting = GroupScene { manner, ..group("values", 4, vec![led]) };
    let killed = drawn(seed + 2, 4, 24, Duration::from_millis(400), &[Fault::Kill]);
    let mut restarted = group("restarted", 4, vec![killed]);
    restarted.pause = Some(LATEST);
    let groups = vec![
        versions("versions", leaving),
        required("required", ending),
        beating,
        putting,
        sweep("sweep", handing_over(3)),
        restarted,
    ];
    let scene = Scene { seed, groups, store_faults: Vec::new(), upheavals: Vec::new() };
    let reports = has_no_violation(scene)?;
    let report = |name| reports.iter().find(|report| report.name == name);
    assert!(report("values").is_some_and(|values| values.values > 30), "few values were put");
    let deaths = report("sweep").map(|sweep| sweep.deaths.clone()).unwrap_or_default();
    assert!((0..SURE).all(|half_step| deaths.contains(&half_step)), "died only at {deaths:?}");
    let restarted = report("restarted").map(|restarted| restarted.moves);
    assert_eq!(restarted, Some(0), "restarts of sidecars moved something");
    Ok(())
}
