//! A slot or its quarantine must outlive every belief in the claim. A slot that runs out does so at least Q after the
//! last instant at which its holder may have used the name. A release is no proof that the app has ended. So a
//! released name rests until Q after that instant, or until the end of its pod, unless the same pod re-claims it.
//! After a release without a quarantine record, the holder must not use the name any more.
//!
//! This check finds more than [`super::overlap`], because it does not need a next holder of the name. A deletion is
//! recorded after it happened, so a late recorder only makes the quarantine look longer.

use std::collections::HashMap;
use std::time::Duration;

use cairn_core::claim::{Fence, SlotRecord};
use cairn_core::keys::Key;
use cairn_core::quarantine::{QuarantineRecord, WaitsFor};

use super::{Kind, Violation};
use crate::boottime::{self, Nanos};
use crate::history::{History, Put};
use crate::journal::Hold;
use crate::pools::Layout;

/// How a slot ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// When its deletion was recorded.
    pub seen: Nanos,
    /// Whether a quarantine was put in the same revision.
    pub released: bool,
    /// What ends that quarantine, when it has a quarantine record.
    pub rest: Option<WaitsFor>,
    /// When the end of that quarantine was recorded; `None` when its own holder ended it with a re-claim.
    pub over: Option<Nanos>,
}

/// How many slots ran out: their lease ended and nobody released them.
pub fn ran_out(history: &History) -> usize {
    ends(history).values().filter(|end| !end.released).count()
}

/// Compares every hold with the end of its slot. A wipe does not count as the end of a slot, because the freeze of the
/// pools protects those claims.
pub fn check(layout: &Layout, holds: &[Hold], history: &History) -> Vec<Violation> {
    let ends = ends(history);
    let violation = |hold: &Hold| {
        let end = ends.get(&hold.fence)?;
        let quarantine = layout.pool(&hold.pool)?.spec.quarantine;
        let (rest, seen, how) = match end.rest {
            // Without an end the name still rests, or its own pod has it again.
            Some(WaitsFor::Time) => (quarantine, end.over?, "quarantine was over"),
            Some(WaitsFor::PodEnd) => (Duration::ZERO, end.over?, "quarantine was over"),
            None if end.released => (Duration::ZERO, end.seen, "slot was released"),
            None => (quarantine, end.seen, "slot ran out"),
        };
        if hold.until.saturating_add(boottime::nanos(rest)) <= seen {
            return None;
        }
        let text = if hold.until > seen {
            let late = boottime::between(seen, hold.until);
            format!("{} could use it for {late:?} after its {how}", hold.uid)
        } else {
            let left = boottime::between(hold.until, seen);
            format!("its {how} only {left:?} after {} could use it last", hold.uid)
        };
        Some(Violation {
            kind: Kind::Outlived,
            at: seen,
            path: hold.path.clone(),
            name: hold.name.clone(),
            fence: hold.fence,
            text: format!("{text}, fence {}", hold.fence),
        })
    };
    holds.iter().filter_map(violation).collect()
}

/// The end of every slot that ended, by fence.
pub fn ends(history: &History) -> HashMap<Fence, End> {
    let mut ends = HashMap::new();
    let mut epoch = 0;
    for generation in &history.generations {
        let mut standing: HashMap<&str, Fence> = HashMap::new();
        let mut resting: HashMap<&str, (Fence, String)> = HashMap::new();
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
                        let rest = step.changes.iter().find(|other| other.key == rest);
                        let rest = rest.and_then(|rest| Some((&rest.key, rest.put.as_ref()?)));
                        let record = rest.and_then(|(_, put)| QuarantineRecord::parse(&put.value));
                        let Some(fence) = standing.remove(change.key.as_str()) else { continue };
                        if let (Some((key, _)), Some(record)) = (rest, &record) {
                            resting.insert(key, (fence, record.holder.uid.clone()));
                        }
                        let (seen, released) = (step.seen, rest.is_some());
                        let rest = record.map(|record| record.waits_for);
                        ends.insert(fence, End { seen, released, rest, over: None });
                    }
                    (None, Some(Key::Quarantine(path, name))) => {
                        let Some((fence, uid)) = resting.remove(change.key.as_str()) else {
                            continue;
                        };
                        let slot = path.slot(&name);
                        let taken_back = step.changes.iter().any(|other| {
                            other.key == slot
                                && other.put.as_ref().and_then(holder).as_ref() == Some(&uid)
                        });
                        if let Some(end) = ends.get_mut(&fence).filter(|_| !taken_back) {
                            end.over = Some(step.seen);
                        }
                    }
                    _ => {}
                }
            }
        }
    }
    ends
}

/// The UID of a slot's holder.
fn holder(put: &Put) -> Option<String> {
    serde_json::from_slice::<SlotRecord>(&put.value).ok().map(|record| record.holder.uid)
}

#[cfg(test)]
mod tests;
