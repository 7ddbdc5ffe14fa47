//! Workloads that are created with `generateName`: passes it on to their pods.
//!
//! A pod shows only the resulting name, which does not say whether it was generated. So admission copies `generateName`
//! into an annotation of the pod template, and [`cairn_core::request::owner`] removes the generated suffix.
//!
//! Applies to workloads that opt in, at CREATE only. Refuses nothing. The rules are in `docs/pods.md`, "Group".

use std::collections::BTreeMap;

use cairn_core::contract::annotation;
use cairn_core::opt_in::ASKING;
use serde_json::value::RawValue;

use super::patch::{Patch, escape};
use crate::view::{Pairs, Text};

/// The fields of a workload that matter, for all kinds.
#[derive(serde::Deserialize)]
struct Workload<'a> {
    #[serde(borrow, default)]
    metadata: Metadata<'a>,
    #[serde(borrow, default)]
    spec: Spec<'a>,
}

#[derive(Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    generate_name: Option<Text<'a>>,
    #[serde(borrow)]
    annotations: Option<Pairs<'a>>,
}

#[derive(Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec<'a> {
    #[serde(borrow)]
    template: Option<Template<'a>>,
    /// Of a CronJob.
    #[serde(borrow)]
    job_template: Option<JobTemplate<'a>>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct JobTemplate<'a> {
    #[serde(borrow)]
    spec: JobSpec<'a>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct JobSpec<'a> {
    #[serde(borrow)]
    template: Option<Template<'a>>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Template<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
}

/// The patch of a workload; empty if it needs none or is unreadable.
pub fn decide(object: &RawValue) -> Patch {
    let mut patch = Patch::default();
    let Ok(Workload { metadata, spec }) = serde_json::from_str(object.get()) else {
        return patch;
    };
    // A workload with both fields has the chosen name.
    let generated = metadata.generate_name.filter(|generate_name| !generate_name.is_empty());
    let (Some(generate_name), None) = (generated, metadata.name.filter(|name| !name.is_empty()))
    else {
        return patch;
    };
    let (template, pointer) = match (spec.template, spec.job_template) {
        (Some(template), _) => (template, "/spec/template"),
        (None, Some(JobTemplate { spec: JobSpec { template: Some(template) } })) => {
            (template, "/spec/jobTemplate/spec/template")
        }
        _ => return patch,
    };
    let annotations: BTreeMap<_, _> = template.metadata.annotations.unwrap_or_default();
    let present = annotations.get(annotation::GENERATE_NAME);
    let asks = ASKING.into_iter().any(|key| annotations.contains_key(key));
    if asks && present != Some(&generate_name) {
        let key = escape(annotation::GENERATE_NAME);
        patch.add(format!("{pointer}/metadata/annotations/{key}"), &*generate_name);
    }
    patch
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn decided(object: &Value) -> Value {
        let raw = RawValue::from_string(object.to_string()).unwrap();
        serde_json::from_slice(&decide(&raw).to_json()).unwrap()
    }

    fn job(metadata: &Value, annotations: &Value) -> Value {
        json!({"metadata": metadata, "spec": {"template": {"metadata": {"annotations": annotations}}}})
    }

    #[test]
    fn the_template_of_a_generated_workload_gets_its_generate_name() {
        let metadata = json!({"generateName": "mail-batch-", "creationTimestamp": null});
        let before = job(&metadata, &json!({"cairn.dev/pool": "mountains"}));
        assert_eq!(
            decided(&before),
            json!([{
                "op": "add",
                "path": "/spec/template/metadata/annotations/cairn.dev~1generate-name",
                "value": "mail-batch-",
            }])
        );
        let copied = json!({"cairn.dev/pool": "mountains", "cairn.dev/generate-name": "old-"});
        assert_eq!(decided(&job(&metadata, &copied))[0]["value"], "mail-batch-");
    }

    #[test]
    fn a_cron_job_has_its_template_deeper() {
        let inner = job(&json!({}), &json!({"cairn.dev/pool": "mountains"}));
        let cron = json!({"metadata": {"generateName": "c-"}, "spec": {"jobTemplate": inner}});
        assert_eq!(
            decided(&cron)[0]["path"],
            "/spec/jobTemplate/spec/template/metadata/annotations/cairn.dev~1generate-name"
        );
    }

    #[test]
    fn everything_else_is_left_alone() {
        let pool = json!({"cairn.dev/pool": "mountains"});
        let generated = json!({"generateName": "mail-"});
        for object in [
            job(&json!({"name": "mail"}), &pool),
            job(&json!({"name": "mail", "generateName": "mail-"}), &pool),
            job(&json!({"generateName": ""}), &pool),
            job(&generated, &json!({"other": "x"})),
            job(&generated, &json!(null)),
            job(&generated, &json!({"cairn.dev/pool": "m", "cairn.dev/generate-name": "mail-"})),
            json!({"metadata": generated, "spec": {}}),
            json!({"metadata": generated, "spec": {"template": null}}),
            json!({"metadata": {"annotations": {"a": 1}}}),
            json!([]),
        ] {
            assert_eq!(decided(&object), json!([]), "{object}");
        }
    }
}
