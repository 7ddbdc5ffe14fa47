//! Ten rollouts against a real Carbon, with Cairn and without: the problem that Cairn solves.

use std::collections::BTreeSet;

use cairn_e2e::app::{IMAGE, pods_of, rolled_out};
use cairn_e2e::carbon::Carbon;
use cairn_e2e::ns::{Namespace, in_namespace, within};
use cairn_e2e::wait::{Seen, secs, until_quickly};
use cairn_e2e::{Done, Failure, json, paths};
use serde_json::{Value, json as object};

const ROLLOUTS: usize = 10;
const REPLICAS: usize = 3;
const EXAMPLE: &str = "deploy/examples/graphite.yaml";

#[test]
fn ten_rollouts_make_at_most_seven_whisper_folders_with_cairn_and_thirty_with_pod_names() -> Done {
    within("carbon", |ours| {
        in_namespace(&ours.cluster, "control", |control| {
            let carbon = Carbon::start(&ours.cluster)?;
            let example = example(ours)?;
            let app = json::text(&example, "/metadata/name").unwrap_or_default();
            ours.apply(&example.to_string())?;
            control.apply(&by_pod_name(example, control)?.to_string())?;
            for ns in [ours, control] {
                carbon.serve_in(ns)?;
            }
            let mut pods_seen = BTreeSet::new();
            for rollout in 0..=ROLLOUTS {
                for ns in [ours, control].iter().filter(|_| rollout > 0) {
                    ns.kubectl(&["rollout", "restart", &format!("deployment/{app}")])?;
                }
                for ns in [ours, control] {
                    rolled_out(ns, &app)?;
                }
                for pod in pods_of(control, &app, REPLICAS)? {
                    pods_seen.insert(pod.name);
                }
                for pod in pods_of(ours, &app, REPLICAS)? {
                    arrives(&carbon, &pod.file("prefix")?)?;
                }
                for pod in &pods_seen {
                    arrives(&carbon, &format!("{}.{app}.{pod}", control.name))?;
                }
            }
            let names = carbon.folders(&format!("{}.{app}", ours.name))?;
            let pods = carbon.folders(&format!("{}.{app}", control.name))?;
            println!("after {ROLLOUTS} rollouts of {REPLICAS} replicas, Whisper has");
            println!("  with Cairn:     {:2} folders: {}", names.len(), names.join(" "));
            println!("  with pod names: {:2} folders", pods.len());
            assert!((REPLICAS..=7).contains(&names.len()), "{names:?}");
            assert!(pods.len() >= 30, "{pods:?}");
            Ok(())
        })
    })
}

/// The example's Deployment, without its namespace.
fn example(ns: &Namespace) -> Result<Value, Failure> {
    let path = paths::repository().join(EXAMPLE);
    let path = path.to_string_lossy();
    let objects =
        ns.cluster.kubectl(&["create", "--dry-run=client", "-o", "json", "-f", &*path])?.json()?;
    let single = [objects.clone()];
    let all = if json::list(&objects, "/items").is_empty() {
        &single
    } else {
        json::list(&objects, "/items")
    };
    let mut deployment = all
        .iter()
        .find(|object| json::text(object, "/kind").as_deref() == Some("Deployment"))
        .cloned()
        .ok_or_else(|| Failure::new(format!("{EXAMPLE} has no Deployment")))?;
    if let Some(metadata) = deployment.pointer_mut("/metadata").and_then(Value::as_object_mut) {
        metadata.remove("namespace");
    }
    assert_eq!(deployment["spec"]["replicas"], REPLICAS);
    Ok(deployment)
}

/// The same app without Cairn: an init container writes a prefix with the pod's name.
fn by_pod_name(mut deployment: Value, ns: &Namespace) -> Result<Value, Failure> {
    let app = json::text(&deployment, "/metadata/name").unwrap_or_default();
    let template = deployment
        .pointer_mut("/spec/template")
        .ok_or_else(|| Failure::new("the example has no template"))?;
    let mount = object!({"name": "names", "mountPath": "/var/run/cairn"});
    let script = format!("printf %s {}.{app}.$(hostname) >/var/run/cairn/prefix", ns.name);
    template["metadata"]["annotations"] = object!({});
    template["spec"]["volumes"] = object!([{"name": "names", "emptyDir": {}}]);
    template["spec"]["containers"][0]["volumeMounts"] = object!([mount]);
    template["spec"]["initContainers"] = object!([{
        "name": "names",
        "image": IMAGE,
        "command": ["sh", "-c", script],
        "volumeMounts": [mount],
        "securityContext": template["spec"]["containers"][0]["securityContext"],
    }]);
    Ok(deployment)
}

/// Waits until the metrics of a prefix are on disk.
fn arrives(carbon: &Carbon, prefix: &str) -> Done {
    let (parent, name) = prefix.rsplit_once('.').unwrap_or_default();
    until_quickly(&format!("metrics of {prefix} arrive"), secs(30), || {
        let folders = carbon.folders(parent)?;
        Ok(if folders.iter().any(|folder| folder == name) {
            Seen::Yes(())
        } else {
            Seen::NotYet(folders.join(" "))
        })
    })
}
