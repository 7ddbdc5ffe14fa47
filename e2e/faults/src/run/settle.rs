//! The end of a history: everything is healed, and then every name must find its place. What is left
//! over is a lost name or a starved pod.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cairn_core::claim::{Fence, SlotRecord};
use cairn_core::keys::{self, Key};
use cairn_core::quarantine::{QuarantineRecord, WaitsFor};
use cairn_store::etcd::Etcd;
use cairn_store::kv::KeyValue;
use tokio::time::sleep;

use super::{Stage, tracks};
use crate::boottime;
use crate::check::{Kind, Violation};
use crate::failure::Failure;
use crate::pod::Pods;

/// How long the harness waits for one answer of the store.
const PATIENCE: Duration = Duration::from_secs(2);
/// Beyond V, Q and S: elections after the last fault, and a machine that has other things to do.
const GRACE: Duration = Duration::from_secs(60);
/// Between two looks at the whole store.
const PAUSE: Duration = Duration::from_millis(500);

/// What stands in one place.
#[derive(Debug, Default)]
struct Place {
    held: BTreeMap<String, String>,
    /// With the UID of the pod that the rest waits for; empty when it waits for time.
    resting: BTreeMap<String, String>,
    waiting: BTreeSet<String>,
}

impl Stage {
    /// Heals everything and waits for rest; then ends all pods and waits for emptiness.
    pub(super) async fn settle(&mut self, pods: &mut Pods) -> Result<Vec<Violation>, Failure> {
        self.journal.note("everything is healed");
        self.cluster.heal().await?;
        pods.heal()?;
        let mut found = self
            .rest(pods, "at rest", |stage, pods, all| {
                let alive: BTreeSet<_> = pods.uids().into_iter().collect();
                stage.unrest(all, &alive)
            })
            .await?;
        self.journal.note("every pod is deleted");
        pods.delete_all();
        found.extend(
            self.rest(pods, "after the last pod", |stage, pods, all| {
                let mut left = stage.unrest(all, &BTreeSet::new());
                if pods.leaving() > 0 {
                    left.push((Kind::Died, String::new(), "sidecars do not end".to_owned()));
                }
                left
            })
            .await?,
        );
        let revision = self.cluster.ready().await?;
        self.recorder.catch_up(revision).await?;
        Ok(found)
    }

    /// Looks at the store until nothing is wrong with it; what stays wrong is reported.
    async fn rest(
        &self,
        pods: &mut Pods,
        when: &str,
        look: impl Fn(&Self, &Pods, &[KeyValue]) -> Vec<(Kind, String, String)>,
    ) -> Result<Vec<Violation>, Failure> {
        let store = Etcd::connect(&self.cluster.urls(), None, PATIENCE)
            .await
            .map_err(|source| Failure::Store { what: "connecting", source })?;
        let spans = self.scenario.validity + self.scenario.quarantine + self.layout.lease();
        let (began, patience) = (boottime::now(), spans + GRACE);
        let mut odd = Vec::new();
        loop {
            odd.extend(tracks::tend(pods, &self.journal)?);
            let late = boottime::between(began, boottime::now()) > patience;
            match store.list(keys::ROOT).await {
                Ok((_, all)) => {
                    let wrong = look(self, pods, &all);
                    if wrong.is_empty() {
                        return Ok(odd);
                    }
                    if late {
                        odd.extend(wrong.into_iter().map(|(kind, place, text)| Violation {
                            kind,
                            at: boottime::now(),
                            place,
                            name: String::new(),
                            fence: Fence::default(),
                            text: format!("{text}, {when}"),
                        }));
                        return Ok(odd);
                    }
                }
                Err(source) if late => return Err(Failure::Store { what: "listing", source }),
                Err(_) => {}
            }
            sleep(PAUSE).await;
        }
    }

    /// What is wrong with the store, given who lives.
    fn unrest(&self, all: &[KeyValue], alive: &BTreeSet<String>) -> Vec<(Kind, String, String)> {
        let mut places: BTreeMap<String, Place> = BTreeMap::new();
        let mut wrong = Vec::new();
        for pair in all {
            match Key::parse(&pair.key) {
                Some(Key::Slot(path, name)) => {
                    let record = serde_json::from_slice::<SlotRecord>(&pair.value);
                    let uid = record.map(|record| record.holder.uid).unwrap_or_default();
                    places.entry(path.to_string()).or_default().held.insert(name, uid);
                }
                Some(Key::Quarantine(path, name)) => {
                    let record = QuarantineRecord::parse(&pair.value);
                    let waits = record.filter(|record| record.waits_for == WaitsFor::PodEnd);
                    let uid = waits.map(|record| record.holder.uid).unwrap_or_default();
                    places.entry(path.to_string()).or_default().resting.insert(name, uid);
                }
                Some(Key::Ticket(path, uid)) => {
                    places.entry(path.to_string()).or_default().waiting.insert(uid);
                }
                Some(Key::Owner { uid, pool, .. }) if !alive.contains(&uid) => {
                    let text = format!("{uid} is gone and still owns a name of {pool}");
                    wrong.push((Kind::LostName, String::new(), text));
                }
                _ => {}
            }
        }
        // Pods claim one pool after the other: one that waits for the first has not come to its own rest.
        let waiting: BTreeSet<String> =
            places.values().flat_map(|place| place.waiting.iter().cloned()).collect();
        for (prefix, pool) in self.layout.places() {
            let Some(place) = places.get(&prefix) else { continue };
            let mut add = |kind, text| wrong.push((kind, prefix.clone(), text));
            for (name, uid) in place.held.iter().filter(|(_, uid)| !alive.contains(*uid)) {
                add(Kind::LostName, format!("{name} is held by {uid}, which is gone"));
            }
            // Two sidecars of one pod do not share a volume here, as they would in a pod: the second one
            // does not know what the first one has released, and has another name.
            let is_twins = |uid: &String| {
                !self.scenario.kubelet && place.held.values().any(|holder| holder == uid)
            };
            let is_due =
                |uid: &String| !alive.contains(uid) || !(waiting.contains(uid) || is_twins(uid));
            for (name, _) in place.resting.iter().filter(|(_, uid)| is_due(uid)) {
                add(Kind::LostName, format!("{name} rests, and nobody releases names"));
            }
            for uid in place.waiting.iter().filter(|uid| !alive.contains(*uid)) {
                add(Kind::Starved, format!("{uid}, which is gone, stands in the queue"));
            }
            let free = pool.names.len().saturating_sub(place.held.len() + place.resting.len());
            if free > 0 && !place.waiting.is_empty() {
                let waiting = place.waiting.len();
                add(Kind::Starved, format!("{waiting} pods wait although {free} names are free"));
            }
        }
        wrong
    }
}
