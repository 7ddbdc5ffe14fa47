//! The pods as the mirror reads them, and their watch.
//!
//! Only the needed fields are parsed: a pod may be large, and there may be thousands.

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
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Config, Event, watcher};
use kube::{Api, Client, Resource};
use serde::Deserialize;
use serde::de::IgnoredAny;

mod metadata;
mod results;

pub use results::Results;

/// Pods per request. The client has a response in memory three times while it reads it: some megabytes.
const PAGE: u32 = 100;

/// A pod, as keys in etcd identify it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodId {
    /// Its namespace.
    pub namespace: String,
    /// Its UID.
    pub uid: String,
}

/// The annotations of a pod that the mirror reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodAnnotations {
    /// The pools that it asks for, in byte order.
    pub asked: Vec<PoolName>,
    /// Its result annotations, by any writer.
    pub results: Results,
}

/// The fields of a pod object that the mirror reads.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct PodObject {
    /// Name, UID, annotations.
    #[serde(deserialize_with = "metadata::needed")]
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

/// What the mirror needs to know of a pod.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// Its name.
    pub name: String,
    /// Its annotations.
    pub shown: PodAnnotations,
    /// Its group, from its sidecar's arguments.
    pub group: Option<Group>,
    /// Its own prefix template, from its sidecar's arguments.
    pub prefix: Option<Template>,
    /// A hint about its group, if that looks generated.
    pub group_hint: Option<String>,
    /// The controller that created it, for Events.
    pub owner: Option<OwnerReference>,
    /// Whether it runs.
    pub life: Life,
}

/// Whether a pod runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Life {
    /// It runs or will run.
    Runs,
    /// It is being deleted, and an app container may still run.
    Leaves,
    /// No app container runs, and none will.
    Ended,
}

/// Watches the pods with our sidecar, including finished ones, whose annotations are to be removed.
pub fn watched(client: Client) -> impl Stream<Item = Result<Event<PodObject>, watcher::Error>> {
    let config =
        Config::default().labels(&format!("{}=true", annotation::INJECTED_LABEL)).page_size(PAGE);
    watcher(Api::<PodObject>::all(client), config).default_backoff()
}

/// The identity of a pod; `None` for an object without UID or namespace, which the API server does not send.
pub fn id(metadata: &ObjectMeta) -> Option<PodId> {
    Some(PodId { namespace: metadata.namespace.clone()?, uid: metadata.uid.clone()? })
}

/// The resource version as a number. It only saves a few writes, so a server that does not count does no harm.
pub fn version(metadata: &ObjectMeta) -> Option<u64> {
    metadata.resource_version.as_ref()?.parse().ok()
}

// === impl PodObject ===

impl PodObject {
    /// Reads what the mirror needs.
    pub fn facts(self) -> Facts {
        let life = self.life();
        let sidecar =
            self.spec.init_containers.iter().find(|found| found.name == contract::CONTAINER);
        let arg = |name: &str| {
            let mut args = sidecar.into_iter().flat_map(|sidecar| &sidecar.args);
            args.find_map(|arg| arg.strip_prefix(name)?.strip_prefix('='))
        };
        Facts {
            // An argument that does not parse was not written by our webhook; it is ignored.
            group: arg(flag::GROUP).and_then(|group| group.parse().ok()),
            prefix: arg(flag::PREFIX).and_then(|prefix| Template::parse(prefix).ok()),
            group_hint: group_hint(&self.metadata),
            owner: controller(&self.metadata).cloned(),
            name: self.metadata.name.unwrap_or_default(),
            shown: shown(self.metadata.annotations.unwrap_or_default()),
            life,
        }
    }

    /// Whether the pod runs.
    pub fn life(&self) -> Life {
        let statuses = &self.status.container_statuses;
        if matches!(self.status.phase.as_deref(), Some("Succeeded" | "Failed")) {
            // A kubelet reports the phase once nothing runs. A controller that gives up a lost node does not know it.
            let runs = statuses.iter().any(|status| status.state.running.is_some());
            return if runs { Life::Leaves } else { Life::Ended };
        }
        let Some(deadline) = &self.metadata.deletion_timestamp else { return Life::Runs };
        // The API server shows the instant of the request plus the grace period.
        let grace = self.metadata.deletion_grace_period_seconds.unwrap_or_default();
        let requested = deadline.0.as_second().saturating_sub(grace);
        let all = !statuses.is_empty() && statuses.len() >= self.spec.containers.len();
        let ended = |status: &ContainerStatus| {
            let terminated = status.state.terminated.as_ref();
            terminated.is_some_and(|terminated| self.is_final(terminated, requested))
        };
        if all && statuses.iter().all(ended) { Life::Ended } else { Life::Leaves }
    }

    /// Whether the kubelet will not start the container again. It may restart a container that ended before the
    /// deletion was requested, until it knows of the deletion.
    fn is_final(&self, terminated: &Terminated, requested: i64) -> bool {
        let never = self.spec.restart_policy.as_deref() == Some("Never");
        never || terminated.finished_at.as_ref().is_some_and(|at| at.0.as_second() >= requested)
    }
}

/// The warning that admission gave at creation. A controller, which creates most pods, shows warnings to nobody.
fn group_hint(metadata: &ObjectMeta) -> Option<String> {
    let label = |key: &str| metadata.labels.as_ref()?.get(key).map(String::as_str);
    let note = |key: &str| metadata.annotations.as_ref()?.get(key).map(String::as_str);
    if note(annotation::GROUP).is_some() {
        return None;
    }
    let controller =
        controller(metadata).map(|owner| Owner { kind: &owner.kind, name: &owner.name });
    owner::group(controller, label, note).warning()
}

fn controller(metadata: &ObjectMeta) -> Option<&OwnerReference> {
    let mut owners = metadata.owner_references.iter().flatten();
    owners.find(|owner| owner.controller == Some(true))
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

/// Reads the annotations.
fn shown(annotations: BTreeMap<String, String>) -> PodAnnotations {
    let asked = annotations.get(annotation::POOL).map_or("", String::as_str);
    // Admission refuses names that no pool can have. A later edit to such a name is ignored.
    let mut asked: Vec<PoolName> =
        asked.split(',').filter_map(|pool| pool.trim().parse().ok()).collect();
    asked.sort();
    asked.dedup();
    PodAnnotations {
        asked,
        results: annotations.into_iter().filter(|(key, _)| is_result_annotation(key)).collect(),
    }
}

#[cfg(test)]
mod tests;
