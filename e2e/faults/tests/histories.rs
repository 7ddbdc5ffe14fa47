//! Histories of real sidecars on a real etcd. They need root, iproute2 and an etcd binary:
//! `cargo test -p cairn-faults --features histories -- --nocapture`.
//!
//! `CAIRN_FAULT_SEED` replays one plan; `CAIRN_FAULT_MINUTES` makes the history of sixty sidecars longer.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cairn_faults::boottime;
use cairn_faults::bug::Bug;
use cairn_faults::check::{Kind, Violation};
use cairn_faults::failure::Failure;
use cairn_faults::plan::{Menu, PodKind};
use cairn_faults::run::{Report, Scenario, run};

/// Histories run one at a time, because each of them has more processes than the machine has cores.
static TURN: Mutex<()> = Mutex::new(());

/// How many seeds are tried before a planted bug counts as not found.
const ATTEMPTS: u64 = 4;

const SIDECAR: &str = env!("CARGO_BIN_EXE_faulty-sidecar");

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn seed() -> u64 {
    number("CAIRN_FAULT_SEED").unwrap_or_else(|| {
        let seconds = u64::try_from(boottime::unix_seconds()).unwrap_or_default();
        seconds * 1000 + boottime::now() % 1000
    })
}

/// A scenario with all kinds of faults.
fn everything(seed: u64, span: Duration, pods: usize) -> Scenario {
    let third = pods / 3;
    let validity = Duration::from_secs(4);
    Scenario {
        seed,
        // Two thirds of the pods claim from each pool, and the pool has names for three quarters of them. The others
        // wait.
        numbers: u32::try_from(third * 3 / 2).unwrap_or(u32::MAX),
        names: third * 3 / 4,
        validity,
        quarantine: Duration::from_secs(2),
        minting: false,
        kubelet: false,
        menu: Menu {
            span,
            pods,
            validity,
            lease: Duration::from_secs(7),
            pod_pace: Duration::from_millis(300),
            pod_kinds: vec![
                PodKind::Kill,
                PodKind::Kill,
                PodKind::Freeze,
                PodKind::Freeze,
                PodKind::Delete,
                PodKind::Delete,
                PodKind::Delete,
                PodKind::Lose,
                PodKind::Cut,
                PodKind::Deafen,
                PodKind::Clock,
                PodKind::Twin,
                PodKind::Double,
            ],
            members: true,
            only_pauses: false,
            wipe_at: Some(span / 2),
        },
        bug: None,
    }
}

/// A scenario with a few pods, a planted bug, and only the faults that make it cause violations.
fn planted(seed: u64, bug: Bug, kinds: &[Kind], faults: &[PodKind]) -> Scenario {
    let validity = Duration::from_secs(6);
    Scenario {
        seed,
        numbers: 4,
        names: 3,
        validity,
        quarantine: Duration::from_secs(1),
        minting: false,
        kubelet: false,
        menu: Menu {
            span: Duration::from_secs(40),
            pods: 12,
            validity,
            // Only the length of faults depends on it: some must last much longer than S.
            lease: Duration::from_secs(20),
            pod_pace: Duration::from_millis(800),
            pod_kinds: faults.to_vec(),
            members: false,
            only_pauses: false,
            wipe_at: None,
        },
        bug: Some((bug, kinds.to_vec())),
    }
}

/// A scenario with apps that know their identity only from their environment variables, kubelets that stop and start
/// them, and sidecars that are stopped, frozen and killed beside them.
fn environments(seed: u64, span: Duration, pods: usize) -> Scenario {
    let mut scenario = everything(seed, span, pods);
    // The shortest quarantine in which a kubelet can detect, terminate and kill an app, and a sidecar can restart.
    scenario.quarantine = Duration::from_secs(8);
    scenario.kubelet = true;
    // Some faults must last longer than S and the quarantine after it.
    scenario.menu.lease = Duration::from_secs(24);
    scenario.menu.pod_kinds = vec![
        PodKind::Term,
        PodKind::Term,
        PodKind::Term,
        PodKind::Kill,
        PodKind::Freeze,
        PodKind::Delete,
        PodKind::Lose,
        PodKind::Crash,
    ];
    scenario
}

