//! The pods that asked for the sidecar and run without it: takes watch events, returns those to report.
//!
//! Pure. Other pods are not kept: there may be many.

use std::collections::{BTreeMap, HashMap};

use cairn_core::opt_in;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{ObjectMeta, PartialObjectMeta};
use kube::runtime::watcher::Event;

/// One such pod.
#[derive(Clone, Debug, PartialEq)]
pub struct MissedPod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// The annotation by which it asks.
    pub asked: &'static str,
    /// The controller that created it.
    pub owner: Option<OwnerReference>,
}

/// All such pods, by UID.
#[derive(Debug, Default)]
pub struct MissedPods {
    pods: HashMap<String, Entry>,
    /// Those of a list that is not complete yet.
    listing: HashMap<String, Entry>,
}

#[derive(Debug)]
struct Entry {
    pod: MissedPod,
    reported: bool,
}

// === impl MissedPods ===

impl MissedPods {
    /// Takes an event of the watch.
    pub fn apply(&mut self, event: Event<PartialObjectMeta<Pod>>) {
        match event {
            Event::Init => self.listing.clear(),
            Event::InitApply(object) => {
                if let Some(pod) = MissedPod::of(object.metadata) {
                    let reported = self.pods.get(&pod.uid).is_some_and(|entry| entry.reported);
                    self.listing.insert(pod.uid.clone(), Entry { pod, reported });
                }
            }
            Event::InitDone => self.pods = std::mem::take(&mut self.listing),
            Event::Apply(object) => {
                let uid = object.metadata.uid.clone().unwrap_or_default();
                let before = self.pods.remove(&uid);
                if let Some(pod) = MissedPod::of(object.metadata) {
                    let reported = before.is_some_and(|entry| entry.reported);
                    self.pods.insert(uid, Entry { pod, reported });
                }
            }
            Event::Delete(object) => {
                self.pods.remove(object.metadata.uid.as_deref().unwrap_or_default());
            }
        }
    }

    /// Those that were not returned before.
    pub fn unreported(&mut self) -> Vec<MissedPod> {
        let new = self.pods.values_mut().filter(|entry| !entry.reported);
        let report = |entry: &mut Entry| {
            entry.reported = true;
            entry.pod.clone()
        };
        new.map(report).collect()
    }

    /// How many there are in each namespace.
    pub fn by_namespace(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for entry in self.pods.values() {
            *counts.entry(entry.pod.namespace.clone()).or_default() += 1;
        }
        counts
    }
}

// === impl MissedPod ===

impl MissedPod {
    /// `None` for a pod that does not ask, or has the sidecar.
    fn of(metadata: ObjectMeta) -> Option<Self> {
        let labels = metadata.labels.unwrap_or_default();
        let asked = opt_in::missed(&labels, &metadata.annotations.unwrap_or_default())?;
        let mut owners = metadata.owner_references.into_iter().flatten();
        Some(Self {
            namespace: metadata.namespace?,
            name: metadata.name?,
            uid: metadata.uid?,
            asked,
            owner: owners.find(|owner| owner.controller == Some(true)),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(uid: &str, annotation: &str) -> PartialObjectMeta<Pod> {
        serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"namespace": "shop", "name": format!("pod-{uid}"), "uid": uid,
                "annotations": {annotation: "mountains"},
                "ownerReferences": [
                    {"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "n"},
                    {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "r", "controller": true},
                ]},
        }))
        .unwrap()
    }

    fn names(pods: &[MissedPod]) -> Vec<&str> {
        pods.iter().map(|pod| pod.name.as_str()).collect()
    }

    #[test]
    fn each_pod_is_reported_once_also_when_everything_is_listed_again() {
        let mut pods = MissedPods::default();
        let list = |pods: &mut MissedPods, uids: &[&str]| {
            pods.apply(Event::Init);
            uids.iter().for_each(|uid| pods.apply(Event::InitApply(pod(uid, "cairn.dev/pool"))));
            pods.apply(Event::InitDone);
        };
        list(&mut pods, &["u1"]);
        let found = pods.unreported();
        assert_eq!(names(&found), ["pod-u1"]);
        assert_eq!(found[0].owner.as_ref().unwrap().kind, "ReplicaSet");
        list(&mut pods, &["u1", "u2"]);
        assert_eq!(names(&pods.unreported()), ["pod-u2"]);
        pods.apply(Event::Apply(pod("u2", "cairn.dev/pool")));
        assert_eq!(names(&pods.unreported()), [""; 0]);
        assert_eq!(pods.by_namespace(), BTreeMap::from([("shop".to_owned(), 2)]));
    }

    #[test]
    fn a_pod_that_is_gone_or_does_not_ask_any_more_is_not_counted() {
        let mut pods = MissedPods::default();
        pods.apply(Event::Apply(pod("u1", "cairn.dev/pool")));
        pods.apply(Event::Apply(pod("u2", "cairn.dev/coordinate")));
        pods.apply(Event::Apply(pod("u3", "example.com/other")));
        assert_eq!(pods.by_namespace()["shop"], 2);
        pods.apply(Event::Apply(pod("u1", "example.com/other")));
        pods.apply(Event::Delete(pod("u2", "cairn.dev/coordinate")));
        assert!(pods.by_namespace().is_empty());
    }
}
