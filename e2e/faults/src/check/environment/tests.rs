use std::collections::BTreeMap;

use cairn_core::claim::Holder;
use cairn_core::time::UnixMillis;

use super::*;
use crate::history::{Change, Generation, Put, Step};

const SECOND: u64 = 1_000_000_000;
const NODES: &str = "/cairn/v1/cluster/nodes/-/";
const PEAKS: &str = "/cairn/v1/ns/faults/c/peaks/checkout/";

fn run(uid: &str, name: &str, from: u64, to: Option<u64>) -> Run {
    Run {
        uid: uid.to_owned(),
        environment: vec![(NODES.to_owned(), name.to_owned())],
        restart: false,
        started: from * SECOND,
        ended: to.map(|to| to * SECOND),
        answered: true,
    }
}

fn judged(runs: &[Run], history: &History) -> (usize, Accepted) {
    let layout = Layout::new(3, 3, Duration::from_secs(4), Duration::from_secs(2)).unwrap();
    let evidence = Evidence { taken: 100 * SECOND, runs: runs.to_vec(), ..Evidence::default() };
    let (violations, accepted) = check(&layout, &evidence, history);
    (violations.len(), accepted)
}

fn found(runs: &[Run]) -> usize {
    judged(runs, &History::default()).0
}

#[test]
fn two_running_apps_with_one_identity_are_found() {
    assert_eq!(found(&[run("a", "1", 10, Some(20)), run("b", "1", 19, Some(30))]), 1);
    assert_eq!(found(&[run("b", "1", 12, None), run("a", "1", 10, None)]), 1);
}

#[test]
fn apps_that_follow_one_another_or_have_different_names_are_no_violation() {
    assert_eq!(found(&[run("a", "1", 10, Some(20)), run("b", "1", 20, None)]), 0);
    assert_eq!(found(&[run("a", "1", 10, None), run("b", "2", 12, None)]), 0);
    assert_eq!(found(&[run("a", "1", 10, None), run("a", "1", 12, None)]), 0);
}

#[test]
fn only_a_brief_restart_beside_a_sidecar_that_does_not_answer_is_accepted() {
    let restart = |to, answered| Run { restart: true, answered, ..run("a", "1", 20, Some(to)) };
    let judged = |restart: Run| judged(&[restart, run("b", "1", 12, None)], &History::default());
    let accepted = Accepted { brief: 1, longest: Duration::from_secs(2), kept: 0 };
    assert_eq!(judged(restart(22, false)), (0, accepted));
    assert_eq!(judged(restart(24, false)).0, 1);
    assert_eq!(judged(restart(22, true)).0, 1);
}

#[test]
fn a_stall_of_the_harness_does_not_count_as_part_of_a_brief_run() {
    let stall = Stall { at: 23 * SECOND, lasted: Duration::from_secs(2) };
    let restart = Run { restart: true, answered: false, ..run("a", "1", 20, Some(24)) };
    assert!(is_brief(&restart, &[stall], 100 * SECOND));
    assert!(!is_brief(&restart, &[], 100 * SECOND));
}

/// A claim of `a` that ends at second 20, with a quarantine or without.
fn claim_of_a(path: &str, rests: bool) -> History {
    let slot = SlotRecord {
        holder: Holder { uid: "a".into(), ..Holder::default() },
        nonce: "n".into(),
        since: UnixMillis(0),
        validity_ms: 4000,
        quarantine_ms: 2000,
    };
    let put = |value| Some(Put { value, create_revision: 3 });
    let change = |key: &str, put| Change { key: format!("{path}{key}"), put };
    let mut last = vec![change("s/1", None)];
    last.extend(rests.then(|| change("x/1", put(Vec::new()))));
    let step = |seen: u64, changes| Step { seen: seen * SECOND, changes };
    let generation: Generation = BTreeMap::from([
        (3, step(10, vec![change("s/1", put(serde_json::to_vec(&slot).unwrap()))])),
        (5, step(20, last)),
    ]);
    History { generations: vec![generation] }
}

#[test]
fn a_shared_identity_is_accepted_only_in_keep_pools_and_after_the_lease_has_run_out() {
    let both = |path: &str, started| {
        [run("a", "1", 11, None), run("b", "1", started, None)]
            .map(|run| Run { environment: vec![(path.to_owned(), "1".to_owned())], ..run })
    };
    let kept = Accepted { kept: 1, ..Accepted::default() };
    assert_eq!(judged(&both(PEAKS, 21), &claim_of_a(PEAKS, false)), (0, kept));
    assert_eq!(judged(&both(PEAKS, 19), &claim_of_a(PEAKS, false)).0, 1);
    assert_eq!(judged(&both(PEAKS, 21), &claim_of_a(PEAKS, true)).0, 1);
    assert_eq!(judged(&both(NODES, 21), &claim_of_a(NODES, false)).0, 1);
}
