//! The default group of a pod: the workload behind its owner reference.
//!
//! An owner whose name is new with every run or rollout would make a new group each time, and with it new metrics. So
//! the part of the name that Kubernetes or a well-known controller generated is removed. Only the pod itself is read,
//! because admission makes no network calls.
//!
//! A part is removed only when it is known to be generated. `worker-x7k2p` may be a name that Kubernetes made from
//! `generateName: worker-`, or a name that a user chose. Admission sees which when the workload is created, and writes
//! [`annotation::GENERATE_NAME`] on its pods. Without that annotation,
//! [`Derived::looks_generated`] reports names that look generated.

use crate::contract::annotation;
use crate::group::Group;

mod generated;

use generated::{without_likely_suffix, without_random_suffix, without_unix_seconds};

/// Labels whose value is the suffix of a `ReplicaSet`'s name: of the Deployment controller, and of Argo Rollouts.
const HASH_LABELS: [&str; 2] = ["pod-template-hash", "rollouts-pod-template-hash"];

/// Knative makes a Deployment per revision; this label names the Service on all of their pods.
const KNATIVE_SERVICE: &str = "serving.knative.dev/service";

/// OpenShift makes a `ReplicationController` `<config>-<number>` per rollout of a `DeploymentConfig`. Label or
/// annotation of the pods name the `DeploymentConfig`.
const DEPLOYMENT_CONFIG_LABEL: &str = "deploymentconfig";
const DEPLOYMENT_CONFIG_ANNOTATION: &str = "openshift.io/deployment-config.name";

/// Argo Workflows names the Workflow in this label of its pods.
const ARGO_WORKFLOW: &str = "workflows.argoproj.io/workflow";

/// Labels that Tekton puts on the pod of a `TaskRun`. A pipeline or task that is embedded in its run has the name of
/// the run.
const TEKTON_PIPELINE: &str = "tekton.dev/pipeline";
const TEKTON_PIPELINE_RUN: &str = "tekton.dev/pipelineRun";
const TEKTON_PIPELINE_TASK: &str = "tekton.dev/pipelineTask";
const TEKTON_TASK: &str = "tekton.dev/task";

/// A CronJob names its Jobs `<cronjob>-<minutes since 1970>`: eight digits until the year 2160.
const MINUTES_DIGITS: usize = 8;

/// 2015 in minutes since 1970; no CronJob existed before. A date such as `20261121` is a smaller number.
const FIRST_MINUTES: u32 = 23_668_560;

/// The controller among a pod's owner references.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    /// `ReplicaSet`, `Job`, …
    pub kind: &'a str,
    /// Its name.
    pub name: &'a str,
}

/// The group that was derived for a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Derived {
    /// The group; `None` for bare pods and for static pods.
    pub group: Option<Group>,
    /// When the group looks as if a part of it were generated: the group without that part.
    pub looks_generated: Option<Group>,
}

/// Derives the group of a pod with this controller, these labels and these annotations.
pub fn group<'a>(
    controller: Option<Owner<'a>>,
    label: impl Fn(&str) -> Option<&'a str>,
    annotation: impl Fn(&str) -> Option<&'a str>,
) -> Derived {
    let Some(owner) = controller.filter(|owner| owner.kind != "Node") else {
        return Derived::default();
    };
    if let Some(workload) = of_well_known_controller(owner, &label, &annotation) {
        return Derived { group: workload.parse().ok(), looks_generated: None };
    }
    let workload = match owner.kind {
        "ReplicaSet" => HASH_LABELS
            .into_iter()
            .find_map(|key| without_suffix(owner.name, label(key)?))
            .unwrap_or(owner.name),
        "Job" => without_minutes(owner.name),
        _ => owner.name,
    };
    let generate_name = annotation(annotation::GENERATE_NAME);
    if let Some(stem) = generate_name.and_then(|from| without_random_suffix(workload, Some(from))) {
        return Derived { group: stem.parse().ok(), looks_generated: None };
    }
    let looks_generated = without_likely_suffix(workload).and_then(|stem| stem.parse().ok());
    Derived { group: workload.parse().ok(), looks_generated }
}

// === impl Derived ===

impl Derived {
    /// The warning for the user, when the group looks generated.
    pub fn warning(&self) -> Option<String> {
        let (group, stem) = (self.group.as_ref()?, self.looks_generated.as_ref()?);
        Some(format!(
            "Cairn: the group of this pod is '{group}', after its owner, and that name looks generated; if it is new \
             with every run, so are the pod's names and metrics: set {key}: {stem}",
            key = annotation::GROUP
        ))
    }
}

/// The workload of an owner that a well-known controller makes for each run or rollout, from the labels and annotations
/// of that controller.
fn of_well_known_controller<'a>(
    owner: Owner<'a>,
    label: impl Fn(&str) -> Option<&'a str>,
    annotation: impl Fn(&str) -> Option<&'a str>,
) -> Option<String> {
    match owner.kind {
        "ReplicaSet" => label(KNATIVE_SERVICE).map(str::to_owned),
        "ReplicationController" => {
            let config = annotation(DEPLOYMENT_CONFIG_ANNOTATION)
                .or_else(|| label(DEPLOYMENT_CONFIG_LABEL))?;
            let number = owner.name.strip_prefix(config)?.strip_prefix('-')?;
            number.bytes().all(|digit| digit.is_ascii_digit()).then(|| config.to_owned())
        }
        "Workflow" => {
            label(ARGO_WORKFLOW).filter(|workflow| *workflow == owner.name)?;
            Some(run(owner.name))
        }
        "TaskRun" => match (label(TEKTON_PIPELINE), label(TEKTON_PIPELINE_TASK)) {
            (Some(pipeline), Some(task)) => {
                let embedded = label(TEKTON_PIPELINE_RUN) == Some(pipeline);
                let pipeline = if embedded { run(pipeline) } else { pipeline.to_owned() };
                Some(format!("{pipeline}-{task}"))
            }
            _ => match label(TEKTON_TASK) {
                Some(task) if task != owner.name => Some(task.to_owned()),
                _ => Some(run(owner.name)),
            },
        },
        _ => None,
    }
}

/// The name of a run without its generated suffix. Such an object is made for one run, so a suffix that looks random is
/// random.
fn run(name: &str) -> String {
    without_random_suffix(name, None)
        .or_else(|| without_unix_seconds(name))
        .unwrap_or(name)
        .to_owned()
}

fn without_suffix<'a>(name: &'a str, hash: &str) -> Option<&'a str> {
    let stem = name.strip_suffix(hash)?.strip_suffix('-')?;
    (!stem.is_empty()).then_some(stem)
}

fn without_minutes(name: &str) -> &str {
    match name.rsplit_once('-') {
        Some((stem, digits))
            if !stem.is_empty()
                && digits.len() == MINUTES_DIGITS
                && digits.bytes().all(|digit| digit.is_ascii_digit())
                && digits.parse().is_ok_and(|minutes: u32| minutes >= FIRST_MINUTES) =>
        {
            stem
        }
        _ => name,
    }
}

#[cfg(test)]
mod tests;
