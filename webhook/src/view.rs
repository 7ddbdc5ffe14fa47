//! The few fields of a pod that admission reads, borrowed from the request's bytes.
//!
//! Everything else is skipped and never written back: the answer is a patch, so fields that are
//! newer than this program survive. Not for: building anything.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use cairn_core::request::owner::Owner;
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde_json::value::RawValue;

pub mod object;
pub mod scheduling;

use scheduling::{Affinity, Toleration};

/// A string that borrows from the input unless it contains an escape.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text<'a>(Cow<'a, str>);

/// A map of strings in the order of the input.
pub type Pairs<'a> = std::collections::BTreeMap<Text<'a>, Text<'a>>;

/// A pod.
#[derive(Debug, serde::Deserialize)]
pub struct Pod<'a> {
    /// `metadata`
    #[serde(borrow, default, deserialize_with = "object::one")]
    pub metadata: Metadata<'a>,
    /// `spec`
    #[serde(borrow, deserialize_with = "object::one")]
    pub spec: Spec<'a>,
}

/// `metadata`
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata<'a> {
    /// Empty while a controller leaves the name to the API server.
    #[serde(borrow, deserialize_with = "nullable")]
    pub name: Text<'a>,
    /// What the name will begin with then.
    #[serde(borrow, deserialize_with = "nullable")]
    pub generate_name: Text<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    /// Annotations.
    pub annotations: Pairs<'a>,
    /// Labels.
    #[serde(borrow, deserialize_with = "nullable")]
    pub labels: Pairs<'a>,
    /// Owners.
    #[serde(borrow, deserialize_with = "nullable")]
    pub owner_references: Vec<OwnerReference<'a>>,
}

/// One of `metadata.ownerReferences`.
#[derive(Debug, serde::Deserialize)]
pub struct OwnerReference<'a> {
    /// `ReplicaSet`, …
    #[serde(borrow)]
    pub kind: Text<'a>,
    /// Its name.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// Whether it is the controller.
    #[serde(default)]
    pub controller: Option<bool>,
}

/// `spec`
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec<'a> {
    /// Init containers, raw: ours is compared as a whole.
    #[serde(borrow, default, deserialize_with = "nullable")]
    pub init_containers: Vec<&'a RawValue>,
    /// App containers.
    #[serde(borrow, default, deserialize_with = "object::list")]
    pub containers: Vec<Container<'a>>,
    /// Volumes.
    #[serde(borrow, default, deserialize_with = "nullable")]
    pub volumes: Vec<Volume<'a>>,
    /// Labels that the node must have.
    #[serde(borrow, default, deserialize_with = "nullable")]
    pub node_selector: Pairs<'a>,
    /// Other rules about the node.
    #[serde(borrow, default, deserialize_with = "nullable")]
    pub affinity: Affinity<'a>,
    /// Secrets with which its images are pulled.
    #[serde(borrow, default, deserialize_with = "nullable")]
    pub image_pull_secrets: Vec<Reference<'a>>,
    /// The node, when the pod names it itself.
    #[serde(borrow, default, deserialize_with = "nullable")]
    pub node_name: Text<'a>,
    /// Taints that the pod tolerates.
    #[serde(borrow, default, deserialize_with = "nullable")]
    pub tolerations: Vec<Toleration<'a>>,
    /// The operating system, when the pod says it.
    #[serde(borrow, default, deserialize_with = "nullable")]
    pub os: Os<'a>,
    /// Whether the pod uses the node's network.
    #[serde(default, deserialize_with = "nullable")]
    pub host_network: bool,
    /// Seconds from SIGTERM to SIGKILL.
    #[serde(default)]
    pub termination_grace_period_seconds: Option<u64>,
    /// How names are resolved.
    #[serde(borrow, default, deserialize_with = "nullable")]
    pub dns_policy: Text<'a>,
    /// Changes of that.
    #[serde(borrow, default, deserialize_with = "nullable")]
    pub dns_config: DnsConfig<'a>,
    /// The pod's security context.
    #[serde(default, deserialize_with = "nullable")]
    pub security_context: SecurityContext,
    /// Resources of the pod as a whole (Kubernetes 1.34).
    #[serde(borrow, default)]
    pub resources: Option<&'a RawValue>,
}

