//! etcd's own history, replayed: whom each slot was given to, and what stood in the store before.

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

/// What a pod behind may take for abandonment, for each pod ahead (PROTOCOL, Waiting).
const SILENCE: Duration = Duration::from_secs(1);
/// How late a change may be told by the fastest of three members on a busy machine, besides the
/// stalls that were measured.
const LATE: Duration = Duration::from_millis(700);
/// A request that was right when it was sent may land so much later: etcd's own time limit of a
/// request is seven seconds, and the harness delivers some a second time after up to three.
const FLIGHT: Duration = Duration::from_secs(8);
/// Stalls so long before a change may still have made it look late.
const STALL_REACH: Duration = Duration::from_secs(5);

/// What stands in one place.
#[derive(Debug, Default)]
struct Place {
    held: BTreeMap<String, String>,
    /// With the UID of the pod that may end the rest; empty when nobody may.
    resting: BTreeMap<String, String>,
    /// Must rest once their slots are gone.
    due: BTreeSet<String>,
    /// UID and create revision.
    tickets: HashMap<String, i64>,
    changed: Nanos,
    /// By UID and name: when a ticket's rank last named that name.
    named: HashMap<(String, String), Nanos>,
}

#[derive(Debug, Default)]
struct Replay<'a> {
    places: HashMap<String, Place>,
    epoch: i64,
    /// Pools from which nothing is granted.
    frozen: BTreeSet<PoolName>,
    /// Survive the store: the last fence of each name, and who had it then.
    last: HashMap<(String, String), (String, Fence)>,
    /// And whoever ever had it, by place, name and UID.
    owners: BTreeSet<(String, String, String)>,
    granted: Granted,
    found: Vec<Violation>,
    stalls: &'a [Stall],
}

/// Replays every store. The slots that were made are for [`super::grants`].
pub fn check(layout: &Layout, history: &History, stalls: &[Stall]) -> (Vec<Violation>, Granted) {
    let mut replay = Replay { stalls, ..Replay::default() };
    for generation in &history.generations {
        replay.places.clear();
        replay.frozen.clear();
        for (revision, step) in generation {
            replay.step(layout, *revision, step);
        }
    }
    (replay.found, replay.granted)
}

impl Place {
    fn is_free(&self, name: &str) -> bool {
        !self.held.contains_key(name)
            && !self.resting.contains_key(name)
            && !self.due.contains(name)
    }
}

/// Whether a name was last this pod's own: then it need not rest for it.
fn before_is(
    last: &HashMap<(String, String), (String, Fence)>,
    place: &str,
    name: &str,
    uid: &str,
) -> bool {
    last.get(&(place.to_owned(), name.to_owned())).is_some_and(|(holder, _)| holder == uid)
}

