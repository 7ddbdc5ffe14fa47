//! The fields of a pod that decide on which nodes it may run, besides its node selector.

use super::{Text, nullable};

/// `spec.affinity`; of it only what is required of the node.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Affinity<'a> {
    /// `nodeAffinity`
    #[serde(borrow, deserialize_with = "nullable")]
    pub node_affinity: NodeAffinity<'a>,
}

/// `spec.affinity.nodeAffinity`
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeAffinity<'a> {
    /// What the node must meet; `None` is everything.
    #[serde(borrow, rename = "requiredDuringSchedulingIgnoredDuringExecution")]
    pub required: Option<NodeSelector<'a>>,
}

/// Terms of which a node must meet one.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeSelector<'a> {
    /// The terms.
    #[serde(borrow, deserialize_with = "nullable")]
    pub node_selector_terms: Vec<NodeSelectorTerm<'a>>,
}

/// Requirements of which a node must meet all. A term without any selects no node.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeSelectorTerm<'a> {
    /// About labels.
    #[serde(borrow, deserialize_with = "nullable")]
    pub match_expressions: Vec<Requirement<'a>>,
    /// About fields; Kubernetes knows only `metadata.name`.
    #[serde(borrow, deserialize_with = "nullable")]
    pub match_fields: Vec<Requirement<'a>>,
}

/// One requirement.
#[derive(Debug, serde::Deserialize)]
pub struct Requirement<'a> {
    /// The label or field.
    #[serde(borrow)]
    pub key: Text<'a>,
    /// `In`, `NotIn`, `Exists`, `DoesNotExist`, `Gt`, `Lt`
    #[serde(borrow)]
    pub operator: Text<'a>,
    /// What the operator compares with.
    #[serde(borrow, default, deserialize_with = "nullable")]
    pub values: Vec<Text<'a>>,
}

/// A toleration.
#[derive(Debug, serde::Deserialize)]
pub struct Toleration<'a> {
    /// The taint; empty is every one.
    #[serde(borrow, default, deserialize_with = "nullable")]
    pub key: Text<'a>,
    /// `Equal` or `Exists`; empty is `Equal`.
    #[serde(borrow, default, deserialize_with = "nullable")]
    pub operator: Text<'a>,
    /// What `Equal` compares with.
    #[serde(borrow, default, deserialize_with = "nullable")]
    pub value: Text<'a>,
    /// The effect; empty is every one.
    #[serde(borrow, default, deserialize_with = "nullable")]
    pub effect: Text<'a>,
}