fn history(scenario: Scenario) -> Result<Report, Failure> {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    println!("replay with CAIRN_FAULT_SEED={}", scenario.seed);
    let report = run(scenario, Path::new(SIDECAR))?;
    println!("{report}");
    Ok(report)
}

/// The violations that a history must not contain. Those that a deposed leader of etcd has caused are printed, but do
/// not fail the test.
fn ours(report: &Report) -> Vec<&Violation> {
    report.violations.iter().filter(|violation| violation.kind != Kind::Deposed).collect()
}

/// Runs histories with a planted bug until the checker has found it.
fn is_found(bug: Bug, kinds: &[Kind], faults: &[PodKind]) -> Result<(), String> {
    found_in(kinds, bug, |seed| planted(seed, bug, kinds, faults))
}

/// The same for a bug that shows only in the environment of running apps.
fn is_found_in_apps(bug: Bug, faults: &[PodKind]) -> Result<(), String> {
    let kinds = [Kind::SharedIdentity];
    found_in(&kinds, bug, |seed| {
        let mut scenario = planted(seed, bug, &kinds, faults);
        // A name that was lost or released is granted to another pod within seconds.
        scenario.validity = Duration::from_secs(3);
        scenario.menu.validity = scenario.validity;
        scenario.quarantine = Duration::from_secs(5);
        scenario.kubelet = true;
        scenario
    })
}

fn found_in(kinds: &[Kind], bug: Bug, scenario: impl Fn(u64) -> Scenario) -> Result<(), String> {
    let first = seed();
    let mut took = Duration::ZERO;
    for attempt in 0..ATTEMPTS {
        let scenario = scenario(first + attempt);
        let report = history(scenario).map_err(|failure| format!("no history: {failure}"))?;
        took += report.took;
        let found = report.violations.iter().find(|violation| kinds.contains(&violation.kind));
        if let Some(found) = found {
            println!("planted {bug}: found as {:?} after {took:.1?}", found.kind);
            return Ok(());
        }
    }
    Err(format!("planted {bug} was not found with the seeds {first} to {}", first + ATTEMPTS - 1))
}

/// Sidecars must not keep the rules by giving names up.
#[test]
fn no_slot_runs_out_without_faults() -> Result<(), Failure> {
    let mut scenario = everything(seed(), Duration::from_secs(12), 12);
    scenario.menu.members = false;
    scenario.menu.pod_kinds.clear();
    scenario.menu.wipe_at = None;
    let renewing = scenario.validity / 3;
    let report = history(scenario)?;
    assert_eq!(ours(&report), Vec::<&Violation>::new());
    // A stall of the machine that is longer than the time between renewals counts as a fault.
    assert!(report.ran_out == 0 || report.stalled > renewing, "{} slots ran out", report.ran_out);
    Ok(())
}

/// Holders renew at the new leader while the old one is frozen for longer than S.
#[test]
fn no_two_pods_share_a_name_after_a_frozen_leader_has_ended_slots_early() -> Result<(), Failure> {
    let mut scenario = everything(seed(), Duration::from_secs(20), 18);
    scenario.menu.only_pauses = true;
    scenario.menu.pod_kinds = vec![PodKind::Delete];
    scenario.menu.pod_pace = Duration::from_secs(2);
    scenario.menu.wipe_at = None;
    assert_eq!(ours(&history(scenario)?), Vec::<&Violation>::new());
    Ok(())
}

#[test]
fn a_short_history_of_twelve_sidecars_has_no_violation() -> Result<(), Failure> {
    let mut scenario = everything(seed(), Duration::from_secs(15), 12);
    scenario.menu.wipe_at = None;
    assert_eq!(ours(&history(scenario)?), Vec::<&Violation>::new());
    Ok(())
}

