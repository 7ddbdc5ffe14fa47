//! The types of Kubernetes' API that patches contain, with the fields that Cairn writes.
//!
//! Structs that borrow and not JSON values: each object of a value is a map with an allocation of its own for every
//! key, and all of them together would take longer than the rest of a review.

use std::borrow::Cow;
use std::collections::BTreeMap;

use cairn_core::request::resources::{Quantity, Resource};
use serde::{Serialize, Serializer};

/// A container.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Container<'a> {
    pub(super) name: &'static str,
    pub(super) image: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) image_pull_policy: Option<&'a str>,
    pub(super) restart_policy: &'static str,
    pub(super) args: Vec<String>,
    pub(super) env: Vec<Variable<'static>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ports: Option<[Port; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) startup_probe: Option<Probe>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) liveness_probe: Option<Probe>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resources: Option<Resources>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lifecycle: Option<Lifecycle>,
    pub(super) security_context: SecurityContext,
    pub(super) termination_message_policy: &'static str,
    pub(super) volume_mounts: Vec<VolumeMount>,
}

/// A variable of a container.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Variable<'a> {
    pub(super) name: &'a str,
    pub(super) value_from: Source<'a>,
}

/// Where the value of a variable comes from.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Source<'a> {
    /// A field of the pod.
    FieldRef {
        /// As `metadata.name`.
        field_path: Cow<'a, str>,
    },
    /// A file of a volume.
    FileKeyRef {
        /// The volume.
        volume_name: &'static str,
        /// The file, below the volume.
        path: &'static str,
        /// The variable in the file.
        key: &'a str,
    },
}

/// A port of a container.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Port {
    pub(super) name: &'static str,
    #[serde(rename = "containerPort")]
    pub(super) number: u16,
    pub(super) protocol: &'static str,
}

/// A probe. It has one of the two actions.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) exec: Option<Exec>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) http_get: Option<HttpGet>,
    pub(super) period_seconds: u32,
    pub(super) timeout_seconds: u32,
    pub(super) failure_threshold: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) termination_grace_period_seconds: Option<u64>,
}

/// A command that is run.
#[derive(Debug, Serialize)]
pub struct Exec {
    pub(super) command: [&'static str; 4],
}

/// A request over HTTP.
#[derive(Debug, Serialize)]
pub struct HttpGet {
    pub(super) path: &'static str,
    pub(super) port: u16,
}

/// The hooks of a container.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lifecycle {
    pub(super) pre_stop: Hook,
}

/// A hook.
#[derive(Debug, Serialize)]
pub struct Hook {
    pub(super) exec: Exec,
}

/// Requests and limits.
#[derive(Debug, Serialize)]
pub struct Resources {
    #[serde(serialize_with = "quantities")]
    pub(super) requests: Quantities,
    #[serde(serialize_with = "quantities")]
    pub(super) limits: Quantities,
}

/// By resource.
pub type Quantities = BTreeMap<Resource, Quantity>;

/// What a container may do.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecurityContext {
    pub(super) allow_privilege_escalation: bool,
    pub(super) capabilities: Capabilities,
    pub(super) read_only_root_filesystem: bool,
    pub(super) run_as_non_root: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) run_as_user: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seccomp_profile: Option<SeccompProfile>,
}

/// Capabilities of Linux.
#[derive(Debug, Serialize)]
pub struct Capabilities {
    pub(super) drop: [&'static str; 1],
}

/// A filter of system calls.
#[derive(Debug, Serialize)]
pub struct SeccompProfile {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
}

/// A mount of a volume.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeMount {
    pub(super) name: &'static str,
    pub(super) mount_path: &'static str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) read_only: bool,
}

/// A volume. It has one of the sources.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Volume {
    pub(super) name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) empty_dir: Option<EmptyDir>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) projected: Option<Projected>,
    #[serde(rename = "downwardAPI", skip_serializing_if = "Option::is_none")]
    pub(super) downward_api: Option<DownwardApi>,
}

/// An empty folder.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EmptyDir {
    pub(super) medium: &'static str,
    pub(super) size_limit: &'static str,
}

/// What the kubelet projects.
#[derive(Debug, Serialize)]
pub struct Projected {
    pub(super) sources: [Projection; 1],
}

/// Fields of the pod as files.
#[derive(Debug, Serialize)]
pub struct DownwardApi {
    pub(super) items: [DownwardFile; 1],
}

/// One source of a projected volume.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Projection {
    /// A token of the pod's account.
    ServiceAccountToken {
        /// Who accepts it.
        audience: &'static str,
        /// How long.
        expiration_seconds: u32,
        /// Its file.
        path: &'static str,
    },
}

/// One file with a field of the pod.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DownwardFile {
    pub(super) path: &'static str,
    pub(super) field_ref: FieldRef,
}

/// A field of the pod.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldRef {
    pub(super) field_path: &'static str,
}

/// A Secret of the pod's namespace.
#[derive(Debug, Serialize)]
pub struct Secret<'a> {
    pub(super) name: &'a str,
}

// === impl Source ===

impl Source<'static> {
    /// This field of the pod.
    pub(super) fn field(path: &'static str) -> Self {
        Self::FieldRef { field_path: Cow::Borrowed(path) }
    }
}

fn quantities<S: Serializer>(quantities: &Quantities, to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(
        quantities.iter().map(|(resource, quantity)| (resource.as_str(), quantity.as_str())),
    )
}