impl Replay<'_> {
    fn step(&mut self, layout: &Layout, revision: i64, step: &Step) {
        let parsed: Vec<(Key, &Change)> = step
            .changes
            .iter()
            .filter_map(|change| Some((Key::parse(&change.key)?, change)))
            .collect();
        for path in parsed.iter().filter_map(|(key, _)| path_of(key)) {
            self.name_ranks(layout, path, step.seen);
        }
        // Every grant is judged by what stood there before.
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
        let empty = Place::default();
        let place = self.places.get(&prefix).unwrap_or(&empty);
        let own_due = before_is(&self.last, &prefix, name, uid);
        let own_rest = place.resting.get(name).is_some_and(|holder| holder == uid);
        let rests = place.resting.contains_key(name) && !own_rest;
        if rests || (place.due.contains(name) && !own_due) {
            complain.push((Kind::ClaimedWhileResting, format!("given to {uid} while it rested")));
        }
        if let Some((other, _)) = place.held.iter().find(|(_, holder)| *holder == uid) {
            complain.push((Kind::TwoNames, format!("given to {uid}, which has '{other}'")));
        }
        let before = self.last.insert((prefix.clone(), name.to_owned()), (uid.to_owned(), fence));
        // T7: a pod takes its own name back ahead of the queue: out of its rest, after its own lost claim,
        // during a freeze, and in a `Keep` pool whenever nobody has it. Of a store that was wiped it may not
        // even know that others have had the name since.
        let keeps =
            layout.pool(path.pool.as_str()).is_some_and(|pool| pool.spec.on_loss == OnLoss::Keep);
        let owner = (prefix.clone(), name.to_owned(), uid.to_owned());
        let lost = own_due && place.due.contains(name);
        let may = keeps || own_rest || lost || self.frozen.contains(&path.pool);
        let own = !self.owners.insert(owner) && may;
        if let Some((holder, old)) = before.filter(|(_, old)| *old >= fence) {
            let text = format!("given to {uid} with fence {fence} after {holder} had {old}");
            complain.push((Kind::FenceOrder, text));
        }
        if let Some(text) = Self::overtaking(layout, path, place, (name, uid), seen, own) {
            complain.push((Kind::Overtaken, text));
        }
        self.granted.insert(fence, (prefix.clone(), name.to_owned(), uid.to_owned()));
        for (kind, text) in complain {
            let text = format!("{text} (revision {revision})");
            let (place, name) = (prefix.clone(), name.to_owned());
            self.found.push(Violation { kind, at: seen, place, name, fence, text });
        }
    }

    /// Whether pods ahead were passed over, and nothing explains it: neither enough free names for
    /// all of them, nor that the ticket's rank meant this name a short while ago, nor that the name
    /// was the pod's own.
    fn overtaking(
        layout: &Layout,
        path: &ClaimPath,
        place: &Place,
        (name, uid): (&str, &str),
        seen: Nanos,
        own: bool,
    ) -> Option<String> {
        let ticket = place.tickets.get(uid).copied();
        if ticket.is_none() && own {
            return None;
        }
        let ahead = place
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
            .filter(|key| place.is_free(key))
            .count();
        let passed = ahead.saturating_sub(left);
        let named = place.named.get(&(uid.to_owned(), name.to_owned()));
        let in_turn = named.is_some_and(|at| boottime::between(*at, seen) < FLIGHT);
        if passed == 0 || (ticket.is_some() && in_turn) {
            return None;
        }
        let how = if ticket.is_some() { "with a younger ticket" } else { "without a ticket" };
        let silent = boottime::between(place.changed, seen);
        Some(format!(
            "given to {uid} {how}, {passed} of {ahead} pods ahead passed over after {silent:?} of silence"
        ))
    }

    /// Notes which name each ticket's rank meant since the last change: less one rank for each second
    /// of silence.
    fn name_ranks(&mut self, layout: &Layout, path: &ClaimPath, seen: Nanos) {
        let late = LATE + self.stalled(seen);
        let pool = layout.pool(path.pool.as_str());
        let (Some(place), Some(pool)) = (self.places.get_mut(&path.to_string()), pool) else {
            return;
        };
        let silent = boottime::between(place.changed, seen) + late;
        let reach = usize::try_from(silent.as_millis() / SILENCE.as_millis()).unwrap_or(usize::MAX);
        let free: Vec<String> = (0..pool.names.len())
            .filter_map(|index| pool.names.key(index))
            .filter(|key| place.is_free(key))
            .map(Cow::into_owned)
            .collect();
        let mut tickets: Vec<_> = place.tickets.iter().collect();
        tickets.sort_by_key(|(_, revision)| **revision);
        for (rank, (uid, _)) in tickets.into_iter().enumerate() {
            let meant = free.iter().take(rank + 1).skip(rank.saturating_sub(reach));
            for name in meant {
                place.named.insert((uid.clone(), name.clone()), seen);
            }
        }
    }

    /// The longest stall of the harness that may have delayed what it saw.
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
                // What it sets free, or fits anew, nobody has let lie yet.
                self.places.values_mut().for_each(|place| place.changed = seen);
            }
            (Key::Slot(path, name), put) => {
                let place = self.place(prefix(&path), seen);
                match put.as_ref().map(|put| serde_json::from_slice::<SlotRecord>(&put.value)) {
                    Some(Ok(record)) => place.held.insert(name, record.holder.uid),
                    _ => place.held.remove(&name),
                };
            }
            (Key::Quarantine(path, name), put) => {
                let place = self.place(prefix(&path), seen);
                if let Some(put) = put {
                    let holder =
                        QuarantineRecord::parse(&put.value).map(|record| record.holder.uid);
                    place.resting.insert(name, holder.unwrap_or_default());
                } else {
                    place.resting.remove(&name);
                }
            }
            (Key::Note(path, name), put) => {
                let place = self.place(prefix(&path), seen);
                if put.is_some() {
                    place.due.insert(name);
                } else {
                    place.due.remove(&name);
                }
            }
            (Key::Ticket(path, uid), put) => {
                let prefix = prefix(&path);
                let place = self.place(prefix.clone(), seen);
                let Some(put) = put else {
                    place.tickets.remove(&uid);
                    return;
                };
                place.tickets.insert(uid.clone(), put.create_revision);
                let holds = place.held.iter().find(|(_, holder)| **holder == uid);
                if let Some(name) = holds.map(|(name, _)| name.clone()) {
                    self.found.push(Violation {
                        kind: Kind::HolderQueues,
                        at: seen,
                        place: prefix,
                        name,
                        fence: Fence::default(),
                        text: format!("{uid} holds it and joins the queue (revision {revision})"),
                    });
                }
            }
            _ => {}
        }
    }

    fn place(&mut self, prefix: String, seen: Nanos) -> &mut Place {
        let place = self.places.entry(prefix).or_default();
        place.changed = seen;
        place
    }
}

/// The place whose slots, rests or tickets a key is one of.
fn path_of(key: &Key) -> Option<&ClaimPath> {
    match key {
        Key::Slot(path, _) | Key::Quarantine(path, _) | Key::Ticket(path, _) => Some(path),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
