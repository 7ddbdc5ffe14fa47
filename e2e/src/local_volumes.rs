//! Local volumes on the node, and a `StorageClass` without a provisioner for them.

use serde_json::json;

use crate::Done;
use crate::cluster::Cluster;

/// The name of the class.
pub const CLASS: &str = "local";

/// Creates the class and this many volumes. A volume is used once: it is retained after its claim is deleted, and bound
/// to no other claim.
pub fn prepare(cluster: &Cluster, count: usize) -> Done {
    let class = json!({
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": CLASS},
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
    });
    let mut objects = vec![class];
    for number in 0..count {
        let path = format!("/var/lib/volumes/{number}");
        cluster.node(&["mkdir", "-p", &path])?.ok()?;
        objects.push(json!({
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": format!("volume-{number}")},
            "spec": {
                "capacity": {"storage": "4Gi"},
                "accessModes": ["ReadWriteOnce"],
                "persistentVolumeReclaimPolicy": "Retain",
                "storageClassName": CLASS,
                "local": {"path": path},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [{
                    "matchExpressions": [{"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]}],
                }]}},
            },
        }));
    }
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    cluster.kubectl_with(&["apply", "-f", "-"], &list.to_string())?.ok().map(drop)
}
