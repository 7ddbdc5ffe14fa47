//! Why a pod's annotations were refused: one message each, which says what to write instead.

use thiserror::Error;

use super::MAX_POOLS;
use super::resources::ResourcesError;
use crate::contract::annotation;
use crate::group::GroupError;
use crate::pool::{PoolError, PoolName};
use crate::prefix::PrefixError;
use crate::suggest;

mod coordination;

pub(super) use coordination::CoordinationError;

/// Why a pod's annotations were refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum RequestError {
    /// An unknown key that is similar to a known one.
    #[error("{kind} '{found}' is not known; did you mean '{suggestion}'?")]
    Mistyped {
        /// `annotation` or `label`.
        kind: &'static str,
        /// As written.
        found: String,
        /// The nearest known key.
        suggestion: String,
    },
    /// An unknown key that is similar to none.
    #[error("{kind} '{found}' is not known; Cairn reads the annotations {}", annotation::INPUTS.join(", "))]
    Unknown {
        /// `annotation` or `label`.
        kind: &'static str,
        /// As written.
        found: String,
    },
    /// `labels: {cairn.dev/pool: …}`
    #[error("'{0}' is set as a label; move it to the annotations of the pod template")]
    LabelNotAnnotation(String),
    /// `labels: {cairn.dev/injected: …}` without an annotation `cairn.dev/pool`.
    #[error(
        "label '{}' is set by Cairn itself; remove it and ask with the annotation {}: mountains",
        annotation::INJECTED_LABEL,
        annotation::POOL
    )]
    InjectedByHand,
    /// Other annotations without `cairn.dev/pool` and `cairn.dev/coordinate`.
    #[error(
        "annotation '{0}' does nothing alone; add {pool}: mountains or {coordinate}: peers, or remove it",
        pool = annotation::POOL, coordinate = annotation::COORDINATE
    )]
    Alone(&'static str),
    /// An annotation about claims, without `cairn.dev/pool`.
    #[error("annotation '{0}' does nothing without a pool; add {key}: mountains, or remove it", key = annotation::POOL)]
    NoPool(&'static str),
    /// `cairn.dev/pool: ""`
    #[error("annotation '{key}' is empty; name a pool, like mountains", key = annotation::POOL)]
    EmptyPool,
    /// `cairn.dev/pool: a,,b`
    #[error(
        "annotation '{key}' is '{0}' with nothing between two commas; write it like mountains,snowflake",
        key = annotation::POOL
    )]
    EmptyEntry(String),
    /// Not a pool name.
    #[error("annotation '{key}': {0}", key = annotation::POOL)]
    Pool(PoolError),
    /// `cairn.dev/pool: a,a`
    #[error("annotation '{key}' names pool '{0}' twice; name it once", key = annotation::POOL)]
    DuplicatePool(PoolName),
    /// More than [`MAX_POOLS`].
    #[error("annotation '{key}' names {0} pools; a pod can claim from at most {MAX_POOLS}", key = annotation::POOL)]
    TooManyPools(usize),
    /// Not a group.
    #[error("annotation '{key}': {0}", key = annotation::GROUP)]
    Group(GroupError),
    /// Not a template.
    #[error("annotation '{key}': {0}", key = annotation::PREFIX_TEMPLATE)]
    Prefix(PrefixError),
    /// `cairn.dev/containers: ""`
    #[error(
        "annotation '{key}' names no container; list app containers like app,worker, or remove it",
        key = annotation::CONTAINERS
    )]
    NoContainers,
    /// `cairn.dev/containers: app,app`
    #[error("annotation '{key}' names container '{0}' twice; name it once", key = annotation::CONTAINERS)]
    DuplicateContainer(String),
    /// A value that is none of the allowed words.
    #[error("annotation '{key}' is '{found}'; {advice}")]
    Choice {
        /// The annotation.
        key: &'static str,
        /// As written.
        found: String,
        /// What to write.
        advice: String,
    },
    /// Variables are set when a container starts, so the app has to wait for its claim.
    #[error(
        "annotation '{env}: {0}' needs an app that waits for its claim; remove '{gate}: none', \
         or set '{env}: none' too",
        env = annotation::ENV, gate = annotation::GATE
    )]
    EnvNeedsGate(&'static str),
    /// Not resources.
    #[error("annotation '{key}': {0}", key = annotation::RESOURCES)]
    Resources(#[from] ResourcesError),
    /// Not coordination.
    #[error(transparent)]
    Coordination(#[from] CoordinationError),
}

// === impl RequestError ===

impl RequestError {
    /// The refusal of an unknown key.
    pub(super) fn unknown(kind: &'static str, key: &str) -> Self {
        let word = key.strip_prefix(annotation::PREFIX).unwrap_or(key);
        let known =
            annotation::INPUTS.iter().filter_map(|input| input.strip_prefix(annotation::PREFIX));
        match suggest::nearest(word, known) {
            Some(near) => Self::Mistyped {
                kind,
                found: key.to_owned(),
                suggestion: format!("{}{near}", annotation::PREFIX),
            },
            None => Self::Unknown { kind, found: key.to_owned() },
        }
    }

    /// The refusal of a value that is none of these words.
    pub(super) fn choice(key: &'static str, found: &str, words: &[&str]) -> Self {
        let advice = match suggest::nearest(found, words.iter().copied()) {
            Some(near) => format!("did you mean '{near}'?"),
            None => format!("use {}", words.join(", ")),
        };
        Self::Choice { key, found: found.to_owned(), advice }
    }
}
