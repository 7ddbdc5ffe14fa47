//! Who served what, and when: what the members' apps were told, on one clock.
//!
//! A span begins when the app was told that it may serve, and ends when the app has stopped: told to, or because its
//! deadline has passed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cairn_core::coordination::owner::Ownable;
use cairn_core::time::BootInstant;

/// The end of a span that is not over.
const OPEN: BootInstant = BootInstant::from_nanos(u64::MAX);

/// One member serves one thing under one fence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// What.
    pub of: Ownable,
    /// Who.
    pub member: usize,
    /// The revision of the fence.
    pub fence: i64,
    /// The first instant.
    pub from: BootInstant,
    /// The last instant.
    pub until: BootInstant,
}

/// The spans of one group. Clones are the same journal.
#[derive(Clone, Debug, Default)]
pub struct Journal(Arc<Mutex<Vec<Span>>>);

/// What the spans of a group show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The times from the end of a span to the beginning of the next one at another member, sorted.
    pub gaps: Vec<Duration>,
    /// How often something was served by two members at one instant.
    pub overlaps: usize,
    /// How often a later server had no greater fence.
    pub old_fences: usize,
}

// === impl Journal ===

impl Journal {
    /// A span begins. The answer is its place.
    pub fn begin(&self, of: Ownable, member: usize, fence: i64, from: BootInstant) -> usize {
        let mut spans = self.lock();
        spans.push(Span { of, member, fence, from, until: OPEN });
        spans.len() - 1
    }

    /// The span at this place ends.
    pub fn end(&self, place: usize, until: BootInstant) {
        if let Some(span) = self.lock().get_mut(place) {
            span.until = until;
        }
    }

    /// What happened from this instant on: the hand-overs to spans that began after it.
    pub fn verdict(&self, since: BootInstant, is: impl Fn(Ownable) -> bool) -> Verdict {
        judge(&self.lock(), since, is)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Span>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn judge(spans: &[Span], since: BootInstant, is: impl Fn(Ownable) -> bool) -> Verdict {
    let mut by_thing: BTreeMap<Ownable, Vec<&Span>> = BTreeMap::new();
    for span in spans.iter().filter(|span| is(span.of)) {
        by_thing.entry(span.of).or_default().push(span);
    }
    let mut verdict = Verdict::default();
    for spans in by_thing.values_mut() {
        spans.sort_by_key(|span| (span.from, span.fence));
        let mut last: Option<&Span> = None;
        for span in spans.iter().copied() {
            if let Some(before) = last.filter(|before| before.member != span.member)
                && span.from >= since
            {
                verdict.gaps.push(span.from.since(before.until));
                verdict.overlaps += usize::from(span.from < before.until);
                verdict.old_fences += usize::from(span.fence <= before.fence);
            }
            if last.is_none_or(|before| span.until >= before.until) {
                last = Some(span);
            }
        }
    }
    verdict.gaps.sort_unstable();
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(shard: u32, member: usize, fence: i64, from: u64, until: u64) -> Span {
        let at = |millis: u64| BootInstant::from_nanos(millis * 1_000_000);
        Span { of: Ownable::Shard(shard), member, fence, from: at(from), until: at(until) }
    }

    fn all(spans: &[Span]) -> Verdict {
        judge(spans, BootInstant::default(), |_| true)
    }

    #[test]
    fn a_hand_over_lasts_from_the_end_to_the_next_beginning() {
        let spans = [span(0, 1, 5, 0, 10), span(1, 1, 6, 0, 50), span(0, 2, 9, 14, 30)];
        let verdict = all(&spans);
        assert_eq!(verdict.gaps, [Duration::from_millis(4)]);
        assert_eq!((verdict.overlaps, verdict.old_fences), (0, 0));
    }

    #[test]
    fn two_servers_at_one_instant_and_old_fences_are_found() {
        let verdict = all(&[span(0, 1, 5, 0, 10), span(0, 2, 4, 9, 30)]);
        assert_eq!((verdict.overlaps, verdict.old_fences), (1, 1));
        assert_eq!(verdict.gaps, [Duration::ZERO]);
        // The second server is over before the first one: the third is compared with the first.
        let verdict = all(&[span(0, 1, 5, 0, 100), span(0, 2, 6, 9, 30), span(0, 3, 7, 50, 60)]);
        assert_eq!(verdict.overlaps, 2);
    }

    #[test]
    fn the_same_member_under_another_fence_is_no_hand_over() {
        assert_eq!(all(&[span(0, 1, 5, 0, 10), span(0, 1, 6, 14, 30)]), Verdict::default());
    }

    #[test]
    fn only_spans_that_began_since_then_count() {
        let spans = [span(0, 1, 5, 0, 10), span(0, 2, 9, 14, 30), span(0, 3, 11, 33, 40)];
        let since = BootInstant::from_nanos(20_000_000);
        assert_eq!(judge(&spans, since, |_| true).gaps, [Duration::from_millis(3)]);
        assert!(judge(&spans, since, |of| of == Ownable::Leader).gaps.is_empty());
    }
}
