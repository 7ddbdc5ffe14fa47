//! The spec of a pool, as users write it and as it is stored in etcd.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use super::error::PoolError;
use crate::ids::{DEFAULT_EPOCH, DEFAULT_LAYOUT, Layout, LayoutError};
use crate::names::NamesSpec;
use crate::prefix::Template;
use crate::{duration, suggest};

/// The fields that a user can write, at every depth of the spec.
const FIELDS: [&str; 23] = [
    "names",
    "builtin",
    "list",
    "range",
    "from",
    "to",
    "prefix",
    "width",
    "scope",
    "allowedNamespaces",
    "matchLabels",
    "matchExpressions",
    "key",
    "operator",
    "values",
    "validity",
    "quarantine",
    "onLoss",
    "onExhausted",
    "clock",
    "ids",
    "layout",
    "epoch",
];

/// `spec` of the `Pool` resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PoolSpec {
    /// Where the names come from.
    pub names: NamesSpec,
    /// Where a name is unique. Immutable.
    #[serde(default)]
    pub scope: Scope,
    /// Which namespaces may claim; an empty selector selects all.
    #[serde(default, skip_serializing_if = "Selector::is_empty")]
    pub allowed_namespaces: Selector,
    /// V: how long a holder may believe in a claim without a renewal.
    #[serde(default = "default_validity", with = "duration")]
    pub validity: Duration,
    /// Q: how long a freed slot rests before it is granted again.
    #[serde(default = "default_quarantine", with = "duration")]
    pub quarantine: Duration,
    /// What happens to the app when its claim is lost.
    #[serde(default)]
    pub on_loss: OnLoss,
    /// What happens to a pod that finds no free name.
    #[serde(default)]
    pub on_exhausted: OnExhausted,
    /// Whether holders reserve time against reissued node IDs. Immutable.
    #[serde(default)]
    pub clock: ClockRule,
    /// How IDs are made from node IDs, when not as usual. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<IdsSpec>,
    /// The metrics prefix of pods that do not set their own.
    #[serde(default)]
    pub prefix: Template,
    /// True while nothing new is granted from the pool. Holders keep their names and may re-claim them. The webhook
    /// sets it in etcd when the `Pool` object is being deleted or must not be used. It is not a field of the resource.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub closed: bool,
}

/// Where a name is unique.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scope {
    /// Within one group of one namespace.
    #[default]
    Namespace,
    /// Everywhere.
    Cluster,
}

/// What happens to the app when its claim is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnLoss {
    /// The app goes on with its name, and the files stay: a metric under an old name is better than none.
    #[default]
    Keep,
    /// The files are withdrawn and the app is stopped: two holders of one node ID corrupt data.
    Stop,
}

/// What happens to a pod that finds no free name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnExhausted {
    /// It waits in the queue.
    #[default]
    Wait,
    /// It fails with a message.
    Fail,
}

/// Whether holders reserve the time in which they emit timestamps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClockRule {
    /// No.
    #[default]
    None,
    /// A high-water mark of emitted timestamps stays in etcd after each holder.
    Reserve,
}

/// How IDs are made from the node IDs of a pool.
///
/// Two pods of a pool with two layouts or two epochs would mint equal IDs. So the pool has them and not the pod, and
/// they cannot be changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdsSpec {
    /// The bits of timestamp, node and sequence number.
    #[serde(default = "default_layout")]
    pub layout: String,
    /// Where the timestamps start, RFC 3339.
    #[serde(default = "default_epoch")]
    pub epoch: String,
}

/// A Kubernetes label selector. The webhook evaluates it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Selector {
    /// Labels that must have exactly these values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
    /// Further requirements.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub match_expressions: Vec<Requirement>,
}

/// One requirement of a label selector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Requirement {
    /// The label.
    pub key: String,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
    pub operator: String,
    /// The values that the operator compares with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

// === impl PoolSpec ===

impl PoolSpec {
    /// Reads a spec that a user wrote. An unknown field is refused and not ignored, because it would not do what the
    /// user expects.
    pub fn strict<'de, D: Deserializer<'de>>(written: D) -> Result<Self, PoolError> {
        let mut unknown = None;
        let read = serde_ignored::deserialize(written, |path| {
            // serde_ignored prints an optional field as a path segment of its own, `?`.
            unknown.get_or_insert_with(|| path.to_string().replace(".?", ""));
        });
        let spec: Self = read.map_err(|error: D::Error| PoolError::Malformed(error.to_string()))?;
        if spec.closed {
            unknown.get_or_insert_with(|| "closed".to_owned());
        }
        match unknown {
            None => Ok(spec),
            Some(field) => Err(PoolError::UnknownField { advice: advice(&field), field }),
        }
    }
}

fn advice(field: &str) -> String {
    let last = field.rsplit('.').next().unwrap_or_default();
    match suggest::nearest(last, FIELDS) {
        Some(near) => format!("did you mean '{near}'?"),
        None => "remove it, or update Cairn if a newer version has it".to_owned(),
    }
}

impl Default for PoolSpec {
    fn default() -> Self {
        Self {
            names: NamesSpec::default(),
            scope: Scope::default(),
            allowed_namespaces: Selector::default(),
            validity: default_validity(),
            quarantine: default_quarantine(),
            on_loss: OnLoss::default(),
            on_exhausted: OnExhausted::default(),
            clock: ClockRule::default(),
            ids: None,
            prefix: Template::default(),
            closed: false,
        }
    }
}

// === impl IdsSpec ===

impl IdsSpec {
    /// What it says.
    pub fn parse(&self) -> Result<Layout, LayoutError> {
        Layout::parse(&self.layout, &self.epoch)
    }
}

impl Default for IdsSpec {
    fn default() -> Self {
        Self { layout: default_layout(), epoch: default_epoch() }
    }
}

fn default_layout() -> String {
    DEFAULT_LAYOUT.to_owned()
}

fn default_epoch() -> String {
    DEFAULT_EPOCH.to_owned()
}

/// Three renewals fit into it, and an etcd leader election (seconds) is much shorter.
fn default_validity() -> Duration {
    Duration::from_secs(30)
}

/// Enough for one round of liveness probes, the kill and its grace period.
fn default_quarantine() -> Duration {
    Duration::from_secs(15)
}

// === impl Selector ===

impl Selector {
    /// Whether it selects every namespace.
    pub fn is_empty(&self) -> bool {
        self.match_labels.is_empty() && self.match_expressions.is_empty()
    }
}
