//! The members of the bundled etcd: their StatefulSet, their pods, and the etcd cluster that they form.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::cluster::Cluster;
use crate::etcd::etcdctl;
use crate::install::NAMESPACE;
use crate::json;
use crate::wait::{Seen, secs, until};
use crate::{Done, Failure};

/// The name of the StatefulSet.
pub const STATEFUL_SET: &str = "cairn-etcd";
/// Selects its pods.
const SELECTOR: &str = "app.kubernetes.io/component=etcd";
/// The `ConfigMap` with the record of the etcd cluster.
pub const RECORD: &str = "cairn-etcd-cluster";

/// The members of one cluster's etcd.
#[derive(Clone, Debug)]
pub struct Members {
    cluster: Cluster,
}

impl Members {
    /// The members of this Kubernetes cluster's etcd.
    pub fn of(cluster: &Cluster) -> Self {
        Self { cluster: cluster.clone() }
    }

    /// Waits until exactly this many members are ready, none is being deleted, and all have the newest revision of the
    /// pod template.
    pub fn ready(&self, count: u64) -> Done {
        until(&format!("{count} etcd members are ready"), secs(150), || {
            let set = self.cluster.get(&["-n", NAMESPACE, "statefulset", STATEFUL_SET])?;
            let number = |pointer| set.pointer(pointer).and_then(Value::as_u64).unwrap_or_default();
            let same = |pointer, other| set.pointer(pointer) == set.pointer(other);
            let settled = number("/status/readyReplicas") == count
                && number("/status/replicas") == count
                && number("/spec/replicas") == count
                && same("/status/currentRevision", "/status/updateRevision")
                && same("/status/observedGeneration", "/metadata/generation");
            let pods = self.cluster.get(&["-n", NAMESPACE, "pods", "-l", SELECTOR])?;
            // The StatefulSet's status may be older than the deletion of a pod.
            let settled = settled
                && json::list(&pods, "/items").iter().filter(|pod| is_ready(pod)).count() as u64
                    == count;
            Ok(if settled {
                Seen::Yes(())
            } else {
                Seen::NotYet(format!("{:?}", set.get("status")))
            })
        })
    }

    /// The id of the etcd cluster, which must be the same at all members and in the record.
    pub fn one_cluster(&self, count: u64) -> Result<String, Failure> {
        let mut ids = BTreeSet::from([self.recorded()?]);
        for number in 0..count {
            let pod = format!("{STATEFUL_SET}-{number}");
            ids.insert(self.cluster_of(&pod)?);
        }
        let first = ids.pop_first().unwrap_or_default();
        if ids.is_empty() {
            Ok(first)
        } else {
            Err(Failure::new(format!("clusters {first} and {ids:?}")))
        }
    }

    /// What a member says. It may be ready and not serve clients yet: etcd serves them once it has published its own
    /// URL, and tries that again after 7 s when the first attempt is lost.
    fn cluster_of(&self, pod: &str) -> Result<String, Failure> {
        let status = ["endpoint", "status", "-w", "json"];
        until(&format!("{pod} names its cluster"), secs(60), || {
            let output = etcdctl(&self.cluster, pod, &status)?;
            if output.code != Some(0) {
                return Ok(Seen::NotYet(output.stderr));
            }
            let id = output.json()?.pointer("/0/Status/header/cluster_id").and_then(Value::as_u64);
            Ok(Seen::Yes(format!("{:x}", id.unwrap_or_default())))
        })
    }

    /// Deletes the pod of a member.
    pub fn delete_pod(&self, number: u64) -> Done {
        let pod = format!("{STATEFUL_SET}-{number}");
        self.cluster.kubectl(&["-n", NAMESPACE, "delete", "pod", &pod])?.ok().map(drop)
    }

    /// Deletes a member with its volume.
    pub fn lose(&self, number: u64) -> Done {
        let claim = format!("data-{STATEFUL_SET}-{number}");
        self.cluster.kubectl(&["-n", NAMESPACE, "delete", "pvc", &claim, "--wait=false"])?.ok()?;
        self.delete_pod(number)
    }

    /// The messages of Events about a member that waits for its start.
    pub fn waiting_events(&self, number: u64) -> Result<Vec<String>, Failure> {
        let selector = format!("involvedObject.name={STATEFUL_SET}-{number},reason=EtcdWaiting");
        let list = self.cluster.get(&["-n", NAMESPACE, "events", "--field-selector", &selector])?;
        let events = json::list(&list, "/items").iter();
        Ok(events.filter_map(|event| json::text(event, "/message")).collect())
    }

    /// The UID of the member's pod, to see whether it was replaced.
    pub fn pod_uid(&self, number: u64) -> Result<String, Failure> {
        let pod =
            self.cluster.get(&["-n", NAMESPACE, "pod", &format!("{STATEFUL_SET}-{number}")])?;
        Ok(json::text(&pod, "/metadata/uid").unwrap_or_default())
    }

    fn recorded(&self) -> Result<String, Failure> {
        let map = self.cluster.get(&["-n", NAMESPACE, "configmap", RECORD])?;
        let text = json::text(&map, "/data/cluster.json").unwrap_or_default();
        let record: Value = serde_json::from_str(&text)
            .map_err(|error| Failure::new(format!("the record is not JSON: {error}: {text}")))?;
        Ok(json::text(&record, "/clusterId").unwrap_or_default())
    }
}

fn is_ready(pod: &Value) -> bool {
    let conditions = json::list(pod, "/status/conditions").iter();
    let ready = |one: &&Value| json::text(one, "/type").as_deref() == Some("Ready");
    pod.pointer("/metadata/deletionTimestamp").is_none()
        && conditions.filter(ready).any(|one| json::text(one, "/status").as_deref() == Some("True"))
}
