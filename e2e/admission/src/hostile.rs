//! What a webhook does to pods that knows nothing of Cairn: it adds a sidecar, variables, mounts and init containers of
//! its own, puts lists in another order, and writes the whole object anew.
//!
//! Invariant: it does so once. A pod that it has seen already comes out as it came in, as `reinvocationPolicy: IfNeeded`
//! asks of every webhook.

use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

pub mod server;

/// The annotation of a pod that it has seen.
pub const SEEN: &str = "hostile.example.com/seen";
/// The container that it adds.
pub const SIDECAR: &str = "zealous-proxy";

/// In which manner it writes pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Lists in another order.
    Reordering,
    /// The same, and the pod is read into the structs of an older library, which drop fields that they do not know.
    Retyping,
}

/// The pod after it.
pub fn change(pod: &Value, manner: Manner) -> Value {
    let mut pod = pod.clone();
    add(&mut pod);
    reorder(&mut pod);
    match manner {
        Manner::Reordering => pod,
        Manner::Retyping => retype(&pod).unwrap_or(pod),
    }
}

/// Through the structs of Kubernetes 1.33. `None` if the pod does not fit them.
pub fn retype(pod: &Value) -> Option<Value> {
    let typed: Pod = serde_json::from_value(pod.clone()).ok()?;
    serde_json::to_value(typed).ok()
}

fn add(pod: &mut Value) {
    let metadata = &mut pod["metadata"];
    if !metadata["annotations"].is_object() {
        metadata["annotations"] = json!({});
    }
    metadata["annotations"][SEEN] = json!("true");
    let spec = &mut pod["spec"];
    let volume = json!({"name": "a-volume", "emptyDir": {}});
    push_once(&mut spec["volumes"], volume, "name");
    let proxy = json!({"name": SIDECAR, "image": "registry.example.com/proxy:1",
        "env": [{"name": "CAIRN_LIKE", "value": "no"}]});
    push_once(&mut spec["containers"], proxy, "name");
    let prepare = json!({"name": "a-first-step", "image": "registry.example.com/proxy:1"});
    if !has(&spec["initContainers"], "name", &prepare["name"]) {
        match spec["initContainers"].as_array_mut() {
            Some(inits) => inits.insert(0, prepare),
            None => spec["initContainers"] = json!([prepare]),
        }
    }
    for list in ["initContainers", "containers"] {
        for container in spec[list].as_array_mut().into_iter().flatten() {
            push_once(
                &mut container["env"],
                json!({"name": "HTTP_PROXY", "value": "http://p:3128"}),
                "name",
            );
            let mount = json!({"name": "a-volume", "mountPath": "/etc/zealous"});
            push_once(&mut container["volumeMounts"], mount, "mountPath");
        }
    }
}

/// Sorts every list whose order means nothing to the kubelet, or nearly nothing: variables may refer to earlier ones.
pub fn reorder(pod: &mut Value) {
    let spec = &mut pod["spec"];
    for list in ["containers", "volumes"] {
        sort(&mut spec[list], "name");
    }
    for list in ["initContainers", "containers"] {
        for container in spec[list].as_array_mut().into_iter().flatten() {
            sort(&mut container["env"], "name");
            sort(&mut container["volumeMounts"], "mountPath");
        }
    }
}

/// From the last to the first, because manifests have them mostly in the other order.
fn sort(list: &mut Value, key: &str) {
    if let Some(items) = list.as_array_mut() {
        items.sort_by(|a, b| b[key].as_str().cmp(&a[key].as_str()));
    }
}

fn push_once(list: &mut Value, item: Value, key: &str) {
    if has(list, key, &item[key]) {
        return;
    }
    match list.as_array_mut() {
        Some(items) => items.push(item),
        None => *list = json!([item]),
    }
}

fn has(list: &Value, key: &str, name: &Value) -> bool {
    list.as_array().is_some_and(|items| items.iter().any(|item| item[key] == *name))
}
