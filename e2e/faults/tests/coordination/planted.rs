//! Planted bugs, which the judge must find.

use cairn_core::coordination::validity::Validity;
use cairn_faults::coordination::bug::Bug;
use cairn_faults::coordination::group::Acts;
use cairn_faults::coordination::judge::Kind;
use cairn_faults::coordination::manner::Manner;
use cairn_faults::coordination::scene::{GroupScene, Scene};
use cairn_faults::coordination::script::Fault;
use cairn_faults::coordination::store_faults::Upheaval;
use cairn_faults::failure::Failure;

use super::manners::{handing_over, required, sweep, versions};
use super::{GAP, SHARDS, calm, each, group, play, rollout, seconds, seed, template};

/// So many scenes at most. When processes die, and so whether a bug shows, differs from scene to scene.
const SCENES: u64 = 3;

/// A group, the bug of its members, and as what the judge may find it.
type Planted = (GroupScene, Bug, &'static [Kind]);

#[test]
fn planted_bugs_of_time_and_sessions_are_found() -> Result<(), Failure> {
    let severed = || each(Fault::Sever, 6, seconds(8), &[0, 1, 2, 3, 4]);
    let short = seconds(1);
    let bugs = [
        ("late-deadline", Bug::LateDeadline, severed()),
        ("no-delay", Bug::NoDelay, severed()),
        ("no-margin", Bug::NoMargin, severed()),
        // Of the first and the fourth member, the app goes on for a while with what it was told before.
        ("unconfirmed", Bug::Unconfirmed, each(Fault::Drain, 6, short, &[0, 3, 1])),
        ("old-grants", Bug::OldGrants, each(Fault::Revoke, 6, short, &[0, 3, 1])),
    ];
    let kinds: &[Kind] = &[Kind::Overlap, Kind::Margin];
    let planted = bugs.map(|(name, bug, acts)| (group(name, 6, vec![acts]), bug, kinds));
    let missed = missed(planted.into())?;
    assert!(missed.is_empty(), "not found: {missed:?}");
    Ok(())
}

#[test]
fn a_planted_new_epoch_without_a_hold_is_found() -> Result<(), Failure> {
    let mut lost = group("lost-hold", 6, vec![calm(6), calm(5)]);
    lost.bug = Some(Bug::LostHold);
    lost.validity = Validity::from_millis(25_000);
    let (seed, upheavals) = (seed(), vec![Upheaval::Wipe]);
    let scene = Scene { seed, groups: vec![lost], store_faults: Vec::new(), upheavals };
    let reports = play(scene)?;
    let mut violations = reports.iter().flat_map(|report| &report.violations);
    assert!(violations.any(|violation| violation.kind == Kind::Overlap), "it was not found");
    Ok(())
}

#[test]
fn planted_bugs_of_plans_confirmations_heartbeats_and_values_are_found() -> Result<(), Failure> {
    let beats = Manner { heartbeat: Some(seconds(2)), ..Manner::default() };
    let puts = Manner { values: true, ..Manner::default() };
    let weights = Manner { weights: vec![50, 100, 200], ..Manner::default() };
    let short = seconds(1);
    let other_map =
        Acts { rollouts: vec![rollout(7, template("1", SHARDS / 2, None), short)], ..calm(24) };
    let late = Acts { span: seconds(30), ..each(Fault::Lose, 7, seconds(1), &[1]) };
    let with = |manner: Manner, name, members, acts| GroupScene {
        manner,
        ..group(name, members, vec![acts])
    };
    let plain = |name, members, acts| with(Manner::default(), name, members, acts);
    let mut lost = plain("late-takeover", 4, late);
    lost.gap = Some(GAP);
    let mut fights = versions("own-plan", calm(30));
    fights.rest = Some(seconds(18));
    let hung = each(Fault::Hang, 8, seconds(8), &[0, 1]);
    let planted: [Planted; 9] = [
        // What moves to and fro is often served by nobody.
        (fights, Bug::OwnPlan, &[Kind::NotQuiet, Kind::Starved]),
        (with(weights, "no-weights", 3, calm(12)), Bug::NoWeights, &[Kind::Uneven]),
        (
            required("not-required", each(Fault::Drain, 6, short, &[0, 3])),
            Bug::NotRequired,
            &[Kind::Unconfirmed],
        ),
        (with(beats, "own-heartbeat", 3, hung), Bug::OwnHeartbeat, &[Kind::Heartbeat]),
        (with(puts, "loose-value", 3, calm(20)), Bug::LooseValue, &[Kind::Value]),
        (sweep("resumes-at-once", handing_over(1)), Bug::NoWaitAfterResume, &[Kind::Overlap]),
        (lost, Bug::LateTakeover, &[Kind::Gap]),
        (plain("any-map", 3, other_map), Bug::AnyMap, &[Kind::TwoMaps]),
        (
            plain("one-fence", 4, each(Fault::Drain, 6, short, &[3])),
            Bug::OneFence,
            &[Kind::FenceOrder],
        ),
    ];
    let missed = missed(planted.into())?;
    assert!(missed.is_empty(), "not found: {missed:?}");
    Ok(())
}

/// Plays the groups until each of their bugs was found, and answers with the bugs that were not.
fn missed(mut planted: Vec<Planted>) -> Result<Vec<Bug>, Failure> {
    for number in 0..SCENES {
        let infected = |(group, bug, _): &Planted| GroupScene { bug: Some(*bug), ..group.clone() };
        let groups = planted.iter().map(infected).collect();
        let (seed, store_faults, upheavals) = (seed() + number, Vec::new(), Vec::new());
        let reports = play(Scene { seed, groups, store_faults, upheavals })?;
        let missed = planted.into_iter().zip(&reports).filter(|((_, _, kinds), report)| {
            !report.violations.iter().any(|violation| kinds.contains(&violation.kind))
        });
        planted = missed.map(|(planted, _)| planted).collect();
        if planted.is_empty() {
            break;
        }
    }
    Ok(planted.into_iter().map(|(_, bug, _)| bug).collect())
}
