//! What is read off a pod, and the watch that brings it.
//!
//! Only the fields that matter are parsed: a pod may be large, and there may be thousands.

use std::borrow::Cow;
use std::collections::BTreeMap;

use cairn_core::contract::{annotation, flag, pod as contract};
use cairn_core::group::Group;
use cairn_core::identity::is_result_annotation;
use cairn_core::pool::PoolName;
use cairn_core::prefix::Template;
use cairn_core::request::owner::{self, Owner};
use futures::Stream;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Config, Event, watcher};
use kube::{Api, Client, Resource};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::claims::PodId;
use super::desired::Shown;

/// Pods per request: an answer stays in the single megabytes.
const PAGE: u32 = 200;

/// A pod as the API server has it, as far as the mirror looks.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct PodObject {
    /// Name, UID, annotations.
    pub metadata: ObjectMeta,
    spec: Spec,
    status: Status,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    containers: Vec<IgnoredAny>,
    init_containers: Vec<Container>,
    restart_policy: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Container {
    name: String,
    args: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    phase: Option<String>,
    container_statuses: Vec<ContainerStatus>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct ContainerStatus {
    state: State,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct State {
    running: Option<IgnoredAny>,
    terminated: Option<Terminated>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Terminated {
    finished_at: Option<Time>,
}

/// What the mirror knows of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its name.
    pub name: String,
    /// Its annotations.
    pub shown: Shown,
    /// Its group, as its sidecar was told.
    pub group: Option<Group>,
    /// Its own prefix template, as its sidecar was told.
    pub prefix: Option<Template>,
    /// What to say about its group, when that looks generated.
    pub group_hint: Option<String>,
    /// How far its life has come.
    pub life: Life,
}

/// How far a pod's life has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Life {
    /// It runs, or will.
    Runs,
    /// It is being deleted, and an app container may still run.
    Leaves,
    /// No app container runs, and none will.
    Ended,
}

/// The pods with our sidecar, finished ones included: their annotations are to go.
pub fn watched(client: Client) -> impl Stream<Item = Result<Event<PodObject>, watcher::Error>> {
    let config =
        Config::default().labels(&format!("{}=true", annotation::INJECTED_LABEL)).page_size(PAGE);
    watcher(Api::<PodObject>::all(client), config).default_backoff()
}

/// Which pod it is; `None` for something that the API server does not send.
pub fn id(metadata: &ObjectMeta) -> Option<PodId> {
    Some(PodId { namespace: metadata.namespace.clone()?, uid: metadata.uid.clone()? })
}

/// Its version as a number; API servers count, and nothing depends on it but a few spared writes.
pub fn version(metadata: &ObjectMeta) -> Option<u64> {
    metadata.resource_version.as_ref()?.parse().ok()
}

// === impl PodObject ===

impl PodObject {
    /// What matters of it.
    pub fn facts(self) -> Facts {
        let life = self.life();
        let sidecar =
            self.spec.init_containers.iter().find(|found| found.name == contract::CONTAINER);
        let told = |name: &str| {
            let mut args = sidecar.into_iter().flat_map(|sidecar| &sidecar.args);
            args.find_map(|arg| arg.strip_prefix(name)?.strip_prefix('='))
        };
        Facts {
            // What does not parse was not written by our webhook; it counts as not said.
            group: told(flag::GROUP).and_then(|group| group.parse().ok()),
            prefix: told(flag::PREFIX).and_then(|prefix| Template::parse(prefix).ok()),
            group_hint: group_hint(&self.metadata),
            name: self.metadata.name.unwrap_or_default(),
            shown: shown(self.metadata.annotations.unwrap_or_default()),
            life,
        }
    }

    /// How far its life has come.
    pub fn life(&self) -> Life {
        let statuses = &self.status.container_statuses;
        if matches!(self.status.phase.as_deref(), Some("Succeeded" | "Failed")) {
            // A kubelet says so only once nothing runs; a controller that gives up a lost node does not know.
            let runs = statuses.iter().any(|status| status.state.running.is_some());
            return if runs { Life::Leaves } else { Life::Ended };
        }
        let Some(deadline) = &self.metadata.deletion_timestamp else { return Life::Runs };
        // The deletion was requested so long before the instant that the API server shows.
        let grace = self.metadata.deletion_grace_period_seconds.unwrap_or_default();
        let requested = deadline.0.as_second().saturating_sub(grace);
        let all = !statuses.is_empty() && statuses.len() >= self.spec.containers.len();
        let ended = |status: &ContainerStatus| {
            let terminated = status.state.terminated.as_ref();
            terminated.is_some_and(|terminated| self.is_final(terminated, requested))
        };
        if all && statuses.iter().all(ended) { Life::Ended } else { Life::Leaves }
    }

    /// A container that ended before the deletion was requested may be started again by a kubelet that has not
    /// heard of the deletion yet.
    fn is_final(&self, terminated: &Terminated, requested: i64) -> bool {
        let never = self.spec.restart_policy.as_deref() == Some("Never");
        never || terminated.finished_at.as_ref().is_some_and(|at| at.0.as_second() >= requested)
    }
}

/// What admission warned of when the pod was created. Most pods are created by a controller, which shows
/// nobody a warning.
fn group_hint(metadata: &ObjectMeta) -> Option<String> {
    let label = |key: &str| metadata.labels.as_ref()?.get(key).map(String::as_str);
    let note = |key: &str| metadata.annotations.as_ref()?.get(key).map(String::as_str);
    if note(annotation::GROUP).is_some() {
        return None;
    }
    let mut owners = metadata.owner_references.iter().flatten();
    let controller = owners
        .find(|owner| owner.controller == Some(true))
        .map(|owner| Owner { kind: &owner.kind, name: &owner.name });
    owner::group(controller, label, note).warning()
}

impl Resource for PodObject {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        "Pod".into()
    }

    fn group((): &()) -> Cow<'_, str> {
        "".into()
    }

    fn version((): &()) -> Cow<'_, str> {
        "v1".into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        "pods".into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// The annotations that matter.
fn shown(annotations: BTreeMap<String, String>) -> Shown {
    let asked = annotations.get(annotation::POOL).map_or("", String::as_str);
    // Admission has refused what is not a pool name; a later edit that is none asks for nothing.
    let mut asked: Vec<PoolName> =
        asked.split(',').filter_map(|pool| pool.trim().parse().ok()).collect();
    asked.sort();
    asked.dedup();
    Shown {
        asked,
        results: annotations.into_iter().filter(|(key, _)| is_result_annotation(key)).collect(),
    }
}

#[cfg(test)]
mod tests;
