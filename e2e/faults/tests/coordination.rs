//! Histories of groups on a real etcd of three members. They need root, iproute2 and an etcd binary:
//! `cargo test -p cairn-faults --features histories --test coordination -- --nocapture`.
//!
//! `CAIRN_FAULT_SEED` replays the scripts of one run.

use std::time::Duration;

use cairn_core::coordination::validity::Validity;
use cairn_faults::boottime;
use cairn_faults::coordination::bug::Bug;
use cairn_faults::coordination::group::{Acts, Rollout};
use cairn_faults::coordination::judge::Kind;
use cairn_faults::coordination::pod::Template;
use cairn_faults::coordination::scene::{GroupScene, Report, Scene, run};
use cairn_faults::coordination::script::{Fault, Menu, Planned, Script};
use cairn_faults::coordination::store_faults::{PlannedFault, StoreFault, Upheaval};
use cairn_faults::failure::Failure;

/// The number of shards.
const SHARDS: u32 = 48;
/// A node is lost: TTL + 1 s + D for V = 3 s, and what this machine may be late.
const GAP: Duration = Duration::from_millis(11_100 + 700);

fn seed() -> u64 {
    let set = std::env::var("CAIRN_FAULT_SEED").ok().and_then(|text| text.parse().ok());
    set.unwrap_or_else(|| {
        u64::try_from(boottime::unix_seconds()).unwrap_or_default() * 1000 + boottime::now() % 1000
    })
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn template(generation: &str, shards: u32, deaths: Option<u32>) -> Template {
    Template { generation: generation.to_owned(), shards, deaths }
}

fn group(name: &'static str, members: usize, acts: Vec<Acts>) -> GroupScene {
    GroupScene {
        name,
        members,
        template: template("1", SHARDS, None),
        validity: Validity::SHORTEST,
        acts,
        gap: None,
        bug: None,
    }
}

/// Faults of these kinds, drawn from the seed.
fn drawn(seed: u64, members: usize, span: u64, pace: Duration, faults: &[Fault]) -> Acts {
    let (from, until) = (seconds(5).min(seconds(span) / 2), seconds(span));
    let (validity, faults) = (seconds(3), faults.to_vec());
    let script = Script::draw(seed, &Menu { members, from, until, pace, validity, faults });
    Acts { script, rollouts: Vec::new(), span: seconds(span) }
}

fn calm(span: u64) -> Acts {
    Acts { span: seconds(span), ..Acts::default() }
}

fn play(scene: Scene) -> Result<Vec<Report>, Failure> {
    let seed = scene.seed;
    println!("replay with CAIRN_FAULT_SEED={seed}");
    let began = boottime::now();
    let reports = run(scene)?;
    for report in &reports {
        println!("{report}");
    }
    println!("seed {seed} took {:.0?}", boottime::between(began, boottime::now()));
    Ok(reports)
}

fn has_no_violation(scene: Scene) -> Result<Vec<Report>, Failure> {
    let reports = play(scene)?;
    for report in &reports {
        assert!(report.spans > 0, "{} served nothing", report.name);
        assert_eq!(report.violations, [], "{}", report.name);
    }
    Ok(reports)
}

#[test]
fn no_shard_has_two_owners_when_members_and_etcd_are_killed_frozen_and_cut_off()
-> Result<(), Failure> {
    let seed = seed();
    let all = drawn(seed, 8, 30, Duration::from_millis(800), &Fault::ALL);
    let processes = [
        Fault::DieAt(0),
        Fault::DieAt(0),
        Fault::Twin,
        Fault::FrozenTwin,
        Fault::Deaf,
        Fault::Revoke,
        Fault::Drain,
    ];
    let restarts = drawn(seed + 1, 6, 30, Duration::from_millis(600), &processes);
    let mut second = group("restarts", 6, vec![restarts]);
    second.template.deaths = Some(80);
    let fault = |at, lasts, fault| PlannedFault { at: seconds(at), lasts: seconds(lasts), fault };
    has_no_violation(Scene {
        seed,
        groups: vec![group("everything", 8, vec![all]), second],
        store_faults: vec![
            fault(6, 2, StoreFault::KillLeader),
            fault(9, 6, StoreFault::FreezeLeader),
            fault(17, 4, StoreFault::CutLeader),
            fault(23, 3, StoreFault::CutClients(1)),
            fault(27, 4, StoreFault::CutAllClients),
        ],
        upheavals: Vec::new(),
    })
    .map(drop)
}

#[test]
fn lost_nodes_rollouts_and_a_resize_break_no_promise() -> Result<(), Failure> {
    let seed = seed();
    let at = |(at, member)| Planned {
        at: seconds(at),
        lasts: Duration::from_millis(1_500),
        member,
        fault: Fault::Lose,
    };
    let script = Script([(8, 1), (20, 4), (32, 6)].map(at).to_vec());
    let losses = Acts { script, rollouts: Vec::new(), span: seconds(44) };
    let mut lost = group("losses", 8, vec![losses]);
    lost.gap = Some(GAP);
    let rollout = |at, template: Template| Rollout {
        at: seconds(at),
        template,
        pause: Duration::from_millis(1_500),
    };
    let rollouts = |deaths| Acts {
        script: Script::default(),
        rollouts: vec![
            rollout(8, template("2", SHARDS, deaths)),
            rollout(24, template("3", SHARDS / 2, deaths)),
        ],
        span: seconds(40),
    };
    let once = Acts { rollouts: vec![rollout(8, template("2", SHARDS, None))], ..calm(24) };
    let mut dying = group("dying", 6, vec![rollouts(Some(60))]);
    dying.template.deaths = Some(60);
    let reports = has_no_violation(Scene {
        seed,
        groups: vec![
            lost,
            group("rollouts", 6, vec![rollouts(None)]),
            group("once", 6, vec![once]),
            dying,
        ],
        store_faults: Vec::new(),
        upheavals: Vec::new(),
    })?;
    // Every new pod is there before an old one goes, so 48 shards and the leadership move once; the target is 1.15.
    let once = reports.iter().find(|report| report.name == "once");
    assert!(once.is_some_and(|once| once.moves <= 56), "a rollout moved shards more than once");
    Ok(())
}

#[test]
fn a_restore_and_a_wipe_of_etcd_give_no_shard_two_owners() -> Result<(), Failure> {
    let seed = seed();
    let faults = [Fault::Kill, Fault::Freeze, Fault::Cut, Fault::Drain, Fault::Lose, Fault::Twin];
    let acts = |seed, members| {
        let act =
            |index, span| drawn(seed + index, members, span, Duration::from_millis(1_500), &faults);
        vec![act(0, 6), act(1, 5), act(2, 15), act(3, 8)]
    };
    let mut ten = group("ten", 6, acts(seed + 10, 6));
    ten.validity = Validity::DEFAULT;
    has_no_violation(Scene {
        seed,
        groups: vec![group("three", 6, acts(seed, 6)), ten],
        store_faults: Vec::new(),
        upheavals: vec![Upheaval::Save, Upheaval::Restore, Upheaval::Wipe],
    })
    .map(drop)
}

/// One fault of each of these members, from the instant at which they own something.
fn each(fault: Fault, lasts: Duration, members: &[usize]) -> Acts {
    let begin = seconds(6);
    let planned = members.iter().zip(0_u32..).map(|(member, index)| Planned {
        at: begin + Duration::from_millis(800) * index,
        lasts,
        member: *member,
        fault,
    });
    Acts { script: Script(planned.collect()), rollouts: Vec::new(), span: seconds(24) }
}

#[test]
fn planted_bugs_of_time_and_sessions_are_found() -> Result<(), Failure> {
    let severed = || each(Fault::Sever, seconds(8), &[0, 1, 2, 3, 4]);
    let short = seconds(1);
    let bugs = [
        ("late-deadline", Bug::LateDeadline, severed()),
        ("no-delay", Bug::NoDelay, severed()),
        ("no-margin", Bug::NoMargin, severed()),
        // Of the first and the fourth member, the app goes on for a while with what it was told before.
        ("unconfirmed", Bug::Unconfirmed, each(Fault::Drain, short, &[0, 3, 1])),
        ("old-grants", Bug::OldGrants, each(Fault::Revoke, short, &[0, 3, 1])),
    ];
    let planted = |(name, bug, acts): &(&'static str, Bug, Acts)| GroupScene {
        bug: Some(*bug),
        ..group(name, 6, vec![acts.clone()])
    };
    let groups = bugs.iter().map(planted).collect();
    let (seed, store_faults, upheavals) = (seed(), Vec::new(), Vec::new());
    let reports = play(Scene { seed, groups, store_faults, upheavals })?;
    for (report, (name, bug, _)) in reports.iter().zip(bugs) {
        let kinds = [Kind::Overlap, Kind::Margin];
        let found = report.violations.iter().find(|violation| kinds.contains(&violation.kind));
        assert!(found.is_some(), "planted {bug:?} was not found in {name}");
    }
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
