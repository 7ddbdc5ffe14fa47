//! Reads from a node object whether the node counts, and whether its kubelet is new enough.

use std::collections::HashMap;

use k8s_openapi::api::core::v1::Node;
use kube::api::{ApiResource, Object};

use super::{OldNode, Taint};

/// The first minor version of Kubernetes 1 whose kubelet has `EnvFiles` on by default.
const MINOR: u32 = 35;
/// The first one that runs native sidecars by default. An older one waits for the end of the sidecar, as for that of an
/// init container.
const SIDECARS_MINOR: u32 = 29;

/// A label that virtual nodes carry by convention, and its values.
const TYPE_LABEL: &str = "type";
const VIRTUAL_TYPES: [&str; 2] = ["virtual-kubelet", "kwok"];

/// Keys of labels, annotations and taints that only virtual nodes have: Virtual Kubelet and its providers, KWOK, Liqo.
const VIRTUAL_KEYS: [&str; 4] = [
    "virtual-kubelet.io/provider",
    "kwok.x-k8s.io/node",
    "virtual-node.liqo.io/not-allowed",
    "liqo.io/remote-cluster-id",
];

/// Parts of a version that no real kubelet has: `v1.19-vk`, `v1.25.0-vk-azure-aci-1.6.1`, `kwok-v0.6.0`,
/// `fake`.
const VIRTUAL_VERSIONS: [&str; 4] = ["vk", "virtual", "kwok", "fake"];

/// Taints of temporary conditions: a node that is cordoned or not ready now may run the pod later.
const PASSING_TAINTS: [&str; 3] =
    ["node.kubernetes.io/", "node.cloudprovider.kubernetes.io/", "node.cilium.io/agent-not-ready"];

/// The fields of a node object that are read.
pub type NodeObject = Object<NodeSpec, NodeStatus>;

/// `spec`
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct NodeSpec {
    taints: Option<Vec<NodeTaint>>,
}

/// `status`
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeStatus {
    node_info: Option<NodeInfo>,
}

#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
struct NodeTaint {
    key: String,
    value: String,
    effect: String,
}

#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct NodeInfo {
    operating_system: String,
    kubelet_version: String,
}

/// The support of a node for `fileKeyRef`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kubelet {
    /// Not a Linux node, a virtual node, or a node whose kubelet has not reported yet.
    Ignored,
    /// It supports `fileKeyRef`.
    NewEnough,
    /// It does not support it, or its version is unreadable.
    TooOld(OldNode),
}

/// The resource that [`NodeObject`] is.
pub fn resource() -> ApiResource {
    ApiResource::erase::<Node>(&())
}

/// Judges one node.
pub fn judge(node: &NodeObject) -> Kubelet {
    let info = node.status.as_ref().and_then(|status| status.node_info.as_ref());
    let Some(info) = info.filter(|info| info.operating_system == "linux") else {
        return Kubelet::Ignored;
    };
    if is_virtual(node, &info.kubelet_version) {
        return Kubelet::Ignored;
    }
    if is_new_enough(&info.kubelet_version) {
        return Kubelet::NewEnough;
    }
    Kubelet::TooOld(OldNode {
        name: node.metadata.name.clone().unwrap_or_default(),
        version: info.kubelet_version.clone(),
        labels: node
            .metadata
            .labels
            .iter()
            .flatten()
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect::<HashMap<_, _>>(),
        taints: lasting_taints(node),
    })
}

fn taints(node: &NodeObject) -> impl Iterator<Item = &NodeTaint> {
    node.spec.taints.iter().flatten()
}

fn lasting_taints(node: &NodeObject) -> Vec<Taint> {
    taints(node)
        .filter(|taint| matches!(&*taint.effect, "NoSchedule" | "NoExecute"))
        .filter(|taint| !PASSING_TAINTS.iter().any(|passing| taint.key.starts_with(passing)))
        .map(|taint| Taint {
            key: taint.key.clone(),
            value: taint.value.clone(),
            effect: taint.effect.clone(),
        })
        .collect()
}

fn is_virtual(node: &NodeObject, version: &str) -> bool {
    let metadata = &node.metadata;
    let labels = metadata.labels.as_ref();
    let is_typed = labels
        .and_then(|labels| labels.get(TYPE_LABEL))
        .is_some_and(|value| VIRTUAL_TYPES.contains(&value.as_str()));
    let has_key = VIRTUAL_KEYS.iter().any(|key| {
        labels.is_some_and(|labels| labels.contains_key(*key))
            || metadata.annotations.as_ref().is_some_and(|all| all.contains_key(*key))
            || taints(node).any(|taint| taint.key == *key)
    });
    let words = version.split(|c: char| !c.is_ascii_alphanumeric());
    let is_named = words.into_iter().any(|word| VIRTUAL_VERSIONS.contains(&word));
    is_typed || has_key || is_named
}

/// `v1.35.4`, and with what vendors append: `-eks-1a2b3c`, `-gke.100`, `+k3s1`.
fn is_new_enough(version: &str) -> bool {
    is_at_least(version, MINOR)
}

