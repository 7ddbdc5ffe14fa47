//! Targets that are met and missed, and how figures are written.

use super::targets::targets;
use super::*;
use crate::coordination::handover::HandOvers;
use crate::coordination::journal::Verdict;
use crate::coordination::lookups::{self, Speed};
use crate::coordination::plans;
use crate::coordination::rollout::Rollout;
use crate::coordination::scale::Scale;

fn line<'t>(text: &'t str, what: &str) -> &'t str {
    text.lines().find(|line| line.contains(what)).unwrap_or_default()
}

#[test]
fn a_time_has_up_to_three_digits_and_its_unit() {
    let nanos = [17, 999, 1_000, 42_300, 123_456, 7_650_000, 1_500_000_000, 23_300_000_000];
    let texts = nanos.map(|nanos| span(Duration::from_nanos(nanos)));
    let expected =
        ["17 ns", "999 ns", "1.00 µs", "42.3 µs", "123 µs", "7.65 ms", "1.50 s", "23.3 s"];
    assert_eq!(texts, expected);
}

#[test]
fn a_target_is_met_below_it_and_missed_at_it() {
    let speed =
        |nanos| Speed { algorithm: Algorithm::Map, members: 10, took: Duration::from_nanos(nanos) };
    for (nanos, met) in [(19, "yes"), (20, "NO")] {
        let figures = Figures { speeds: vec![speed(nanos)], ..Figures::default() };
        let text = targets(&figures).markdown();
        let found = line(&text, "hash, map");
        assert!(found.ends_with(&format!("| < 20 ns | {nanos} ns | {met} |")), "{found}");
    }
}

#[test]
fn two_owners_in_any_measurement_miss_the_target() {
    let verdict = Verdict { overlaps: 1, ..Verdict::default() };
    let cairn = Moved { verdict, ..Moved::default() };
    let handovers = HandOvers { cairn, members: 2, ..HandOvers::default() };
    let rollout = Rollout { pods: 1, ..Rollout::default() };
    let figures = Figures { handovers, rollout, ..Figures::default() };
    let text = targets(&figures).markdown();
    assert!(line(&text, "hand-overs: two owners").ends_with("| never | 1 | NO |"), "{text}");
    assert!(line(&text, "rollout: two owners").ends_with("| never | 0 | yes |"), "{text}");
}

#[test]
fn a_large_group_that_could_not_be_measured_is_a_missed_target() {
    let figures = Figures { scale_failure: Some("too busy".to_owned()), ..Figures::default() };
    let text = targets(&figures).markdown();
    assert!(line(&text, "large group").ends_with("| yes | too busy | NO |"), "{text}");
}

#[test]
fn what_was_not_measured_has_no_row() {
    assert!(all(&Figures::default()).iter().skip(2).all(Table::is_empty));
    assert!(targets(&Figures::default()).is_empty());
}

#[test]
fn the_worst_join_counts_and_a_single_write_of_a_steady_group_misses() {
    let join = |writes, bytes| Change { writes, bytes, ..Change::default() };
    let scale = Scale {
        members: 1000,
        shards: 10_000,
        joins: vec![join(12.0, 1900.0), join(21.0, 2600.0)],
        writes: 0.05,
        ..Scale::default()
    };
    let rollout = Rollout { pods: 10, moves: 1.2, ..Rollout::default() };
    let text = targets(&Figures { rollout, scale, ..Figures::default() }).markdown();
    assert!(line(&text, "joins: Raft writes").ends_with("| ≤ 20 | 21 | NO |"), "{text}");
    assert!(line(&text, "watch bytes").ends_with("| ≤ 2.5 kB | 2.60 kB | NO |"), "{text}");
    assert!(line(&text, "steady: Raft").ends_with("| 0 | 0.05 | NO |"), "{text}");
    assert!(line(&text, "moves per shard").ends_with("| ≤ 1.15 | 1.200 | NO |"), "{text}");
}

#[test]
fn every_row_has_a_cell_for_every_column() {
    let figures = Figures {
        speeds: lookups::speeds(),
        balances: lookups::balances(3, 30),
        plans: vec![plans::measure(3)],
        handovers: HandOvers { members: 2, ..HandOvers::default() },
        rollout: Rollout { pods: 1, ..Rollout::default() },
        scale: Scale { members: 1, joins: vec![Change::default()], ..Scale::default() },
        ..Figures::default()
    };
    for table in all(&figures) {
        let text = table.markdown();
        let bars: Vec<usize> = text.lines().skip(2).map(|line| line.matches('|').count()).collect();
        assert!(!table.is_empty() && bars.iter().all(|count| *count == bars[0]), "{text}");
    }
}
