//! Which files and variables of the claim init containers and native sidecars have.

use cairn_e2e::app::{App, IMAGE};
use cairn_e2e::ns::{Namespace, within};
use cairn_e2e::pod::Pod;
use cairn_e2e::wait::{Seen, secs, until};
use cairn_e2e::{Done, Failure};
use serde_json::{Value, json as object};

/// Prints variables and file of the claim.
const PRINT: &str = "echo \"name=$CAIRN_NAME prefix=$CAIRN_PREFIX fence=$CAIRN_FENCE \
                     own=$CAIRN_MOUNTAINS_NAME file=$(cat /var/run/cairn/name)\"";

#[test]
fn init_containers_native_sidecars_and_apps_have_variables_and_files_in_both_env_modes() -> Done {
    within("early", |ns| {
        for how in ["file", "annotation"] {
            let pod = early_pod(how, &object!({"cairn.dev/env": how}));
            ns.apply(&pod.to_string())?;
            let ready = ["wait", "--for=condition=Ready", &format!("pod/{how}"), "--timeout=90s"];
            ns.kubectl(&ready)?;
            let pod = Pod::named(ns, how);
            let [name, prefix, fence] = ["name", "prefix", "fence"].map(|file| pod.file(file));
            let (name, prefix, fence) = (name?, prefix?, fence?);
            assert_eq!(prefix, format!("{}.-.{name}", ns.name));
            let line = format!("name={name} prefix={prefix} fence={fence} own={name} file={name}");
            for container in ["prep", "shipper", "app"] {
                assert_eq!(first_line(ns, how, container)?, line, "{how}: {container}");
            }
        }
        Ok(())
    })
}

#[test]
fn a_pod_that_lists_a_container_that_starts_before_the_sidecar_is_refused() -> Done {
    within("before", |ns| {
        let annotations = object!({"cairn.dev/containers": "prep"});
        let mut pod = early_pod("before", &annotations);
        let proxy = container("istio-proxy", "exec sleep 3600", Some("Always"));
        if let Some(list) = pod.pointer_mut("/spec/initContainers").and_then(Value::as_array_mut) {
            list.insert(1, proxy);
        }
        let args = ["-n", &ns.name, "create", "--dry-run=server", "-f", "-"];
        let said = ns.cluster.kubectl_with(&args, &pod.to_string())?.stderr;
        let message = "annotation 'cairn.dev/containers' names init container 'prep', which starts before Cairn's \
                       sidecar, when there is no claim yet; move it behind 'istio-proxy', or take it off the list";
        assert!(said.contains(message), "{said}");
        Ok(())
    })
}

/// A pod with an init container, a native sidecar and an app, which all print variables and file of the claim.
fn early_pod(name: &str, annotations: &Value) -> Value {
    let app =
        App::claiming(name, "mountains").script(&format!("{PRINT}; exec sleep 3600")).grace(1);
    let mut pod = app.pod();
    let inits = object!([
        container("prep", PRINT, None),
        container("shipper", &format!("{PRINT}; exec sleep 3600"), Some("Always")),
    ]);
    if let Some(spec) = pod.pointer_mut("/spec").and_then(Value::as_object_mut) {
        spec.insert("initContainers".to_owned(), inits);
    }
    let map = pod.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut);
    if let (Some(map), Some(more)) = (map, annotations.as_object()) {
        map.extend(more.clone());
    }
    pod
}

fn container(name: &str, script: &str, restart: Option<&str>) -> Value {
    let mut container = object!({
        "name": name,
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", script],
        "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
    });
    if let (Some(restart), Some(container)) = (restart, container.as_object_mut()) {
        container.insert("restartPolicy".to_owned(), restart.into());
    }
    container
}

/// The first line that a container has printed.
fn first_line(ns: &Namespace, pod: &str, container: &str) -> Result<String, Failure> {
    until(&format!("{container} of {pod} prints a line"), secs(30), || {
        let log = ns.kubectl(&["logs", pod, "-c", container])?;
        Ok(match log.lines().next() {
            Some(line) => Seen::Yes(line.to_owned()),
            None => Seen::NotYet("an empty log".to_owned()),
        })
    })
}
