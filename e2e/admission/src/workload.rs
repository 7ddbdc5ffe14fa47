//! The pod that Kubernetes' controllers would create for a workload: names, labels and owners as theirs.

use serde_json::{Map, Value, json};

/// The end of a name that the API server generates.
const GENERATED: &str = "x7k2p";
/// The hash of a pod template.
const HASH: &str = "5d4f7c9b8";

/// The first pod of an object: of a workload from its template, a bare pod itself.
pub fn pod(object: &Value) -> Value {
    let name = name(object);
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
    match kind {
        "Deployment" => {
            let set = format!("{name}-{HASH}");
            let labels = [("pod-template-hash", HASH.to_owned())];
            of_template(object, "/spec/template", &labels, ("apps/v1", "ReplicaSet", &set))
        }
        "ReplicaSet" => of_template(object, "/spec/template", &[], ("apps/v1", kind, &name)),
        "ReplicationController" => of_template(object, "/spec/template", &[], ("v1", kind, &name)),
        "StatefulSet" => {
            let labels = [
                ("controller-revision-hash", format!("{name}-{HASH}")),
                ("statefulset.kubernetes.io/pod-name", format!("{name}-0")),
                ("apps.kubernetes.io/pod-index", "0".to_owned()),
            ];
            let mut pod = of_template(object, "/spec/template", &labels, ("apps/v1", kind, &name));
            set(&mut pod, "/metadata", "name", json!(format!("{name}-0")));
            set(&mut pod, "/spec", "hostname", json!(format!("{name}-0")));
            without(&mut pod, "/metadata", "generateName");
            pod
        }
        "DaemonSet" => {
            let labels = [("controller-revision-hash", HASH.to_owned())];
            of_template(object, "/spec/template", &labels, ("apps/v1", kind, &name))
        }
        "Job" => {
            let labels = [("batch.kubernetes.io/job-name", name.clone())];
            of_template(object, "/spec/template", &labels, ("batch/v1", kind, &name))
        }
        "CronJob" => {
            let job = format!("{name}-29000000");
            let labels = [("batch.kubernetes.io/job-name", job.clone())];
            of_template(
                object,
                "/spec/jobTemplate/spec/template",
                &labels,
                ("batch/v1", "Job", &job),
            )
        }
        _ => object.clone(),
    }
}

/// The name, or one that the API server could make of `generateName`.
fn name(object: &Value) -> String {
    let field =
        |field: &str| object.get("metadata")?.get(field)?.as_str().filter(|text| !text.is_empty());
    match (field("name"), field("generateName")) {
        (Some(name), _) => name.to_owned(),
        (None, Some(start)) => format!("{start}{GENERATED}"),
        (None, None) => String::new(),
    }
}

fn of_template(
    object: &Value,
    template: &str,
    labels: &[(&str, String)],
    (version, kind, owner): (&str, &str, &str),
) -> Value {
    let template = object.pointer(template).cloned().unwrap_or_default();
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": template["metadata"], "spec": template["spec"]});
    if !pod["metadata"].is_object() {
        pod["metadata"] = json!({});
    }
    set(&mut pod, "/metadata", "generateName", json!(format!("{owner}-")));
    without(&mut pod, "/metadata", "creationTimestamp");
    let reference = json!({
        "apiVersion": version, "kind": kind, "name": owner, "uid": "0b5a2f9e-8f6a-4c1d-9d0e-2b7c5f1a3e4d",
        "controller": true, "blockOwnerDeletion": true,
    });
    set(&mut pod, "/metadata", "ownerReferences", json!([reference]));
    if !labels.is_empty() && !pod["metadata"]["labels"].is_object() {
        set(&mut pod, "/metadata", "labels", json!({}));
    }
    for (key, value) in labels {
        set(&mut pod, "/metadata/labels", key, json!(value));
    }
    pod
}

fn set(object: &mut Value, parent: &str, key: &str, value: Value) {
    if let Some(map) = object.pointer_mut(parent).and_then(Value::as_object_mut) {
        map.insert(key.to_owned(), value);
    }
}

fn without(object: &mut Value, parent: &str, key: &str) {
    if let Some(map) = object.pointer_mut(parent).and_then(Value::as_object_mut) {
        let _: Option<Value> = Map::remove(map, key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployments_pod_belongs_to_its_replica_set() {
        let template = json!({"metadata": {"labels": {"app": "a"}}, "spec": {"containers": []}});
        let pod = pod(
            &json!({"kind": "Deployment", "metadata": {"name": "mail"}, "spec": {"template": template}}),
        );
        assert_eq!(pod["metadata"]["generateName"], "mail-5d4f7c9b8-");
        assert_eq!(pod["metadata"]["ownerReferences"][0]["kind"], "ReplicaSet");
        assert_eq!(pod["metadata"]["labels"], json!({"app": "a", "pod-template-hash": HASH}));
    }

    #[test]
    fn a_cron_jobs_pod_belongs_to_its_job_and_a_bare_pod_is_itself() {
        let template = json!({"spec": {"containers": []}});
        let inner = json!({"spec": {"template": template}});
        let cron = json!({"kind": "CronJob", "metadata": {"generateName": "m-"}, "spec": {"jobTemplate": inner}});
        assert_eq!(pod(&cron)["metadata"]["ownerReferences"][0]["name"], "m-x7k2p-29000000");
        let bare = json!({"kind": "Pod", "metadata": {"name": "a"}});
        assert_eq!(pod(&bare), bare);
    }
}
