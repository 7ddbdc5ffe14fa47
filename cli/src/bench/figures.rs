//! What the courses of a race come to, as numbers.

use std::time::Duration;

use super::race::Course;

/// The figures of one race.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// How many claimants there were.
    pub pods: usize,
    /// How many got a name.
    pub held: usize,
    /// From the start to the last name.
    pub wall: Duration,
    /// From the start to the median claimant's name.
    pub p50: Duration,
    /// From the start to the name of the claimant that 99 % were not slower than.
    pub p99: Duration,
    /// The most round trips that a name took.
    pub most_rounds: usize,
    /// How often a name was believed lost afterwards.
    pub losses: usize,
    /// Whether exactly the lowest names were given, each once.
    pub lowest: bool,
    /// Whether names went up in the order of tickets, those without a ticket first.
    pub in_order: bool,
}

// === impl Figures ===

impl Figures {
    /// Adds up.
    pub fn of(courses: &[Course]) -> Self {
        let mut spans: Vec<Duration> =
            courses.iter().filter_map(|course| course.held.map(|(after, _)| after)).collect();
        spans.sort_unstable();
        let mut names: Vec<usize> = held(courses).map(|(_, index, _)| index).collect();
        names.sort_unstable();
        Self {
            pods: courses.len(),
            held: spans.len(),
            wall: spans.last().copied().unwrap_or_default(),
            p50: percentile(&spans, 50),
            p99: percentile(&spans, 99),
            most_rounds: held(courses).map(|(.., rounds)| rounds).max().unwrap_or_default(),
            losses: courses.iter().map(|course| course.losses).sum(),
            lowest: names.iter().copied().eq(0..names.len()),
            in_order: in_order(courses),
        }
    }
}

/// The smallest of these sorted values that `percent` of them do not exceed (nearest rank).
pub fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

/// So many per so many, as a fraction for people.
pub fn ratio(part: u64, whole: usize) -> f64 {
    let number = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    number(part) / number(u64::try_from(whole).unwrap_or(u64::MAX)).max(1.0)
}

fn held(courses: &[Course]) -> impl Iterator<Item = (Option<i64>, usize, usize)> {
    courses.iter().filter_map(|course| {
        let (_, held) = course.held?;
        Some((course.ticket, held.index, held.rounds))
    })
}

/// A pod that loses its ticket with its lease and joins again counts with its last ticket.
fn in_order(courses: &[Course]) -> bool {
    let mut pairs: Vec<(i64, usize)> = courses
        .iter()
        .filter_map(|course| {
            let (_, held) = course.held?;
            Some((course.ticket.unwrap_or(held.revision), held.index))
        })
        .collect();
    pairs.sort_unstable();
    pairs.is_sorted_by_key(|(_, index)| *index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::race::Held;

    fn millis(values: &[u64]) -> Vec<Duration> {
        values.iter().copied().map(Duration::from_millis).collect()
    }

    fn course(ticket: Option<i64>, after: u64, index: usize, revision: i64) -> Course {
        let held = Held { index, revision, rounds: 3 };
        Course { ticket, held: Some((Duration::from_millis(after), held)), ..Course::default() }
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
    fn a_herd_in_order_has_its_names_by_its_tickets_whoever_was_quicker() {
        let fair = [course(Some(20), 9, 2, 40), course(None, 3, 0, 10), course(Some(12), 8, 1, 44)];
        let figures = Figures::of(&fair);
        assert_eq!((figures.pods, figures.held, figures.most_rounds), (3, 3, 3));
        assert_eq!(figures.wall, Duration::from_millis(9));
        assert!(figures.lowest && figures.in_order);
    }

    #[test]
    fn a_gap_and_a_wrong_order_are_told_apart() {
        let gap = Figures::of(&[course(Some(2), 1, 0, 5), course(Some(3), 1, 2, 6)]);
        assert!(!gap.lowest && gap.in_order);
        let swapped = Figures::of(&[course(Some(2), 1, 1, 5), course(Some(3), 1, 0, 6)]);
        assert!(swapped.lowest && !swapped.in_order);
        let cut_off = Figures::of(&[course(None, 1, 0, 5), Course::default()]);
        assert_eq!((cut_off.pods, cut_off.held), (2, 1));
    }

    #[test]
    fn a_ratio_of_nothing_is_no_error() {
        assert!((ratio(6, 2) - 3.0).abs() < f64::EPSILON);
        assert!((ratio(6, 0) - 6.0).abs() < f64::EPSILON);
    }
}
