//! Which nodes decide how environment variables reach a pod.

use cairn_e2e::app::App;
use cairn_e2e::cluster::Cluster;
use cairn_e2e::ns::{Namespace, alone};
use cairn_e2e::wait::{Seen, secs, until};
use cairn_e2e::{Done, Failure};
use serde_json::{Value, json as object};

const NODE: &str = "odd-node";

#[test]
fn variables_come_from_annotations_only_when_the_pod_can_run_on_an_old_node() -> Done {
    alone("nodes", |ns| {
        let _odd = OddNode(&ns.cluster);
        let affine = |operator: &str| {
            let pool = object!({"key": "pool", "operator": operator, "values": ["old"]});
            object!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [pool]}],
            }}}})
        };
        let tolerant = object!({"tolerations": [{"key": "team", "operator": "Exists"}]});
        let anywhere = object!({});

        eventually(ns, &anywhere, "fileKeyRef", "there is no other node")?;

        add(ns, "v1.34.1-eks-abc", &object!({"pool": "old"}), &object!([]))?;
        eventually(ns, &anywhere, "fieldRef", "the node is old")?;
        eventually(ns, &affine("NotIn"), "fileKeyRef", "the pod avoids the node")?;
        eventually(ns, &affine("In"), "fieldRef", "the pod wants the node")?;

        let taint = object!([{"key": "team", "value": "x", "effect": "NoSchedule"}]);
        add(ns, "v1.34.1-eks-abc", &object!({"pool": "old"}), &taint)?;
        eventually(ns, &anywhere, "fileKeyRef", "the taint keeps the pod away")?;
        eventually(ns, &tolerant, "fieldRef", "the pod tolerates the taint")?;

        for (version, labels) in [
            ("v1.19-vk", object!({})),
            ("v1.30.0", object!({"type": "virtual-kubelet"})),
            ("fake", object!({"type": "kwok"})),
            ("v1.35.2-gke.100", object!({})),
        ] {
            add(ns, version, &labels, &object!([]))?;
            eventually(ns, &anywhere, "fileKeyRef", version)?;
        }
        Ok(())
    })
}

/// Waits until admission gives a pod with these fields its variables this way.
fn eventually(ns: &Namespace, fields: &Value, way: &str, why: &str) -> Done {
    until(&format!("variables come by {way}, because {why}"), secs(20), || {
        let mut pod = App::claiming("probe", "mountains").pod();
        let spec = pod.pointer_mut("/spec").and_then(Value::as_object_mut);
        if let (Some(spec), Some(fields)) = (spec, fields.as_object()) {
            spec.extend(fields.clone());
        }
        let args = ["-n", &ns.name, "create", "--dry-run=server", "-o", "json", "-f", "-"];
        let made = ns.cluster.kubectl_with(&args, &pod.to_string())?.ok()?;
        let made: Value = serde_json::from_str(&made).unwrap_or_default();
        let source =
            made.pointer("/spec/containers/0/env/0/valueFrom").cloned().unwrap_or_default();
        Ok(match source.get(way) {
            Some(_) => Seen::Yes(()),
            None => Seen::NotYet(source.to_string()),
        })
    })
}

/// Deletes the node and creates it with this kubelet version.
fn add(ns: &Namespace, version: &str, labels: &Value, taints: &Value) -> Done {
    remove(&ns.cluster)?;
    let node = object!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE, "labels": labels},
        "spec": {"taints": taints},
    });
    ns.cluster.kubectl_with(&["create", "-f", "-"], &node.to_string())?.ok()?;
    let info = object!({"status": {"nodeInfo": {
        "operatingSystem": "linux", "kubeletVersion": version, "architecture": "amd64",
        "bootID": "", "containerRuntimeVersion": "", "kernelVersion": "", "kubeProxyVersion": "",
        "machineID": "", "osImage": "", "systemUUID": "",
    }}});
    let patch =
        ["patch", "node", NODE, "--subresource=status", "--type=merge", "-p", &info.to_string()];
    ns.cluster.kubectl(&patch)?.ok().map(drop)
}

fn remove(cluster: &Cluster) -> Result<(), Failure> {
    cluster.kubectl(&["delete", "node", NODE, "--ignore-not-found"])?.ok().map(drop)
}

/// Deletes the node when it is dropped, also when the test fails.
struct OddNode<'a>(&'a Cluster);

impl Drop for OddNode<'_> {
    fn drop(&mut self) {
        if let Err(failure) = remove(self.0) {
            eprintln!("cannot delete node {NODE}: {failure:?}");
        }
    }
}
