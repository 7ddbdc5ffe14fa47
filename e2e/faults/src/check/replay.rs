//! Replays the history of etcd: which pod each slot was granted to, and what the store contained before.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use cairn_core::claim::{Fence, SlotRecord};
use cairn_core::keys::{ClaimPath, Key};
use cairn_core::pool::{OnLoss, PoolName};
use cairn_core::quarantine::QuarantineRecord;

use super::grants::Granted;
use super::{Kind, Violation};
use crate::boottime::{self, Nanos};
use crate::history::{Change, History, Step};
use crate::journal::Stall;
use crate::pools::Layout;

/// How long nothing must change before a waiter may treat one ticket ahead as abandoned (docs/protocol.md, The queue).
const IDLE: Duration = Duration::from_secs(1);
/// How late the first of three watches may report a change on a busy machine, in addition to the measured stalls.
const LATE: Duration = Duration::from_millis(700);
/// How long after it was sent a request may land: etcd's own timeout of a request is seven seconds, and the harness
/// delivers some requests a second time after up to three.
const FLIGHT: Duration = Duration::from_secs(8);
/// A stall may delay changes that are seen up to this long after it.
const STALL_REACH: Duration = Duration::from_secs(5);

/// The state of one path.
#[derive(Debug, Default)]
struct PathState {
    /// The names with a slot, and the UIDs of their holders.
    held: BTreeMap<String, String>,
    /// The names in quarantine, and the UIDs of the quarantine records; empty without a record.
    quarantined: BTreeMap<String, String>,
    /// The names with a quarantine note.
    notes: BTreeSet<String>,
    /// UID and create revision.
    tickets: HashMap<String, i64>,
    changed: Nanos,
    /// By UID and name: when that name was last the target of that pod's ticket.
    targeted: HashMap<(String, String), Nanos>,
}

#[derive(Debug, Default)]
struct Replay<'a> {
    states: HashMap<String, PathState>,
    epoch: i64,
    /// The pools that are frozen.
    frozen: BTreeSet<PoolName>,
    /// By path and name: the last holder's UID and its fence, also of wiped stores.
    last: HashMap<(String, String), (String, Fence)>,
    /// Path, name and UID of all holders, also of wiped stores.
    owners: BTreeSet<(String, String, String)>,
    granted: Granted,
    found: Vec<Violation>,
    stalls: &'a [Stall],
}

/// Replays every store. Also returns the granted slots, for [`super::grants`].
pub fn check(layout: &Layout, history: &History, stalls: &[Stall]) -> (Vec<Violation>, Granted) {
    let mut replay = Replay { stalls, ..Replay::default() };
    for generation in &history.generations {
        replay.states.clear();
        replay.frozen.clear();
        for (revision, step) in generation {
            replay.step(layout, *revision, step);
        }
    }
    (replay.found, replay.granted)
}

impl PathState {
    fn is_free(&self, name: &str) -> bool {
        !self.held.contains_key(name)
            && !self.quarantined.contains_key(name)
            && !self.notes.contains(name)
    }
}

/// Whether this pod was the last holder of a name. Then the name need not rest before this pod has it again.
fn was_last_holder(
    last: &HashMap<(String, String), (String, Fence)>,
    path: &str,
    name: &str,
    uid: &str,
) -> bool {
    last.get(&(path.to_owned(), name.to_owned())).is_some_and(|(holder, _)| holder == uid)
}

