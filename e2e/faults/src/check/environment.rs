//! No two running apps may have one identity in their environment variables at one instant.
//!
//! This check finds more than [`super::overlap`]: an app that only reads its variables is judged by when it ran, and
//! not by its deadlines. The instants of a run are exact: both are read under the lock that starts and ends the app.
//!
//! Two cases are counted and are no violation, because the design accepts them ([`Accepted`]):
//! - the kubelet restarts a stopped container by itself. While the sidecar is frozen or does not run, nobody removes
//!   the env file. Such a run lasts until its first probes fail ([`BRIEF`]);
//! - the app of a `Keep` pool runs on after its lease has run out, or after its claim was lost with the store, while
//!   its sidecar cannot re-claim the name. Another pod may have the name then.

use std::collections::BTreeMap;
use std::time::Duration;

use cairn_core::claim::{Fence, SlotRecord};
use cairn_core::keys::Key;
use cairn_core::pool::OnLoss;
use cairn_core::quarantine::QuarantineRecord;

use super::{Kind, Violation};
use crate::boottime::{self, Nanos};
use crate::history::History;
use crate::journal::{Evidence, Run, Stall};
use crate::pools::Layout;

/// How long an app may run that is restarted beside a sidecar that does not answer.
pub const BRIEF: Duration = Duration::from_secs(3);
/// How late three timers in a row may be on a busy machine, in addition to the measured stalls.
const LATE: Duration = Duration::from_millis(500);

/// Counts of pairs of running apps with one identity that are no violation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// Pairs of which one app was restarted beside a sidecar that did not answer.
    pub brief: usize,
    /// The longest time for which such a pair shared an identity.
    pub longest: Duration,
    /// Pairs in `Keep` pools of which one app's lease had run out before the other was started.
    pub kept: usize,
}

/// By path, name and UID: when the end of each claim was recorded, and whether its lease ran out.
type Ends = BTreeMap<(String, String, String), Vec<(Nanos, bool)>>;

/// Compares every pair of runs with one identity.
pub fn check(
    layout: &Layout,
    evidence: &Evidence,
    history: &History,
) -> (Vec<Violation>, Accepted) {
    let (stalls, until) = (&evidence.stalls, evidence.taken);
    let ends = ends(history);
    let mut by_identity: BTreeMap<(&str, &str), Vec<&Run>> = BTreeMap::new();
    for run in &evidence.runs {
        for (path, name) in &run.environment {
            by_identity.entry((path, name)).or_default().push(run);
        }
    }
    let (mut found, mut accepted) = (Vec::new(), Accepted::default());
    for ((path, name), mut runs) in by_identity {
        let keeps = layout.pools_by_path().into_iter().find(|(prefix, _)| prefix == path);
        let keeps = keeps.is_some_and(|(_, pool)| pool.spec.on_loss == OnLoss::Keep);
        let ran_out = |loser: &Run, winner: &Run| {
            let key = (path.to_owned(), name.to_owned(), loser.uid.clone());
            let ends = ends.get(&key).map_or(&[][..], Vec::as_slice);
            let last = ends.iter().rfind(|(seen, _)| *seen <= winner.started);
            keeps && last.is_some_and(|(_, ran_out)| *ran_out)
        };
        runs.sort_by_key(|run| run.started);
        for (index, first) in runs.iter().enumerate() {
            for second in runs.iter().skip(index + 1).filter(|second| second.uid != first.uid) {
                let shared = shared(first, second, until);
                if shared.is_zero() {
                    continue;
                }
                if is_brief(first, stalls, until) || is_brief(second, stalls, until) {
                    accepted.brief += 1;
                    accepted.longest = accepted.longest.max(shared);
                    continue;
                }
                if ran_out(first, second) || ran_out(second, first) {
                    accepted.kept += 1;
                    continue;
                }
                let text = format!(
                    "it ran in {} from {} and in {} from {}, both for {shared:?}",
                    first.uid, first.started, second.uid, second.started
                );
                let (path, name) = (path.to_owned(), name.to_owned());
                let (kind, at, fence) = (Kind::SharedIdentity, second.started, Fence::default());
                found.push(Violation { kind, at, path, name, fence, text });
            }
        }
    }
    (found, accepted)
}

/// The ends of all claims. A slot that is deleted without a quarantine in the same revision has run out. Claims that
/// were lost with their store count as run out too: their holders' deadlines passed as well.
fn ends(history: &History) -> Ends {
    let mut ends = Ends::new();
    for (index, generation) in history.generations.iter().enumerate() {
        // By key of slot or quarantine: path, name and UID of the claim.
        let mut holders: BTreeMap<&str, (String, String, String)> = BTreeMap::new();
        for step in generation.values() {
            for change in &step.changes {
                let (path, name, is_slot) = match Key::parse(&change.key) {
                    Some(Key::Slot(path, name)) => (path, name, true),
                    Some(Key::Quarantine(path, name)) => (path, name, false),
                    _ => continue,
                };
                if let Some(put) = &change.put {
                    let uid = if is_slot {
                        let record = serde_json::from_slice::<SlotRecord>(&put.value);
                        record.map(|record| record.holder.uid).ok()
                    } else {
                        QuarantineRecord::parse(&put.value).map(|record| record.holder.uid)
                    };
                    let claim = uid.map(|uid| (path.to_string(), name, uid));
                    holders.extend(claim.map(|claim| (change.key.as_str(), claim)));
                } else if let Some(claim) = holders.remove(change.key.as_str())
                    && is_slot
                {
                    let rest = path.quarantine(&name);
                    let rests =
                        step.changes.iter().any(|other| other.key == rest && other.put.is_some());
                    ends.entry(claim).or_default().push((step.seen, !rests));
                }
            }
        }
        let wiped = index + 1 < history.generations.len();
        if let Some(last) = generation.values().next_back().filter(|_| wiped) {
            for claim in holders.into_values() {
                ends.entry(claim).or_default().push((last.seen, true));
            }
        }
    }
    ends
}

/// For how long both ran at the same time.
fn shared(first: &Run, second: &Run, until: Nanos) -> Duration {
    let end = first.ended.unwrap_or(until).min(second.ended.unwrap_or(until));
    boottime::between(first.started.max(second.started), end)
}

/// Whether this run was a restart beside a sidecar that did not answer, and ended in time. Stalls of the harness are
/// not counted.
fn is_brief(run: &Run, stalls: &[Stall], until: Nanos) -> bool {
    let end = run.ended.unwrap_or(until);
    let stalled: Duration = stalls
        .iter()
        .filter(|stall| stall.at >= run.started && stall.at <= end + boottime::nanos(stall.lasted))
        .map(|stall| stall.lasted)
        .sum();
    let lasted = boottime::between(run.started, end);
    run.restart && !run.answered && lasted <= BRIEF + LATE + stalled
}

#[cfg(test)]
mod tests;