/// A container.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Container<'a> {
    /// Its name.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// `Always` makes an init container a native sidecar.
    #[serde(borrow, default, deserialize_with = "nullable")]
    pub restart_policy: Text<'a>,
    /// Arguments.
    #[serde(borrow, default, deserialize_with = "nullable")]
    pub args: Vec<Text<'a>>,
    /// Environment.
    #[serde(borrow, default, deserialize_with = "nullable")]
    pub env: Vec<EnvVar<'a>>,
    /// Mounts.
    #[serde(borrow, default, deserialize_with = "nullable")]
    pub volume_mounts: Vec<Mount<'a>>,
    /// The ports that it declares.
    #[serde(borrow, default, deserialize_with = "nullable")]
    pub ports: Vec<ContainerPort<'a>>,
    /// The liveness probe.
    #[serde(borrow, default)]
    pub liveness_probe: Option<&'a RawValue>,
    /// The startup probe.
    #[serde(borrow, default)]
    pub startup_probe: Option<&'a RawValue>,
    /// The readiness probe.
    #[serde(borrow, default)]
    pub readiness_probe: Option<&'a RawValue>,
    /// Requests and limits.
    #[serde(borrow, default)]
    pub resources: Option<&'a RawValue>,
    /// Hooks.
    #[serde(borrow, default)]
    pub lifecycle: Option<&'a RawValue>,
}

/// One of a container's ports.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerPort<'a> {
    /// Its name, when it has one.
    #[serde(borrow, default, deserialize_with = "nullable")]
    pub name: Text<'a>,
    /// Its number.
    pub container_port: i64,
}

/// An environment variable.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvVar<'a> {
    /// Its name.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// Its value, when it is a literal.
    #[serde(borrow, default)]
    pub value: Option<&'a RawValue>,
    /// Where its value comes from, when it is not a literal.
    #[serde(borrow, default)]
    pub value_from: Option<&'a RawValue>,
}

/// A volume mount.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mount<'a> {
    /// The volume.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// Where.
    #[serde(borrow)]
    pub mount_path: Text<'a>,
    /// Whether the container cannot write there.
    #[serde(default, deserialize_with = "nullable")]
    pub read_only: bool,
}

/// An object of the pod's namespace, by name.
#[derive(Debug, serde::Deserialize)]
pub struct Reference<'a> {
    /// Its name.
    #[serde(borrow, default, deserialize_with = "nullable")]
    pub name: Text<'a>,
}

/// `spec.dnsConfig`
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct DnsConfig<'a> {
    /// Addresses of name servers.
    #[serde(borrow, deserialize_with = "nullable")]
    pub nameservers: Vec<Text<'a>>,
    /// Domains that are tried.
    #[serde(borrow, deserialize_with = "nullable")]
    pub searches: Vec<Text<'a>>,
}

/// A volume; of its source only the kinds that are ours, and those below which no folder can be made.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Volume<'a> {
    /// Its name.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// `emptyDir`
    #[serde(borrow, default)]
    pub empty_dir: Option<&'a RawValue>,
    /// `projected`
    #[serde(borrow, default)]
    pub projected: Option<&'a RawValue>,
    /// `downwardAPI`
    #[serde(borrow, default, rename = "downwardAPI")]
    pub downward_api: Option<&'a RawValue>,
    /// `configMap`
    #[serde(borrow, default)]
    pub config_map: Option<&'a RawValue>,
    /// `secret`
    #[serde(borrow, default)]
    pub secret: Option<&'a RawValue>,
    /// `image`
    #[serde(borrow, default)]
    pub image: Option<&'a RawValue>,
    /// `hostPath`
    #[serde(borrow, default)]
    pub host_path: Option<&'a RawValue>,
}

/// `spec.os`
#[derive(Debug, Default, serde::Deserialize)]
pub struct Os<'a> {
    /// `linux` or `windows`.
    #[serde(borrow, default, deserialize_with = "nullable")]
    pub name: Text<'a>,
}

/// `spec.securityContext`
#[derive(Clone, Copy, Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecurityContext {
    /// The user that containers run as unless they say otherwise.
    #[serde(default)]
    pub run_as_user: Option<i64>,
}

// === impl Metadata ===

impl<'a> Metadata<'a> {
    /// The controller, as the derivation of the group wants it.
    pub fn controller(&'a self) -> Option<Owner<'a>> {
        self.owner_references
            .iter()
            .find(|owner| owner.controller == Some(true))
            .map(|owner| Owner { kind: &owner.kind, name: &owner.name })
    }

    /// The name, or what it will begin with, for log lines.
    pub fn shown_name(&self) -> &str {
        if self.name.is_empty() { &self.generate_name } else { &self.name }
    }
}

// === impl Container ===

impl Container<'_> {
    /// The values of its arguments `--flag=value`.
    pub fn values_of<'c>(&'c self, flag: &'c str) -> impl Iterator<Item = &'c str> {
        self.args.iter().filter_map(move |arg| arg.strip_prefix(flag)?.strip_prefix('='))
    }
}

// === impl Text ===

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for Text<'_> {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        from.deserialize_str(TextVisitor)
    }
}

/// JSON made by hand says `null` where the API server would leave a field out.
fn nullable<'de, T, D>(from: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + Default,
    D: Deserializer<'de>,
{
    Option::<T>::deserialize(from).map(Option::unwrap_or_default)
}
