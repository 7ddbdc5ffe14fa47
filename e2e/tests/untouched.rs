//! Pods that have not opted in are not changed.

use cairn_e2e::app::App;
use cairn_e2e::ns::{Namespace, within};
use cairn_e2e::{Done, Failure, json};
use serde_json::Value;

/// A namespace that the chart excludes from admission.
const EXCLUDED: &str = "kube-system";

#[test]
fn a_pod_without_the_annotation_is_stored_as_without_cairn() -> Done {
    within("plain", |ns| {
        let plain = App::named("plain").annotation("example.com/team", "shop");
        assert_eq!(as_stored(ns, &plain, &ns.name)?, as_stored(ns, &plain, EXCLUDED)?);
        // With the annotation the two differ, so the comparison above can fail.
        let asking = plain.annotation("cairn.dev/pool", "mountains");
        assert_ne!(as_stored(ns, &asking, &ns.name)?, as_stored(ns, &asking, EXCLUDED)?);
        Ok(())
    })
}

/// Programs believe these annotations, and only the mirror writes them.
#[test]
fn claim_annotations_of_a_pod_that_did_not_opt_in_are_removed() -> Done {
    within("plain-claims", |ns| {
        let plain = App::named("plain").annotation("example.com/team", "shop");
        let copied = plain.annotation("claim.cairn.dev/mountains", "Denali").pod().to_string();
        let args = ["-n", &ns.name, "create", "--dry-run=server", "-o", "json", "-f", "-"];
        let stored = ns.cluster.kubectl_with(&args, &copied)?.json()?;
        let annotations = stored.pointer("/metadata/annotations");
        assert_eq!(annotations, Some(&serde_json::json!({"example.com/team": "shop"})));
        Ok(())
    })
}

/// The object that the API server would store for a pod, without fields that differ between pods.
fn as_stored(ns: &Namespace, app: &App, namespace: &str) -> Result<String, Failure> {
    let args = [
        "-n",
        namespace,
        "create",
        "--dry-run=server",
        "-o",
        "json",
        "--show-managed-fields",
        "-f",
        "-",
    ];
    let mut pod = ns.cluster.kubectl_with(&args, &app.pod().to_string())?.json()?;
    for (parent, field) in [
        ("/metadata", "namespace"),
        ("/metadata", "uid"),
        ("/metadata", "creationTimestamp"),
        ("/metadata/managedFields/0", "time"),
    ] {
        let parent = pod.pointer_mut(parent).and_then(Value::as_object_mut);
        let removed = parent.and_then(|parent| parent.remove(field));
        assert!(removed.is_some(), "{field} is missing");
    }
    let text = serde_json::to_string_pretty(&pod)
        .map_err(|error| Failure::new(format!("not JSON: {error}")))?;
    Ok(match token_volume(&pod) {
        Some(volume) => text.replace(&volume, "kube-api-access"),
        None => text,
    })
}

/// The name of the API token's volume, which is random.
fn token_volume(pod: &Value) -> Option<String> {
    json::list(pod, "/spec/volumes")
        .iter()
        .filter_map(|volume| json::text(volume, "/name"))
        .find(|name| name.starts_with("kube-api-access-"))
}
