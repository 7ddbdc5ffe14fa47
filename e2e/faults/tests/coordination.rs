//! Histories of groups on a real etcd of three members. They need root, iproute2 and an etcd binary:
//! `cargo test -p cairn-faults --features histories --test coordination -- --nocapture`.
//!
//! `CAIRN_FAULT_SEED` replays the scripts of one run.

#[path = "coordination/manners.rs"]
mod manners;
#[path = "coordination/planted.rs"]
mod planted;

use std::time::Duration;

use cairn_core::coordination::validity::Validity;
use cairn_faults::boottime;
use cairn_faults::coordination::group::{Acts, Rollout};
use cairn_faults::coordination::manner::Manner;
use cairn_faults::coordination::pod::Template;
use cairn_faults::coordination::scene::{GroupScene, Report, Scene, run};
use cairn_faults::coordination::script::{Fault, Menu, Planned, Script};
use cairn_faults::coordination::store_faults::{PlannedFault, StoreFault, Upheaval};
use cairn_faults::failure::Failure;

/// The number of shards.
const SHARDS: u32 = 48;
/// How long apps that are busy do not look, and what this machine may be late.
const LATEST: Duration = Duration::from_millis(1_200 + 700);
/// A node is lost: TTL + 1 s + D for V = 3 s.
const GAP: Duration = Duration::from_millis(11_100).saturating_add(LATEST);
/// A hand-over that nobody confirms: V and Q.
const PAUSE: Duration = Duration::from_millis(5_000).saturating_add(LATEST);

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
        pause: None,
        rest: None,
        manner: Manner::default(),
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

/// One fault of each of these members, one after the other.
fn each(fault: Fault, from: u64, lasts: Duration, members: &[usize]) -> Acts {
    let planned = members.iter().zip(0_u32..).map(|(member, index)| Planned {
        at: seconds(from) + Duration::from_millis(800) * index,
        lasts,
        member: *member,
        fault,
    });
    Acts { script: Script(planned.collect()), ..calm(24) }
}

fn rollout(at: u64, template: Template, pause: Duration) -> Rollout {
    Rollout { at: seconds(at), template, pause }
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
    let pause = Duration::from_millis(1_500);
    let rollout = |at, template| rollout(at, template, pause);
    let rollouts = |deaths| Acts {
        script: Script::default(),
        rollouts: vec![
            rollout(8, template("2", SHARDS, deaths)),
            rollout(24, template("3", SHARDS / 2, deaths)),
        ],
        span: seconds(40),
    };
    let once = Acts { rollouts: vec![rollout(8, template("2", SHARDS, None))], ..calm(24) };
    let mut once = group("once", 6, vec![once]);
    once.pause = Some(PAUSE);
    let mut dying = group("dying", 6, vec![rollouts(Some(60))]);
    dying.template.deaths = Some(60);
    let reports = has_no_violation(Scene {
        seed,
        groups: vec![lost, group("rollouts", 6, vec![rollouts(None)]), once, dying],
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
    let pace = Duration::from_millis(1_500);
    let acts = |seed, members, faults: &[Fault]| {
        let act = |index, span| drawn(seed + index, members, span, pace, faults);
        vec![act(0, 6), act(1, 5), act(2, 15), act(3, 8)]
    };
    let mut ten = group("ten", 6, acts(seed + 10, 6, &faults));
    ten.validity = Validity::DEFAULT;
    let mannered =
        |name, seed, manner, faults| GroupScene { manner, ..group(name, 4, acts(seed, 4, faults)) };
    let heartbeat = Manner { heartbeat: Some(seconds(2)), ..Manner::default() };
    let confirm = Manner { confirm_required: true, ..Manner::default() };
    let values = Manner { values: true, ..Manner::default() };
    let leading = [Fault::Kill, Fault::Freeze, Fault::Deaf, Fault::Drain, Fault::Resign];
    let reports = has_no_violation(Scene {
        seed,
        groups: vec![
            group("three", 6, acts(seed, 6, &faults)),
            ten,
            mannered("heartbeats", seed + 20, heartbeat, &[Fault::Hang, Fault::Kill, Fault::Cut]),
            mannered("required", seed + 30, confirm, &faults),
            mannered("values", seed + 40, values, &leading),
        ],
        store_faults: Vec::new(),
        upheavals: vec![Upheaval::Save, Upheaval::Restore, Upheaval::Wipe],
    })?;
    let values = reports.iter().find(|report| report.name == "values");
    assert!(values.is_some_and(|values| values.values > 30), "few values were put");
    Ok(())
}
