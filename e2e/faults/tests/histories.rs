//! Real histories. They need root and an etcd binary; see `make test-faults`.
//!
//! `CAIRN_FAULT_SEED` replays one plan; `CAIRN_FAULT_MINUTES` makes the long history longer.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cairn_faults::boottime;
use cairn_faults::bug::Bug;
use cairn_faults::check::Kind;
use cairn_faults::plan::{Menu, PodKind};
use cairn_faults::run::{Report, Scenario, run};

/// One at a time: each of them has more processes than the machine has cores.
static TURN: Mutex<()> = Mutex::new(());

const SIDECAR: &str = env!("CARGO_BIN_EXE_faulty-sidecar");

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn seed() -> u64 {
    number("CAIRN_FAULT_SEED").unwrap_or_else(|| {
        u64::try_from(boottime::unix_seconds()).unwrap_or_default() * 1000
            + boottime::now() % 1000
    })
}

/// Everything that can go wrong, for a while.
fn everything(seed: u64, span: Duration, pods: usize) -> Scenario {
    let third = pods / 3;
    let validity = Duration::from_secs(4);
    Scenario {
        seed,
        // Two thirds of the pods ask for either: so a quarter of those that ask must wait.
        numbers: u32::try_from(third * 3 / 2).unwrap_or(u32::MAX),
        names: third * 3 / 4,
        validity,
        quarantine: Duration::from_secs(2),
        menu: Menu {
            span,
            pods,
            validity,
            lease: Duration::from_secs(7),
            pod_pace: Duration::from_millis(400),
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
            ],
            members: true,
            wipe_at: Some(span / 2),
        },
        bug: None,
    }
}

fn report(scenario: Scenario) -> Report {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let seed = scenario.seed;
    println!("replay with CAIRN_FAULT_SEED={seed}");
    match run(scenario, Path::new(SIDECAR)) {
        Ok(report) => {
            println!("{report}");
            report
        }
        Err(failure) => panic!("no history of seed {seed}: {failure}\n{failure:?}"),
    }
}

#[test]
fn a_short_history_of_ten_sidecars_holds() {
    let mut scenario = everything(seed(), Duration::from_secs(15), 12);
    scenario.menu.wipe_at = None;
    assert!(report(scenario).violations.is_empty());
}