impl Replay<'_> {
    fn step(&mut self, layout: &Layout, revision: i64, step: &Step) {
        let parsed: Vec<(Key, &Change)> = step
            .changes
            .iter()
            .filter_map(|change| Some((Key::parse(&change.key)?, change)))
            .collect();
        for path in parsed.iter().filter_map(|(key, _)| path_of(key)) {
            self.note_targets(layout, path, step.seen);
        }
        // Every grant is judged by the state before it.
        for (key, change) in &parsed {
            if let (Key::Slot(path, name), Some(put)) = (key, &change.put)
                && put.create_revision == revision
                && let Ok(record) = serde_json::from_slice::<SlotRecord>(&put.value)
            {
                self.grant(layout, path, name, &record.holder.uid, revision, step.seen);
            }
        }
        for (key, change) in parsed {
            self.apply(key, change, revision, step.seen);
        }
    }

    fn grant(
        &mut self,
        layout: &Layout,
        path: &ClaimPath,
        name: &str,
        uid: &str,
        revision: i64,
        seen: Nanos,
    ) {
        let prefix = path.to_string();
        let fence = Fence { epoch: self.epoch, revision };
        let mut complain = Vec::new();
        let empty = PathState::default();
        let state = self.states.get(&prefix).unwrap_or(&empty);
        let was_last = was_last_holder(&self.last, &prefix, name, uid);
        let own_quarantine = state.quarantined.get(name).is_some_and(|holder| holder == uid);
        let rests = state.quarantined.contains_key(name) && !own_quarantine;
        if rests || (state.notes.contains(name) && !was_last) {
            let text = format!("granted to {uid} during its quarantine");
            complain.push((Kind::ClaimedWhileResting, text));
        }
        if let Some((other, _)) = state.held.iter().find(|(_, holder)| *holder == uid) {
            complain.push((Kind::TwoNames, format!("granted to {uid}, which holds '{other}'")));
        }
        let before = self.last.insert((prefix.clone(), name.to_owned()), (uid.to_owned(), fence));
        // T7: a pod re-claims its own name ahead of the queue: during its own quarantine, after its own lost claim,
        // during a freeze, and in a `Keep` pool whenever nobody holds the name. After a wipe it may not know that other
        // pods have held the name since.
        let keeps =
            layout.pool(path.pool.as_str()).is_some_and(|pool| pool.spec.on_loss == OnLoss::Keep);
        let owner = (prefix.clone(), name.to_owned(), uid.to_owned());
        let lost = was_last && state.notes.contains(name);
        let may = keeps || own_quarantine || lost || self.frozen.contains(&path.pool);
        let own = !self.owners.insert(owner) && may;
        if let Some((holder, old)) = before.filter(|(_, old)| *old >= fence) {
            let text = format!("granted to {uid} with fence {fence} after {holder} had {old}");
            complain.push((Kind::FenceOrder, text));
        }
        if let Some(text) = Self::overtaking(layout, path, state, (name, uid), seen, own) {
            complain.push((Kind::Overtaken, text));
        }
        self.granted.insert(fence, (prefix.clone(), name.to_owned(), uid.to_owned()));
        for (kind, text) in complain {
            let text = format!("{text} (revision {revision})");
            let (path, name) = (prefix.clone(), name.to_owned());
            self.found.push(Violation { kind, at: seen, path, name, fence, text });
        }
    }

    /// Describes an overtaking: pods ahead did not get a name, and nothing explains it. It is explained when there are
    /// enough free names for all of them, when this name was the target of the ticket a short while ago, and when the
    /// pod re-claims its own name.
    fn overtaking(
        layout: &Layout,
        path: &ClaimPath,
        state: &PathState,
        (name, uid): (&str, &str),
        seen: Nanos,
        own: bool,
    ) -> Option<String> {
        let ticket = state.tickets.get(uid).copied();
        if ticket.is_none() && own {
            return None;
        }
        let ahead = state
            .tickets
            .iter()
            .filter(|(waiting, revision)| {
                *waiting != uid && ticket.is_none_or(|ticket| **revision < ticket)
            })
            .count();
        let pool = layout.pool(path.pool.as_str())?;
        let left = (0..pool.names.len())
            .filter_map(|index| pool.names.key(index))
            .take_while(|key| *key != name)
            .filter(|key| state.is_free(key))
            .count();
        let passed = ahead.saturating_sub(left);
        let targeted = state.targeted.get(&(uid.to_owned(), name.to_owned()));
        let in_turn = targeted.is_some_and(|at| boottime::between(*at, seen) < FLIGHT);
        if passed == 0 || (ticket.is_some() && in_turn) {
            return None;
        }
        let how = if ticket.is_some() { "with a newer ticket" } else { "without a ticket" };
        let idle = boottime::between(state.changed, seen);
        Some(format!(
            "granted to {uid} {how}, {passed} of {ahead} pods ahead overtaken after {idle:?} idle time"
        ))
    }

    /// Notes which names were targets of each ticket since the last change: the names of its rank and, for each second
    /// of idle time, of one rank less.
    fn note_targets(&mut self, layout: &Layout, path: &ClaimPath, seen: Nanos) {
        let late = LATE + self.stalled(seen);
        let pool = layout.pool(path.pool.as_str());
        let (Some(state), Some(pool)) = (self.states.get_mut(&path.to_string()), pool) else {
            return;
        };
        let idle = boottime::between(state.changed, seen) + late;
        let overtakes = usize::try_from(idle.as_millis() / IDLE.as_millis()).unwrap_or(usize::MAX);
        let free: Vec<String> = (0..pool.names.len())
            .filter_map(|index| pool.names.key(index))
            .filter(|key| state.is_free(key))
            .map(Cow::into_owned)
            .collect();
        let mut tickets: Vec<_> = state.tickets.iter().collect();
        tickets.sort_by_key(|(_, revision)| **revision);
        for (rank, (uid, _)) in tickets.into_iter().enumerate() {
            let targets = free.iter().take(rank + 1).skip(rank.saturating_sub(overtakes));
            for name in targets {
                state.targeted.insert((uid.clone(), name.clone()), seen);
            }
        }
    }

    /// The longest stall of the harness that may have delayed what it saw at this instant.
    fn stalled(&self, seen: Nanos) -> Duration {
        let from = seen.saturating_sub(boottime::nanos(STALL_REACH));
        let near = self
            .stalls
            .iter()
            .filter(|stall| stall.at >= from && stall.at <= seen + boottime::nanos(stall.lasted));
        near.map(|stall| stall.lasted).max().unwrap_or_default()
    }

    fn apply(&mut self, key: Key, change: &Change, revision: i64, seen: Nanos) {
        let prefix = |path: &ClaimPath| path.to_string();
        match (key, &change.put) {
            (Key::Epoch, Some(put)) => {
                let number =
                    std::str::from_utf8(&put.value).ok().and_then(|text| text.parse().ok());
                self.epoch = number.unwrap_or(self.epoch);
            }
            (key @ (Key::Pool(_) | Key::Shape(_) | Key::Freeze(_)), put) => {
                match (key, put) {
                    (Key::Freeze(pool), Some(_)) => self.frozen.insert(pool),
                    (Key::Freeze(pool), None) => self.frozen.remove(&pool),
                    _ => false,
                };
                // The idle time starts anew: no waiter has passed over a name that this change sets free.
                self.states.values_mut().for_each(|state| state.changed = seen);
            }
            (Key::Slot(path, name), put) => {
                let state = self.state(prefix(&path), seen);
                match put.as_ref().map(|put| serde_json::from_slice::<SlotRecord>(&put.value)) {
                    Some(Ok(record)) => state.held.insert(name, record.holder.uid),
                    _ => state.held.remove(&name),
                };
            }
            (Key::Quarantine(path, name), put) => {
                let state = self.state(prefix(&path), seen);
                if let Some(put) = put {
                    let holder =
                        QuarantineRecord::parse(&put.value).map(|record| record.holder.uid);
                    state.quarantined.insert(name, holder.unwrap_or_default());
                } else {
                    state.quarantined.remove(&name);
                }
            }
            (Key::Note(path, name), put) => {
                let state = self.state(prefix(&path), seen);
                if put.is_some() {
                    state.notes.insert(name);
                } else {
                    state.notes.remove(&name);
                }
            }
            (Key::Ticket(path, uid), put) => {
                let prefix = prefix(&path);
                let state = self.state(prefix.clone(), seen);
                let Some(put) = put else {
                    state.tickets.remove(&uid);
                    return;
                };
                state.tickets.insert(uid.clone(), put.create_revision);
                let holds = state.held.iter().find(|(_, holder)| **holder == uid);
                if let Some(name) = holds.map(|(name, _)| name.clone()) {
                    self.found.push(Violation {
                        kind: Kind::HolderQueues,
                        at: seen,
                        path: prefix,
                        name,
                        fence: Fence::default(),
                        text: format!("{uid} holds it and joins the queue (revision {revision})"),
                    });
                }
            }
            _ => {}
        }
    }

    fn state(&mut self, prefix: String, seen: Nanos) -> &mut PathState {
        let state = self.states.entry(prefix).or_default();
        state.changed = seen;
        state
    }
}

/// The path of a slot, a quarantine or a ticket.
fn path_of(key: &Key) -> Option<&ClaimPath> {
    match key {
        Key::Slot(path, _) | Key::Quarantine(path, _) | Key::Ticket(path, _) => Some(path),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
