//! No two running apps may have one identity in their variables at one instant.
//!
//! Sharper than [`super::overlap`]: an app that reads its variables and never asks again is judged by
//! when it ran, not by until when it might have believed. What a run's journal says is exact: both
//! instants are taken under the lock that starts and ends the app.
//!
//! Two things are counted instead, because the design accepts them ([`Accepted`]):
//! - the kubelet starts a stopped container again without asking anybody. While the sidecar is frozen or
//!   gone nobody takes the env file away, and such a start lasts until its first probes fail ([`BRIEF`]);
//! - the app of a `Keep` pool runs on when its lease has run out, or its claim was lost with the store while
//!   its sidecar could not claim it again: whoever has the name then.

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

/// How long an app may run that was started again beside a sidecar that does not answer.
pub const BRIEF: Duration = Duration::from_secs(3);
/// What three timers in a row may be late on a busy machine, besides the stalls that were measured.
const LATE: Duration = Duration::from_millis(500);

/// Pairs of running apps with one identity that are no violation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// One was started again beside a silent sidecar.
    pub brief: usize,
    /// The longest time for which one of those shared its identity.
    pub longest: Duration,
    /// The lease of one had run out, in a `Keep` pool, before the other was started.
    pub kept: usize,
}

/// How the claims of one name by one pod ended: when that was told, and whether their lease ran out.
type Ends = BTreeMap<(String, String, String), Vec<(Nanos, bool)>>;

/// Looks at every pair of runs of one identity.
pub fn check(
    layout: &Layout,
    evidence: &Evidence,
    history: &History,
) -> (Vec<Violation>, Accepted) {
    let (stalls, until) = (&evidence.stalls, evidence.taken);
    let ends = ends(history);
    let mut by_identity: BTreeMap<(&str, &str), Vec<&Run>> = BTreeMap::new();
    for run in &evidence.runs {
        for (place, name) in &run.environment {
            by_identity.entry((place, name)).or_default().push(run);
        }
    }
    let (mut found, mut accepted) = (Vec::new(), Accepted::default());
    for ((place, name), mut runs) in by_identity {
        let keeps = layout.places().into_iter().find(|(prefix, _)| prefix == place);
        let keeps = keeps.is_some_and(|(_, pool)| pool.spec.on_loss == OnLoss::Keep);
        let ran_out = |loser: &Run, winner: &Run| {
            let key = (place.to_owned(), name.to_owned(), loser.uid.clone());
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
                let (place, name) = (place.to_owned(), name.to_owned());
                let (kind, at, fence) = (Kind::SharedIdentity, second.started, Fence::default());
                found.push(Violation { kind, at, place, name, fence, text });
            }
        }
    }
    (found, accepted)
}

/// The ends of all claims. A slot that goes without a quarantine in the same revision has run out, and so
/// has whatever was lost with its store: its holder may have believed in it no longer.
fn ends(history: &History) -> Ends {
    let mut ends = Ends::new();
    for (index, generation) in history.generations.iter().enumerate() {
        // By key: whose slot it is, or whose rest.
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

/// For how long both ran.
fn shared(first: &Run, second: &Run, until: Nanos) -> Duration {
    let end = first.ended.unwrap_or(until).min(second.ended.unwrap_or(until));
    boottime::between(first.started.max(second.started), end)
}

/// Whether this run was a restart that ended before anything could ask about it; what the harness
/// itself slept through does not count.
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
