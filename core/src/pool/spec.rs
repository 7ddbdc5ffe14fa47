//! The rules of a pool, as users write them and as they stand in etcd.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use super::error::PoolError;
use crate::names::NamesSpec;
use crate::prefix::Template;
use crate::{duration, suggest};

/// The fields that a user can write, of the spec and of what it contains.
const FIELDS: [&str; 20] = [
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
    /// V: how long a holder may believe in a claim that it cannot renew.
    #[serde(default = "default_validity", with = "duration")]
    pub validity: Duration,
    /// Q: how long a freed slot rests before it is given out again.
    #[serde(default = "default_quarantine", with = "duration")]
    pub quarantine: Duration,
    /// What happens to the app once its claim cannot be believed any more.
    #[serde(default)]
    pub on_loss: OnLoss,
    /// What happens to a pod that finds no free name.
    #[serde(default)]
    pub on_exhausted: OnExhausted,
    /// Whether holders reserve time against reissued node IDs. Immutable.
    #[serde(default)]
    pub clock: ClockRule,
    /// The metrics prefix, when the pod does not say otherwise.
    #[serde(default)]
    pub prefix: Template,
    /// True while nothing new is granted from the pool, although its holders keep their names and may take them
    /// back. The webhook sets it in etcd when the `Pool` object is being deleted or must not be used. It is not a
    /// field of the resource.
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

/// What happens once a claim cannot be believed any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnLoss {
    /// Name and files stay: a metric under an old name is better than none.
    #[default]
    Keep,
    /// Files go and the app is stopped: two holders of one node ID corrupt data.
    Stop,
}

/// What happens to a pod that finds no free name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnExhausted {
    /// It waits in line.
    #[default]
    Wait,
    /// It fails with a sentence.
    Fail,
}

/// Whether holders reserve time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClockRule {
    /// No.
    #[default]
    None,
    /// A high-water mark of emitted timestamps outlives each holder.
    Reserve,
}

/// A Kubernetes label selector, carried but not interpreted here.
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
    /// Reads what a user has written: a field that does not exist is refused rather than passed over,
    /// because it would not do what the user expects.
    pub fn strict<'de, D: Deserializer<'de>>(written: D) -> Result<Self, PoolError> {
        let mut unknown = None;
        let read = serde_ignored::deserialize(written, |path| {
            // An optional field appears as a step of its own.
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
            prefix: Template::default(),
            closed: false,
        }
    }
}

/// Three renewals fit into it, and an etcd leader election (seconds) does not use it up.
fn default_validity() -> Duration {
    Duration::from_secs(30)
}

/// One round of liveness probes, the kill and its grace fit into it.
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
