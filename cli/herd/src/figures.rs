//! The figures of a benchmark, from the results of its claimants.

use std::time::Duration;

use crate::claimants::RunResult;

/// The figures of one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// The number of claimants.
    pub pods: usize,
    /// The number of claimants that got a name.
    pub held: usize,
    /// The time from the start to the last claim.
    pub wall: Duration,
    /// The median of the times from the start to a claim.
    pub p50: Duration,
    /// The 99th percentile of the times from the start to a claim.
    pub p99: Duration,
    /// The largest number of round trips of a claim.
    pub most_rounds: usize,
    /// The number of failed requests, most of them timeouts.
    pub failures: usize,
    /// The number of lost names.
    pub losses: usize,
    /// Whether exactly the lowest names were claimed, each once.
    pub lowest: bool,
    /// Whether the order of names is the order of tickets.
    pub in_order: bool,
}

// === impl Figures ===

impl Figures {
    /// Calculates the figures.
    pub fn of(results: &[RunResult]) -> Self {
        let mut spans: Vec<Duration> =
            results.iter().filter_map(|result| result.held.map(|(after, _)| after)).collect();
        spans.sort_unstable();
        let mut names: Vec<usize> = held(results).map(|(_, index, _)| index).collect();
        names.sort_unstable();
        Self {
            pods: results.len(),
            held: spans.len(),
            wall: spans.last().copied().unwrap_or_default(),
            p50: percentile(&spans, 50),
            p99: percentile(&spans, 99),
            most_rounds: held(results).map(|(.., rounds)| rounds).max().unwrap_or_default(),
            failures: results.iter().map(|result| result.failures).sum(),
            losses: results.iter().map(|result| result.losses).sum(),
            lowest: names.iter().copied().eq(0..names.len()),
            in_order: in_order(results),
        }
    }
}

/// The smallest of these sorted values that `percent` of them do not exceed (nearest rank).
pub fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

/// The quotient; `whole` counts as at least 1.
pub fn ratio(part: u64, whole: usize) -> f64 {
    let number = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    number(part) / number(u64::try_from(whole).unwrap_or(u64::MAX)).max(1.0)
}

fn held(results: &[RunResult]) -> impl Iterator<Item = (Option<i64>, usize, usize)> {
    results.iter().filter_map(|result| {
        let (_, held) = result.held?;
        Some((result.ticket, held.index, held.rounds))
    })
}

/// A pod counts with its last ticket. A pod that does not know its ticket, because the response was lost, is left out.
fn in_order(results: &[RunResult]) -> bool {
    let mut pairs: Vec<(i64, usize)> = held(results)
        .filter_map(|(ticket, index, _)| ticket.map(|ticket| (ticket, index)))
        .collect();
    pairs.sort_unstable();
    pairs.is_sorted_by_key(|(_, index)| *index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claimants::HeldName;

    fn millis(values: &[u64]) -> Vec<Duration> {
        values.iter().copied().map(Duration::from_millis).collect()
    }

    fn result(ticket: Option<i64>, after: u64, index: usize, revision: i64) -> RunResult {
        let held = HeldName { index, revision, rounds: 3 };
        RunResult {
            ticket,
            held: Some((Duration::from_millis(after), held)),
            ..RunResult::default()
        }
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let hundred: Vec<u64> = (1..=100).collect();
        assert_eq!(percentile(&millis(&hundred), 99), Duration::from_millis(99));
        assert_eq!(percentile(&millis(&hundred), 50), Duration::from_millis(50));
        assert_eq!(percentile(&millis(&[7]), 99), Duration::from_millis(7));
        assert_eq!(percentile(&[], 50), Duration::ZERO);
    }

    #[test]
    fn names_in_the_order_of_tickets_are_in_order_whatever_the_times_are() {
        let fair = [result(Some(20), 9, 2, 40), result(None, 3, 0, 10), result(Some(12), 8, 1, 44)];
        let figures = Figures::of(&fair);
        assert_eq!((figures.pods, figures.held, figures.most_rounds), (3, 3, 3));
        assert_eq!(figures.wall, Duration::from_millis(9));
        assert!(figures.lowest && figures.in_order);
    }

    #[test]
    fn a_gap_is_not_a_wrong_order() {
        let gap = Figures::of(&[result(Some(2), 1, 0, 5), result(Some(3), 1, 2, 6)]);
        assert!(!gap.lowest && gap.in_order);
        let swapped = Figures::of(&[result(Some(2), 1, 1, 5), result(Some(3), 1, 0, 6)]);
        assert!(swapped.lowest && !swapped.in_order);
        let cut_off = Figures::of(&[result(None, 1, 0, 5), RunResult::default()]);
        assert_eq!((cut_off.pods, cut_off.held), (2, 1));
    }

    #[test]
    fn the_ratio_to_nothing_is_the_ratio_to_one() {
        assert!((ratio(6, 2) - 3.0).abs() < f64::EPSILON);
        assert!((ratio(6, 0) - 6.0).abs() < f64::EPSILON);
    }
}
