//! Watches what the apps of all pods rely on, and what the promises say about it.

use std::collections::BTreeMap;

use crate::coordination::owner::Ownable;

/// What one app relies on at one instant: the fence, and when it ends at the latest, in true time.
pub(super) type Relied = BTreeMap<Ownable, (i64, i64, u64)>;

/// Between two owners if time ended the first one's right: Q, measured by a clock that is 1 % fast.
const LEAST_GAP: u64 = 1_980_000_000;

#[derive(Clone, Debug, Default)]
pub(super) struct Judge {
    owners: BTreeMap<Ownable, Last>,
    pub(super) broken: Vec<String>,
}

#[derive(Clone, Debug)]
struct Last {
    pod: usize,
    epoch: i64,
    fence: i64,
    until: u64,
    /// It still relies, or time ended that. Else it was told to stop, or confirmed.
    ran_out: bool,
}

// === impl Judge ===

impl Judge {
    /// Looks at all apps at one instant.
    pub(super) fn look(&mut self, now: u64, pods: &[Relied]) {
        let mut seen: BTreeMap<Ownable, usize> = BTreeMap::new();
        for (pod, relied) in pods.iter().enumerate() {
            for (of, (epoch, fence, until)) in relied {
                if let Some(other) = seen.insert(*of, pod) {
                    self.broken.push(format!("P1 at {now}: pods {other} and {pod} rely on {of}"));
                }
                self.note(
                    now,
                    *of,
                    Last { pod, epoch: *epoch, fence: *fence, until: *until, ran_out: true },
                );
            }
        }
        for (of, last) in &mut self.owners {
            if now < last.until && !seen.contains_key(of) {
                last.ran_out = false;
            }
        }
    }

    /// The app has confirmed a stop. Time does not matter any more.
    pub(super) fn confirmed(&mut self, of: Ownable, pod: usize) {
        if let Some(last) = self.owners.get_mut(&of).filter(|last| last.pod == pod) {
            last.ran_out = false;
        }
    }

    fn note(&mut self, now: u64, of: Ownable, next: Last) {
        if let Some(last) = self.owners.get(&of) {
            let (before, after) = ((last.epoch, last.fence), (next.epoch, next.fence));
            if after < before || (after == before && last.pod != next.pod) {
                self.broken.push(format!("P2 at {now}: {of} from {before:?} to {after:?}"));
            }
            let gap = now.saturating_sub(last.until);
            if last.pod != next.pod && last.ran_out && gap < LEAST_GAP {
                let (from, to) = (last.pod, next.pod);
                self.broken.push(format!("P3 at {now}: {of} {gap} ns after pod {from}, by {to}"));
            }
        }
        self.owners.insert(of, next);
    }
}
