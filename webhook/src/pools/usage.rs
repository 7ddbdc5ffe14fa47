//! The usage of a pool in words: holders, waiting pods, quarantines and reserved time.

use std::fmt::Write as _;

use cairn_core::time::UnixMillis;

use crate::mirror::Counts;
use crate::timestamp;

/// What of a pool is in use; `None` if nothing is. The numbers are complete; only the first few names are listed.
pub fn summary(counts: &Counts, now: UnixMillis) -> Option<String> {
    let mut parts = Vec::new();
    if counts.held > 0 {
        let what = if counts.held == 1 { "1 name is held" } else { "names are held" };
        parts.push(listed(what, counts.held, &counts.holders));
    }
    let waiting = counts.waiting + counts.leaving;
    if waiting > 0 {
        let what = if waiting == 1 { "1 pod has no name" } else { "pods have no name" };
        parts.push(listed(what, waiting, &counts.waiters));
    } else if counts.tickets > 0 {
        parts.push("a ticket of a pod that is gone has yet to run out".to_owned());
    }
    match counts.quarantined {
        0 => {}
        1 => parts.push("1 name rests".to_owned()),
        many => parts.push(format!("{many} names rest")),
    }
    if let Some(until) = counts.reserved_until.filter(|until| *until >= now) {
        parts.push(format!("time is reserved until {}", timestamp::of(until)));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn listed(what: &str, count: u64, some: &[String]) -> String {
    let mut text = if count == 1 { what.to_owned() } else { format!("{count} {what}") };
    if !some.is_empty() {
        let more = count.saturating_sub(u64::try_from(some.len()).unwrap_or(u64::MAX));
        let _ = write!(text, " ({}", some.join(", "));
        if more > 0 {
            let _ = write!(text, " and {more} more");
        }
        text.push(')');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holders_are_counted_and_the_first_few_are_named() {
        let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let counts = Counts {
            held: 5,
            waiting: 1,
            quarantined: 2,
            holders: named(&["orchard/cellar-1: 0", "orchard/cellar-2: 1"]),
            waiters: named(&["orchard/cellar-9"]),
            reserved_until: Some(UnixMillis(1_795_230_000_000)),
            ..Counts::default()
        };
        assert_eq!(
            summary(&counts, UnixMillis(1_795_229_999_999)).unwrap(),
            "5 names are held (orchard/cellar-1: 0, orchard/cellar-2: 1 and 3 more), \
             1 pod has no name (orchard/cellar-9), 2 names rest, time is reserved until 2026-11-21T03:00:00Z"
        );
        let one = Counts { held: 1, holders: named(&["a/b: C"]), ..Counts::default() };
        assert_eq!(summary(&one, UnixMillis(0)).unwrap(), "1 name is held (a/b: C)");
        assert_eq!(summary(&Counts::default(), UnixMillis(0)), None);
    }

    #[test]
    fn a_pool_is_unused_only_when_nothing_could_be_granted_since_it_was_counted() {
        use crate::mirror::SpecSeen;
        let now = UnixMillis(5_000);
        let with = |spec| Counts { spec, ..Counts::default() };
        assert_eq!(with(SpecSeen::Open).unused_at(now), None);
        assert_eq!(with(SpecSeen::Closed(7)).unused_at(now), Some(7));
        assert_eq!(with(SpecSeen::Absent).unused_at(now), Some(0));
        let closed = with(SpecSeen::Closed(7));
        for used in [
            Counts { slots: 1, ..closed.clone() },
            Counts { waiting: 1, ..closed.clone() },
            Counts { leaving: 1, ..closed.clone() },
            Counts { quarantined: 1, ..closed.clone() },
            Counts { tickets: 1, ..closed.clone() },
            Counts { reserved_until: Some(UnixMillis(-25_000)), ..closed.clone() },
        ] {
            assert_eq!(used.unused_at(now), None, "{used:?}");
        }
        let passed = Counts { reserved_until: Some(UnixMillis(-25_001)), ..closed };
        assert_eq!(passed.unused_at(now), Some(7));
    }
}