/// Whether a kubelet of this version runs native sidecars. One whose version is unreadable may.
pub fn runs_sidecars(version: &str) -> bool {
    is_at_least(version, SIDECARS_MINOR) || !is_at_least(version, 0)
}

fn is_at_least(version: &str, wanted: u32) -> bool {
    let mut parts = version.trim_start_matches('v').split(['.', '-', '+']);
    let mut number = || parts.next()?.parse::<u32>().ok();
    match (number(), number()) {
        (Some(1), Some(minor)) => minor >= wanted,
        (Some(major), Some(_)) => major > 1,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn judged(version: &str, change: impl FnOnce(&mut Value)) -> Kubelet {
        let mut node = json!({
            "metadata": {"name": "n", "labels": {"kubernetes.io/os": "linux"}, "annotations": {}},
            "spec": {"taints": []},
            "status": {
                "images": [{"names": ["x"]}],
                "nodeInfo": {"operatingSystem": "linux", "kubeletVersion": version},
            },
        });
        change(&mut node);
        judge(&serde_json::from_value(node).unwrap())
    }

    #[test]
    fn versions_of_vendors_are_read() {
        for new in [
            "v1.35.0",
            "v1.35.2-gke.100",
            "v1.35.4-eks-1a2b3c",
            "v1.36.0-gke.1",
            "v1.40.1+k3s1",
            "v1.35.0+rke2r1",
            "v2.0.0",
        ] {
            assert_eq!(judged(new, |_| ()), Kubelet::NewEnough, "{new}");
        }
        for old in ["v1.34.9", "v1.34.1-eks-abc", "v1.30.0-gke.1", "v1.19", "", "v1", "unknown"] {
            assert!(
                matches!(judged(old, |_| ()), Kubelet::TooOld(node) if node.version == old),
                "{old}"
            );
        }
    }

    #[test]
    fn kubelets_run_native_sidecars_from_1_29_on() {
        for new in ["v1.29.0", "v1.29.3-eks-1a2b3c", "v1.34.1", "v2.0.0", "unknown"] {
            assert!(runs_sidecars(new), "{new}");
        }
        for old in ["v1.28.15", "v1.27.1-gke.100"] {
            assert!(!runs_sidecars(old), "{old}");
        }
    }

    #[test]
    fn windows_nodes_and_nodes_that_have_not_reported_do_not_count() {
        let windows = |node: &mut Value| {
            node["status"]["nodeInfo"]["operatingSystem"] = json!("windows");
        };
        assert_eq!(judged("v1.30.0", windows), Kubelet::Ignored);
        assert_eq!(judged("v1.30.0", |node| node["status"] = json!({})), Kubelet::Ignored);
        assert_eq!(judged("v1.30.0", |node| node["status"] = Value::Null), Kubelet::Ignored);
    }

    #[test]
    fn virtual_nodes_do_not_count_by_version_label_annotation_or_taint() {
        for version in [
            "v1.19-vk",
            "v1.25.0-vk-azure-aci-1.6.1",
            "kwok-v0.6.0",
            "fake",
            "v1.20.1-virtual-kubelet",
        ] {
            assert_eq!(judged(version, |_| ()), Kubelet::Ignored, "{version}");
        }
        for kind in ["virtual-kubelet", "kwok"] {
            let typed = |node: &mut Value| node["metadata"]["labels"]["type"] = json!(kind);
            assert_eq!(judged("v1.30.0", typed), Kubelet::Ignored, "{kind}");
        }
        let annotated = |node: &mut Value| {
            node["metadata"]["annotations"]["kwok.x-k8s.io/node"] = json!("fake");
        };
        assert_eq!(judged("v1.30.0", annotated), Kubelet::Ignored);
        let tainted = |node: &mut Value| {
            node["spec"]["taints"] =
                json!([{"key": "virtual-kubelet.io/provider", "effect": "NoSchedule"}]);
        };
        assert_eq!(judged("v1.30.0", tainted), Kubelet::Ignored);
        let typed = |node: &mut Value| node["metadata"]["labels"]["type"] = json!("spot");
        assert!(matches!(judged("v1.30.0-vkx", typed), Kubelet::TooOld(_)));
    }

    #[test]
    fn taints_that_pass_do_not_keep_a_pod_away_for_good() {
        let tainted = |node: &mut Value| {
            node["spec"]["taints"] = json!([
                {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"},
                {"key": "node.kubernetes.io/not-ready", "effect": "NoExecute"},
                {"key": "prefers", "effect": "PreferNoSchedule"},
                {"key": "gpu", "value": "a100", "effect": "NoSchedule"},
            ]);
        };
        let Kubelet::TooOld(node) = judged("v1.30.0", tainted) else {
            panic!("it is old");
        };
        let keys: Vec<_> = node.taints.iter().map(|taint| &*taint.key).collect();
        assert_eq!(keys, ["gpu"]);
    }
}
