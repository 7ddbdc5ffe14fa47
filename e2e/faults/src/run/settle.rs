//! The end of a history: every fault is undone. Then every name must be held by a living pod or be free, and no pod may
//! wait beside a free name. Anything else is a lost name or a starved pod.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cairn_core::claim::{Fence, SlotRecord};
use cairn_core::keys::{self, Key};
use cairn_core::quarantine::{QuarantineRecord, WaitsFor};
use cairn_store::kv::KeyValue;
use tokio::time::sleep;

use super::{Stage, tracks};
use crate::boottime;
use crate::check::{Kind, Violation};
use crate::failure::Failure;
use crate::pod::Pods;

/// How long the harness waits for one answer of the store.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
/// Added to V, Q and S for elections after the last fault and for a busy machine.
const GRACE: Duration = Duration::from_secs(60);
/// Between two reads of the whole store.
const PAUSE: Duration = Duration::from_millis(500);

/// What the store contains at one path.
#[derive(Debug, Default)]
struct PathContent {
    /// The names with a slot, and the UIDs of their holders.
    held: BTreeMap<String, String>,
    /// The names in quarantine, and the UID of the pod whose end it waits for; empty when it waits for time.
    quarantined: BTreeMap<String, String>,
    waiting: BTreeSet<String>,
}

impl Stage {
    /// Undoes every fault and waits until the store is settled; then deletes all pods and waits until all names are
    /// free.
    pub(super) async fn settle(&mut self, pods: &mut Pods) -> Result<Vec<Violation>, Failure> {
        self.journal.note("everything is healed");
        self.cluster.heal().await?;
        pods.heal()?;
        let mut found = self
            .until_settled(pods, "after all faults were undone", |stage, pods, all| {
                let alive: BTreeSet<_> = pods.uids().into_iter().collect();
                stage.unsettled(all, &alive)
            })
            .await?;
        self.journal.note("every pod is deleted");
        pods.delete_all();
        found.extend(
            self.until_settled(pods, "after all pods were deleted", |stage, pods, all| {
                let mut left = stage.unsettled(all, &BTreeSet::new());
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

    /// Reads the store until a check finds nothing in it. After the deadline, what the check still finds is reported.
    async fn until_settled(
        &self,
        pods: &mut Pods,
        when: &str,
        check: impl Fn(&Self, &Pods, &[KeyValue]) -> Vec<(Kind, String, String)>,
    ) -> Result<Vec<Violation>, Failure> {
        let store = self.access.connect(&self.cluster.urls(), REQUEST_TIMEOUT).await?;
        let spans = self.scenario.validity + self.scenario.quarantine + self.layout.lease();
        let (began, limit) = (boottime::now(), spans + GRACE);
        let mut odd = Vec::new();
        loop {
            odd.extend(tracks::tend(pods, &self.journal)?);
            let late = boottime::between(began, boottime::now()) > limit;
            match store.list(keys::ROOT).await {
                Ok((_, all)) => {
                    let wrong = check(self, pods, &all);
                    if wrong.is_empty() {
                        return Ok(odd);
                    }
                    if late {
                        odd.extend(wrong.into_iter().map(|(kind, path, text)| Violation {
                            kind,
                            at: boottime::now(),
                            path,
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

    /// Lost names and starved pods in the store, given the UIDs of the living pods.
    fn unsettled(&self, all: &[KeyValue], alive: &BTreeSet<String>) -> Vec<(Kind, String, String)> {
        let mut contents: BTreeMap<String, PathContent> = BTreeMap::new();
        let mut wrong = Vec::new();
        for pair in all {
            match Key::parse(&pair.key) {
                Some(Key::Slot(path, name)) => {
                    let record = serde_json::from_slice::<SlotRecord>(&pair.value);
                    let uid = record.map(|record| record.holder.uid).unwrap_or_default();
                    contents.entry(path.to_string()).or_default().held.insert(name, uid);
                }
                Some(Key::Quarantine(path, name)) => {
                    let record = QuarantineRecord::parse(&pair.value);
                    let waits = record.filter(|record| record.waits_for == WaitsFor::PodEnd);
                    let uid = waits.map(|record| record.holder.uid).unwrap_or_default();
                    contents.entry(path.to_string()).or_default().quarantined.insert(name, uid);
                }
                Some(Key::Ticket(path, uid)) => {
                    contents.entry(path.to_string()).or_default().waiting.insert(uid);
                }
                Some(Key::Owner { uid, pool, .. }) if !alive.contains(&uid) => {
                    let text = format!("{uid} is gone and still has an owner record of {pool}");
                    wrong.push((Kind::LostName, String::new(), text));
                }
                _ => {}
            }
        }
        // Pods claim one pool after the other: a pod that waits in an earlier pool may have a quarantine of its own
        // in a later one.
        let waiting: BTreeSet<String> =
            contents.values().flat_map(|content| content.waiting.iter().cloned()).collect();
        for (prefix, pool) in self.layout.pools_by_path() {
            let Some(content) = contents.get(&prefix) else { continue };
            let mut add = |kind, text| wrong.push((kind, prefix.clone(), text));
            for (name, uid) in content.held.iter().filter(|(_, uid)| !alive.contains(*uid)) {
                add(Kind::LostName, format!("{name} is held by {uid}, which is gone"));
            }
            // Here two sidecars of one pod do not share a volume, as they would in Kubernetes. So the second one does
            // not know which name the first one has released, and claims another.
            let is_twins = |uid: &String| {
                !self.scenario.kubelet && content.held.values().any(|holder| holder == uid)
            };
            let is_due =
                |uid: &String| !alive.contains(uid) || !(waiting.contains(uid) || is_twins(uid));
            for (name, _) in content.quarantined.iter().filter(|(_, uid)| is_due(uid)) {
                add(
                    Kind::LostName,
                    format!("{name} is in quarantine, although no pod releases names"),
                );
            }
            for uid in content.waiting.iter().filter(|uid| !alive.contains(*uid)) {
                add(Kind::Starved, format!("{uid}, which is gone, has a ticket"));
            }
            let free =
                pool.names.len().saturating_sub(content.held.len() + content.quarantined.len());
            if free > 0 && !content.waiting.is_empty() {
                let waiting = content.waiting.len();
                add(Kind::Starved, format!("{waiting} pods wait although {free} names are free"));
            }
        }
        wrong
    }
}
