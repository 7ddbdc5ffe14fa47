//! Injects one object: its pods are admitted as the API server would show them, with the owner that they will have.

use cairn_core::contract::{flag, pod as names};
use cairn_webhook::admission::inject::{Facts, decide};
use cairn_webhook::admission::patch::Patch;
use cairn_webhook::admission::workload;
use cairn_webhook::view::Pod;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::manifest::layout::Layout;
use crate::manifest::metadata::subject;

/// Stands for what Kubernetes generates; the group of a pod does not contain it.
const HASH: &str = "5d59d67564";
/// Five characters of Kubernetes' alphabet for generated names.
const RANDOM: &str = "bcdfg";
/// Minutes since 1970, as a CronJob appends them.
const MINUTES: &str = "29920140";
/// The label with [`HASH`].
const HASH_LABEL: &str = "pod-template-hash";

/// Changes the pods of an object, or of all objects of a list. The warnings; or the first refusal.
pub fn inject(document: &mut Value, facts: &Facts<'_>) -> Result<Vec<String>, String> {
    let kind = document.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
    if kind.ends_with("List")
        && let Some(items) = document.get_mut("items").and_then(Value::as_array_mut)
    {
        let mut warnings = Vec::new();
        for item in items {
            warnings.extend(inject(item, facts)?);
        }
        return Ok(warnings);
    }
    let Some(layout) = Layout::of(&kind, document) else { return Ok(Vec::new()) };
    let subject = subject(&kind, document);
    one(document, &kind, &layout, facts).map_err(|reason| format!("{subject}: refused: {reason}"))
}

/// What admission says of the pods of an object: its warnings, or the reason why it refuses them.
pub fn admit(object: &Value, facts: &Facts<'_>) -> Result<Vec<String>, String> {
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
    match Layout::of(kind, object) {
        Some(layout) => one(&mut object.clone(), kind, &layout, facts),
        None => Ok(Vec::new()),
    }
}

fn one(
    document: &mut Value,
    kind: &str,
    layout: &Layout,
    facts: &Facts<'_>,
) -> Result<Vec<String>, String> {
    if let Ok(raw) = RawValue::from_string(document.to_string()) {
        apply(document, &workload::decide(&raw))?;
    }
    let metadata = document.get("metadata").cloned().unwrap_or_default();
    let namespace = metadata.get("namespace").and_then(Value::as_str).unwrap_or(facts.namespace);
    let pointer: String = layout.template.iter().flat_map(|field| ["/", field]).collect();
    let Some(template) = document.pointer_mut(&pointer) else {
        return Err(format!("{} is missing", layout.template.join(".")));
    };
    let is_pod = layout.template.is_empty();
    let mut pod = template.clone();
    let labelled = pod.pointer("/metadata/labels").is_some();
    if !is_pod {
        own(&mut pod, kind, &metadata);
    }
    let text = pod.to_string();
    let read: Pod<'_> = serde_json::from_str(&text)
        .map_err(|error| format!("not a pod that Cairn can read: {error}"))?;
    let plan =
        decide(&read, &Facts { namespace, ..*facts }).map_err(|refusal| refusal.to_string())?;
    if plan.patch.is_empty() {
        return Ok(plan.warnings);
    }
    apply(&mut pod, &plan.patch)?;
    if !is_pod {
        disown(&mut pod, labelled);
    }
    *template = pod;
    Ok(plan.warnings)
}

/// Adds what the pods of a workload have besides their template.
fn own(pod: &mut Value, kind: &str, metadata: &Value) {
    let text =
        |field: &str| metadata.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
    let name = match (text("name"), text("generateName")) {
        (Some(name), _) => name.to_owned(),
        (None, Some(begin)) => format!("{begin}{RANDOM}"),
        (None, None) => return,
    };
    let (kind, name) = match kind {
        "Deployment" => ("ReplicaSet", format!("{name}-{HASH}")),
        "CronJob" => ("Job", format!("{name}-{MINUTES}")),
        other => (other, name),
    };
    let Some(pod) = pod.as_object_mut() else { return };
    let metadata = pod.entry("metadata").or_insert_with(|| json!({}));
    if let Some(metadata) = metadata.as_object_mut() {
        let owner = json!([{"kind": kind, "name": name, "controller": true}]);
        metadata.insert("ownerReferences".to_owned(), owner);
        let labels = metadata.entry("labels").or_insert_with(|| json!({}));
        if let (Some(labels), "ReplicaSet") = (labels.as_object_mut(), kind) {
            labels.insert(HASH_LABEL.to_owned(), json!(HASH));
        }
    }
}

/// Removes it again, and the arguments that admission makes from it for each pod.
fn disown(pod: &mut Value, labelled: bool) {
    if let Some(metadata) = pod.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("ownerReferences");
        let labels = metadata.get_mut("labels").and_then(Value::as_object_mut);
        let is_empty = labels.is_some_and(|labels| {
            labels.remove(HASH_LABEL);
            labels.is_empty()
        });
        if is_empty && !labelled {
            metadata.remove("labels");
        }
    }
    let inits = pod.pointer_mut("/spec/initContainers").and_then(Value::as_array_mut);
    let is_ours = |container: &&mut Value| {
        container.get("name").and_then(Value::as_str) == Some(names::CONTAINER)
    };
    let ours = inits.into_iter().flatten().find(is_ours);
    if let Some(args) = ours.and_then(|ours| ours.get_mut("args")?.as_array_mut()) {
        args.retain(|arg| {
            let flag = arg.as_str().and_then(|arg| arg.split('=').next()).unwrap_or_default();
            flag != flag::ADMITTED && flag != flag::GENERATION
        });
    }
}

fn apply(object: &mut Value, patch: &Patch) -> Result<(), String> {
    let patch: json_patch::Patch =
        serde_json::from_slice(&patch.to_json()).map_err(|error| error.to_string())?;
    json_patch::patch(object, &patch).map_err(|error| error.to_string())
}
