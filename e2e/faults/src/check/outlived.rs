//! No belief may outlive its slot: a slot that runs out does so at least Q after the last instant at
//! which its holder may have used it, and a slot that is released is used by nobody any more.
//!
//! Sharper than [`super::overlap`]: it needs nobody who takes the name next. A deletion is told after
//! it happened, so a late recorder only makes the rest look longer.

use std::collections::HashMap;
use std::time::Duration;

use cairn_core::claim::Fence;
use cairn_core::keys::Key;

use super::{Kind, Violation};
use crate::boottime::{self, Nanos};
use crate::history::History;
use crate::journal::Hold;
use crate::pools::Layout;

/// How a slot ended.
#[derive(Clone, Copy, Debug)]
struct End {
    seen: Nanos,
    /// A quarantine took its place in the same revision.
    released: bool,
}

/// Compares every hold with the end of its slot. Stores that were wiped end no slot: a hold on the
/// pools covers those.
pub fn check(layout: &Layout, holds: &[Hold], history: &History) -> Vec<Violation> {
    let ends = ends(history);
    let violation = |hold: &Hold| {
        let end = ends.get(&hold.fence)?;
        let quarantine = layout.pool(&hold.pool)?.spec.quarantine;
        let rest = if end.released { Duration::ZERO } else { quarantine };
        if hold.until.saturating_add(boottime::nanos(rest)) <= end.seen {
            return None;
        }
        let how = if end.released { "was released" } else { "ran out" };
        let text = if hold.until > end.seen {
            let late = boottime::between(end.seen, hold.until);
            format!("{} could use it for {late:?} after its slot {how}", hold.uid)
        } else {
            let left = boottime::between(hold.until, end.seen);
            format!("its slot {how} only {left:?} after {} could use it last", hold.uid)
        };
        Some(Violation {
            kind: Kind::Outlived,
            at: end.seen,
            place: hold.place.clone(),
            name: hold.name.clone(),
            text: format!("{text}, fence {}", hold.fence),
        })
    };
    holds.iter().filter_map(violation).collect()
}

fn ends(history: &History) -> HashMap<Fence, End> {
    let mut ends = HashMap::new();
    let mut epoch = 0;
    for generation in &history.generations {
        let mut standing: HashMap<&str, Fence> = HashMap::new();
        for step in generation.values() {
            for change in &step.changes {
                match (&change.put, Key::parse(&change.key)) {
                    (Some(put), Some(Key::Epoch)) => {
                        let text = std::str::from_utf8(&put.value).ok();
                        epoch = text.and_then(|text| text.parse().ok()).unwrap_or(epoch);
                    }
                    (Some(put), Some(Key::Slot(..))) => {
                        let fence = Fence { epoch, revision: put.create_revision };
                        standing.insert(&change.key, fence);
                    }
                    (None, Some(Key::Slot(path, name))) => {
                        let rest = path.quarantine(&name);
                        let released = step
                            .changes
                            .iter()
                            .any(|other| other.put.is_some() && other.key == rest);
                        if let Some(fence) = standing.remove(change.key.as_str()) {
                            ends.insert(fence, End { seen: step.seen, released });
                        }
                    }
                    _ => {}
                }
            }
        }
    }
    ends
}

#[cfg(test)]
mod tests {
    use cairn_core::keys;

    use super::super::overlap::tests::hold;
    use super::*;
    use crate::history::{Change, Generation, Put, Step};

    const SLOT: &str = "/cairn/v1/cluster/nodes/-/s/1";
    const REST: &str = "/cairn/v1/cluster/nodes/-/x/1";
    const SECOND: u64 = 1_000_000_000;

    fn change(key: &str, put: Option<(&str, i64)>) -> Change {
        let put = put.map(|(value, create_revision)| Put {
            value: value.as_bytes().to_vec(),
            create_revision,
        });
        Change { key: key.to_owned(), put }
    }

    /// Whether a belief up to some second is too long for a slot that ended at second 10, Q being 2 s.
    fn too_long(until: u64, released: bool) -> bool {
        let mut last = vec![change(SLOT, None)];
        last.extend(released.then(|| change(REST, Some(("", 5)))));
        let step = |seen: u64, changes| Step { seen: seen * SECOND, changes };
        let generation = Generation::from([
            (2, step(0, vec![change(keys::EPOCH, Some(("1", 2)))])),
            (3, step(1, vec![change(SLOT, Some(("{}", 3)))])),
            (5, step(10, last)),
        ]);
        let layout = Layout::new(3, 3, Duration::from_secs(4), Duration::from_secs(2)).unwrap();
        let history = History { generations: vec![generation] };
        !check(&layout, &[hold("a", 3, SECOND, until * SECOND)], &history).is_empty()
    }

    #[test]
    fn a_slot_runs_out_no_sooner_than_q_after_the_last_belief() {
        assert!(!too_long(8, false));
        assert!(too_long(9, false));
        assert!(too_long(11, false));
    }

    #[test]
    fn a_released_slot_is_believed_in_no_longer() {
        assert!(!too_long(10, true));
        assert!(too_long(11, true));
    }
}
