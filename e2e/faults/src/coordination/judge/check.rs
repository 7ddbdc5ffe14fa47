//! The comparisons of spans.

use std::collections::BTreeMap;
use std::time::Duration;

use cairn_core::coordination::owner::Ownable;
use cairn_core::coordination::validity::MARGIN;

use super::{Kind, Violation};
use crate::boottime::{self, Nanos, nanos};
use crate::coordination::journal::{Ending, Span};

/// The margin as a right clock sees it when the waiting member's clock is too fast, in 1/100.
const MARGIN_PART: u64 = 97;

/// Violations of what holds at every instant.
pub fn judge(spans: &[Span]) -> Vec<Violation> {
    let mut found = Vec::new();
    for spans in by_thing(spans).values() {
        for (index, old) in spans.iter().enumerate() {
            let others = spans.iter().skip(index + 1).filter(|new| new.uid != old.uid);
            found.extend(others.clone().filter_map(|new| compare(old, new)));
        }
    }
    found.extend(two_maps(spans));
    found.sort_by_key(|violation| violation.at);
    found
}

/// What these pods served at their instants and nobody served again within `limit`.
pub fn gaps(spans: &[Span], stopped: &[(Nanos, String)], limit: Duration) -> Vec<Violation> {
    let by_thing = by_thing(spans);
    let mut found = Vec::new();
    for (at, uid) in stopped {
        for (of, spans) in &by_thing {
            let served = |span: &&&Span| {
                span.uid == *uid
                    && (span.first..=span.until).contains(at)
                    && span.ending != Ending::GivenUp
            };
            if spans.iter().find(served).is_none() {
                continue;
            }
            let again = spans.iter().map(|span| span.first).find(|first| first > at);
            let gap = again.map(|again| boottime::between(*at, again));
            if gap.is_none_or(|gap| gap > limit) {
                let text = format!("{of} of {uid} was served again after {gap:.2?}, not {limit:?}");
                found.push(Violation { kind: Kind::Gap, at: *at, text });
            }
        }
    }
    found
}

/// What went from one pod to another after this instant.
pub fn restless(spans: &[Span], since: Nanos) -> Vec<Violation> {
    let mut found = Vec::new();
    for (of, spans) in by_thing(spans) {
        for (old, new) in spans.iter().zip(spans.iter().skip(1)) {
            if new.first > since && old.uid != new.uid {
                let text =
                    format!("{of} went from {} to {}, and nothing happened", old.uid, new.uid);
                found.push(Violation { kind: Kind::NotQuiet, at: new.first, text });
            }
        }
    }
    found
}

/// The longest time between two servers of one thing, with the thing.
pub fn longest_gap(spans: &[Span]) -> Option<(Duration, Ownable)> {
    let mut longest: Option<(Duration, Ownable)> = None;
    for (of, spans) in by_thing(spans) {
        let mut until: Option<Nanos> = None;
        for span in spans {
            let gap = until.map(|until| boottime::between(until, span.first)).unwrap_or_default();
            longest = longest.max(Some((gap, of)));
            until = until.max(Some(span.until));
        }
    }
    longest
}

/// How often something went from one pod to another.
pub fn moves(spans: &[Span]) -> usize {
    let by_thing = by_thing(spans);
    let next = by_thing.values().flat_map(|spans| spans.iter().zip(spans.iter().skip(1)));
    next.filter(|(old, new)| old.uid != new.uid).count()
}

/// The spans of each thing, in the order of their beginnings.
fn by_thing(spans: &[Span]) -> BTreeMap<Ownable, Vec<&Span>> {
    let mut by_thing: BTreeMap<Ownable, Vec<&Span>> = BTreeMap::new();
    for span in spans {
        by_thing.entry(span.of).or_default().push(span);
    }
    for spans in by_thing.values_mut() {
        spans.sort_by_key(|span| (span.first, span.fence));
    }
    by_thing
}

/// `new` has begun later.
fn compare(old: &Span, new: &Span) -> Option<Violation> {
    let of = old.of;
    let text = |what: &str| {
        let from = boottime::between(old.until, new.first);
        let overlap = boottime::between(new.first, old.until);
        format!(
            "{of} {what}: {} with fence {} until {} ({:?}), {} with fence {} from {}, {from:.2?} later, \
             {overlap:.2?} before its end",
            old.uid, old.fence, old.until, old.ending, new.uid, new.fence, new.first
        )
    };
    let found = |kind, what| Some(Violation { kind, at: new.first, text: text(what) });
    if new.first < old.until {
        return found(Kind::Overlap, "is served twice at one instant");
    }
    if new.fence <= old.fence {
        return found(Kind::FenceOrder, "has no greater fence");
    }
    let margin = nanos(MARGIN) / 100 * MARGIN_PART;
    if old.ending == Ending::Deadline && new.first < old.until.saturating_add(margin) {
        return found(Kind::Margin, "is served again before the margin has passed");
    }
    None
}

fn two_maps(spans: &[Span]) -> Vec<Violation> {
    let mut shards: Vec<&Span> = spans.iter().filter(|span| span.of != Ownable::Leader).collect();
    shards.sort_by_key(|span| span.first);
    // The span of each map that ends last, so far.
    let mut last: BTreeMap<u32, &Span> = BTreeMap::new();
    let mut found = Vec::new();
    for new in shards {
        let others = last.values().filter(|old| old.map != new.map && old.uid != new.uid);
        for old in others.filter(|old| new.first < old.until) {
            let text = format!(
                "{} of {} shards is served by {} from {}, and {} of {} shards by {} until {}",
                new.of, new.map, new.uid, new.first, old.of, old.map, old.uid, old.until
            );
            found.push(Violation { kind: Kind::TwoMaps, at: new.first, text });
        }
        let kept = last.entry(new.map).or_insert(new);
        if new.until > kept.until {
            *kept = new;
        }
    }
    found
}
