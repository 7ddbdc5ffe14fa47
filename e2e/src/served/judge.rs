//! The comparisons of spans.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Ending, Span, between};

/// Whoever takes over after a deadline waits for this margin. Apps and sidecars of one machine have one clock.
const MARGIN: Duration = Duration::from_secs(2);

/// What must never be: two pods serve a shard at one instant, a later pod has no greater fence, or serves sooner than
/// the margin after a deadline that has passed.
pub fn faults(spans: &[Span]) -> Vec<String> {
    let mut found = Vec::new();
    for spans in by_shard(spans).values() {
        for (index, old) in spans.iter().enumerate() {
            let later = spans.iter().skip(index + 1).filter(|new| new.by.uid != old.by.uid);
            found.extend(later.filter_map(|new| fault(old, new)));
        }
    }
    found
}

/// How often a shard went from one pod to another.
pub fn moves(spans: &[Span]) -> usize {
    let by_shard = by_shard(spans);
    let next = by_shard.values().flat_map(|spans| spans.iter().zip(spans.iter().skip(1)));
    next.filter(|(old, new)| old.by.uid != new.by.uid).count()
}

/// How long shards were served by nobody between two who served them, the shortest first, with the shard.
pub fn gaps(spans: &[Span]) -> Vec<(Duration, u32)> {
    let mut found = Vec::new();
    for (shard, spans) in by_shard(spans) {
        let mut until: Option<u64> = None;
        for span in spans {
            found.extend(until.map(|until| (between(until, span.from), shard)));
            until = until.max(Some(span.until));
        }
    }
    found.sort_unstable();
    found
}

/// The last of [`gaps`].
pub fn longest_gap(spans: &[Span]) -> (Duration, u32) {
    gaps(spans).pop().unwrap_or_default()
}

/// `new` has begun later.
fn fault(old: &Span, new: &Span) -> Option<String> {
    let what = if new.from < old.until {
        "is served twice at one instant"
    } else if new.fence <= old.fence {
        "has no greater fence"
    } else if old.ending != Ending::Stopped && between(old.until, new.from) < MARGIN {
        "is served again before the margin has passed"
    } else {
        return None;
    };
    Some(format!(
        "shard {} {what}: by {} under {:?} until {} ({:?}), by {} under {:?} from {}",
        old.shard, old.by.pod, old.fence, old.until, old.ending, new.by.pod, new.fence, new.from
    ))
}

/// The spans of each shard, in the order of their beginnings.
fn by_shard(spans: &[Span]) -> BTreeMap<u32, Vec<&Span>> {
    let mut by_shard: BTreeMap<u32, Vec<&Span>> = BTreeMap::new();
    for span in spans {
        by_shard.entry(span.shard).or_default().push(span);
    }
    for spans in by_shard.values_mut() {
        spans.sort_by_key(|span| (span.from, span.fence));
    }
    by_shard
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kept_logs::Origin;

    const S: u64 = 1_000_000_000;

    fn span(uid: &str, revision: i64, from: u64, until: u64) -> Span {
        let by = Origin { pod: uid.to_owned(), uid: uid.to_owned(), restart: 0 };
        let (fence, ending) = ((1, revision), Ending::Stopped);
        Span { shard: 3, by, fence, from, until, said: Some(until), ending }
    }

    fn found(spans: &[Span], what: &str) -> bool {
        let found = faults(spans);
        assert!(found.len() <= 1, "{found:?}");
        found.first().is_some_and(|fault| fault.contains(what))
    }

    #[test]
    fn one_after_the_other_is_no_fault() {
        let spans =
            [span("a", 3, S, 2 * S), span("b", 5, 2 * S, 3 * S), span("b", 5, 4 * S, 5 * S)];
        assert_eq!(faults(&spans), [""; 0]);
        assert_eq!((moves(&spans), longest_gap(&spans)), (1, (Duration::from_secs(1), 3)));
    }

    #[test]
    fn two_at_one_instant_are_found() {
        let twice = "twice at one instant";
        assert!(found(&[span("a", 3, S, 3 * S), span("b", 5, 2 * S, 4 * S)], twice));
        assert!(found(&[span("a", 3, S, 9 * S), span("b", 5, 2 * S, 3 * S)], twice));
        assert_eq!(faults(&[span("a", 3, S, 3 * S), span("a", 5, 2 * S, 4 * S)]), [""; 0]);
        let other = Span { shard: 4, ..span("b", 5, 2 * S, 4 * S) };
        assert_eq!(faults(&[span("a", 3, S, 3 * S), other]), [""; 0]);
    }

    #[test]
    fn a_fence_that_does_not_grow_is_found() {
        let first = span("a", 5, S, 2 * S);
        assert!(found(&[first.clone(), span("b", 5, 3 * S, 4 * S)], "no greater fence"));
        let next_epoch = Span { fence: (2, 1), ..span("b", 1, 3 * S, 4 * S) };
        assert_eq!(faults(&[first, next_epoch]), [""; 0]);
    }

    #[test]
    fn a_deadline_that_has_passed_is_followed_by_the_margin() {
        for ending in [Ending::Deadline, Ending::Open] {
            let silent = Span { ending, ..span("a", 3, S, 2 * S) };
            assert!(found(&[silent.clone(), span("b", 5, 4 * S - 1, 5 * S)], "margin"));
            assert_eq!(faults(&[silent, span("b", 5, 4 * S, 5 * S)]), [""; 0]);
        }
    }
}