/// The older sidecar gets SIGTERM while it holds a name, or waits with the same ticket as the newer one.
#[test]
fn two_sidecars_of_one_pod_cause_no_violation() -> Result<(), Failure> {
    let mut scenario = everything(seed(), Duration::from_secs(20), 24);
    scenario.menu.members = false;
    scenario.menu.wipe_at = None;
    scenario.menu.pod_kinds = vec![PodKind::Twin, PodKind::Double, PodKind::Delete];
    assert_eq!(ours(&history(scenario)?), Vec::<&Violation>::new());
    Ok(())
}

/// Node IDs change holders while wall clocks are set by up to hours, and every pod mints all the time.
#[test]
fn no_id_is_minted_twice_when_wall_clocks_are_set() -> Result<(), Failure> {
    let mut scenario = everything(seed(), Duration::from_secs(20), 24);
    scenario.minting = true;
    scenario.menu.wipe_at = None;
    scenario.menu.pod_kinds = vec![
        PodKind::Kill,
        PodKind::Freeze,
        PodKind::Delete,
        PodKind::Lose,
        PodKind::Cut,
        PodKind::Clock,
        PodKind::Clock,
    ];
    let report = history(scenario)?;
    assert_eq!(ours(&report), Vec::<&Violation>::new());
    assert!(report.minted > 0, "no ID was minted");
    Ok(())
}

#[test]
fn no_two_running_apps_have_one_identity_when_sidecars_are_stopped_frozen_and_killed()
-> Result<(), Failure> {
    let report = history(environments(seed(), Duration::from_secs(50), 18))?;
    assert_eq!(ours(&report), Vec::<&Violation>::new());
    Ok(())
}

#[test]
fn sixty_sidecars_cause_no_violation_under_all_faults() -> Result<(), Failure> {
    let span = Duration::from_secs(60 * number("CAIRN_FAULT_MINUTES").unwrap_or(1));
    assert_eq!(ours(&history(everything(seed(), span, 60))?), Vec::<&Violation>::new());
    Ok(())
}

#[test]
fn planted_claims_without_the_compare_of_quarantines_are_found() -> Result<(), String> {
    is_found(Bug::NoQuarantine, &[Kind::ClaimedWhileResting], &[PodKind::Delete])
}

#[test]
fn a_planted_release_without_compares_is_found() -> Result<(), String> {
    is_found(Bug::BlindRelease, &[Kind::Overlap, Kind::Outlived], &[PodKind::Twin])
}

#[test]
fn a_planted_renewal_without_an_answer_is_found() -> Result<(), String> {
    is_found(Bug::FalseRenewal, &[Kind::Overlap, Kind::Outlived], &[PodKind::Cut])
}

#[test]
fn a_planted_slow_boot_clock_is_found() -> Result<(), String> {
    is_found(Bug::SlowClock, &[Kind::Overlap, Kind::Outlived], &[PodKind::Cut, PodKind::Freeze])
}

#[test]
fn planted_tickets_without_their_guard_are_found() -> Result<(), String> {
    is_found(Bug::UnguardedQueue, &[Kind::HolderQueues], &[PodKind::Delete])
}

#[test]
fn a_planted_lease_that_is_shorter_than_its_answer_says_is_found() -> Result<(), String> {
    is_found(Bug::ShortLease, &[Kind::Overlap, Kind::Outlived], &[PodKind::Cut, PodKind::Freeze])
}

#[test]
fn planted_claims_ahead_of_the_queue_are_found() -> Result<(), String> {
    is_found(Bug::JumpedQueue, &[Kind::Overtaken], &[PodKind::Delete])
}

#[test]
fn a_planted_release_without_a_quarantine_record_is_found() -> Result<(), String> {
    is_found_in_apps(Bug::ForgetfulRelease, &[PodKind::Term, PodKind::Delete])
}

#[test]
fn a_planted_app_without_a_liveness_probe_is_found() -> Result<(), String> {
    is_found_in_apps(Bug::NoStop, &[PodKind::Term, PodKind::Term, PodKind::Cut])
}
