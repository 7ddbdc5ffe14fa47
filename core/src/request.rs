//! The request of a pod: its `cairn.dev/…` annotations, parsed into a [`Request`] or refused with one message that says
//! what to write instead.
//!
//! This is parsing only. The webhook decides whether the pools exist, whether the namespace may use them and whether
//! the pod can be injected. The command line parses manifests with the same code, so both print the same message.

use thiserror::Error;

use crate::contract::annotation;
use crate::group::{Group, GroupError};
use crate::pool::{PoolError, PoolName};
use crate::prefix::{PrefixError, Template};
use crate::suggest;

pub mod owner;
pub mod resources;

use resources::{Resources, ResourcesError};

/// Each pool adds four files, three variables per container and a share of the pod's lease. No known use needs as many
/// pools, and a generated annotation without bounds is refused.
const MAX_POOLS: usize = 16;

/// The parsed annotations of one pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The pools in the user's order; the first one has the unprefixed files and variables.
    pub pools: Vec<PoolName>,
    /// The group, when the pod sets it.
    pub group: Option<Group>,
    /// The metrics prefix, when the pod sets it.
    pub prefix: Option<Template>,
    /// The app containers that get mount and variables; `None` means all.
    pub containers: Option<Vec<String>>,
    /// How environment variables reach the containers.
    pub env: EnvChoice,
    /// Whether the app waits for its claim.
    pub gate: Gate,
    /// The sidecar's resources that differ from the defaults.
    pub resources: Resources,
    /// Who stops the app once a claim of a `Stop` pool is lost.
    pub stop: StoppedBy,
}

/// `cairn.dev/env`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EnvChoice {
    /// `File` where the cluster supports it, otherwise `Annotation`.
    #[default]
    Auto,
    /// From the env file, by `fileKeyRef`.
    File,
    /// From the claim annotations, by `fieldRef`.
    Annotation,
    /// No variables.
    None,
}

/// `cairn.dev/gate`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gate {
    /// The app starts once the claim is held.
    #[default]
    Startup,
    /// The app starts at once.
    None,
}

/// `cairn.dev/stop`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoppedBy {
    /// The kubelet, through liveness probes that the sidecar answers.
    #[default]
    Sidecar,
    /// The app itself: it watches `valid_until`, or takes its IDs from the sidecar.
    App,
}

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
    /// Other annotations without `cairn.dev/pool`.
    #[error("annotation '{0}' does nothing without a pool; add {key}: mountains, or remove it", key = annotation::POOL)]
    NoPool(String),
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
}

// === impl Request ===

impl Request {
    /// Parses a pod's annotations and labels. `None` means that the pod did not opt in.
    pub fn parse<'a>(
        annotations: impl IntoIterator<Item = (&'a str, &'a str)>,
        labels: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Option<Self>, RequestError> {
        let mut given: [Option<&str>; annotation::INPUTS.len()] = Default::default();
        for (key, value) in annotations {
            let ours = [annotation::STATUS, annotation::GENERATE_NAME].contains(&key);
            if !key.starts_with(annotation::PREFIX) || ours {
                continue;
            }
            let known = given.iter_mut().zip(annotation::INPUTS).find(|(_, input)| *input == key);
            match known {
                Some((slot, _)) => *slot = Some(value),
                None => return Err(unknown("annotation", key)),
            }
        }
        let injected = check_labels(labels)?;
        let [pool, group, prefix, containers, env, gate, resources, stop] = given;
        let Some(pool) = pool else {
            let orphan =
                given.iter().zip(annotation::INPUTS).find_map(|(value, key)| value.map(|_| key));
            return match orphan {
                Some(key) => Err(RequestError::NoPool(key.to_owned())),
                None if injected => Err(RequestError::InjectedByHand),
                None => Ok(None),
            };
        };
        let request = Self {
            pools: pools(pool)?,
            group: group.map(parse_group).transpose()?,
            prefix: prefix
                .map(|text| Template::parse(text.trim()).map_err(RequestError::Prefix))
                .transpose()?,
            containers: containers.map(container_names).transpose()?,
            env: env.map(EnvChoice::parse).transpose()?.unwrap_or_default(),
            gate: gate.map(Gate::parse).transpose()?.unwrap_or_default(),
            resources: resources.map(Resources::parse).transpose()?.unwrap_or_default(),
            stop: stop.map(StoppedBy::parse).transpose()?.unwrap_or_default(),
        };
        request.with_consistent_env().map(Some)
    }

    /// Without a gate the app may start before the claim is held, when variables have no value yet.
    fn with_consistent_env(mut self) -> Result<Self, RequestError> {
        if self.gate == Gate::None {
            self.env = match self.env {
                EnvChoice::Auto | EnvChoice::None => EnvChoice::None,
                EnvChoice::File => return Err(RequestError::EnvNeedsGate("file")),
                EnvChoice::Annotation => return Err(RequestError::EnvNeedsGate("annotation")),
            };
        }
        Ok(self)
    }
}

impl EnvChoice {
    fn parse(text: &str) -> Result<Self, RequestError> {
        match text.trim() {
            "auto" => Ok(Self::Auto),
            "file" => Ok(Self::File),
            "annotation" => Ok(Self::Annotation),
            "none" => Ok(Self::None),
            other => Err(choice(annotation::ENV, other, &["auto", "file", "annotation", "none"])),
        }
    }
}

impl Gate {
    fn parse(text: &str) -> Result<Self, RequestError> {
        match text.trim() {
            "startup" => Ok(Self::Startup),
            "none" => Ok(Self::None),
            other => Err(choice(annotation::GATE, other, &["startup", "none"])),
        }
    }
}

impl StoppedBy {
    fn parse(text: &str) -> Result<Self, RequestError> {
        match text.trim() {
            "sidecar" => Ok(Self::Sidecar),
            "self" => Ok(Self::App),
            other => Err(choice(annotation::STOP, other, &["sidecar", "self"])),
        }
    }
}

fn pools(text: &str) -> Result<Vec<PoolName>, RequestError> {
    if text.trim().is_empty() {
        return Err(RequestError::EmptyPool);
    }
    let mut pools = Vec::new();
    for entry in text.split(',').map(str::trim) {
        if entry.is_empty() {
            return Err(RequestError::EmptyEntry(text.to_owned()));
        }
        let pool: PoolName = entry.parse().map_err(RequestError::Pool)?;
        if pools.contains(&pool) {
            return Err(RequestError::DuplicatePool(pool));
        }
        pools.push(pool);
    }
    if pools.len() > MAX_POOLS {
        return Err(RequestError::TooManyPools(pools.len()));
    }
    Ok(pools)
}

fn parse_group(text: &str) -> Result<Group, RequestError> {
    text.trim().parse().map_err(RequestError::Group)
}

fn container_names(text: &str) -> Result<Vec<String>, RequestError> {
    let mut names: Vec<String> = Vec::new();
    for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        if names.iter().any(|name| name == entry) {
            return Err(RequestError::DuplicateContainer(entry.to_owned()));
        }
        names.push(entry.to_owned());
    }
    if names.is_empty() {
        return Err(RequestError::NoContainers);
    }
    Ok(names)
}

/// Whether the pod has Cairn's own label. Every other label with Cairn's prefix is refused.
fn check_labels<'a>(
    labels: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<bool, RequestError> {
    let mut injected = false;
    for (key, _) in labels {
        if key == annotation::INJECTED_LABEL {
            injected = true;
        } else if annotation::INPUTS.contains(&key) {
            return Err(RequestError::LabelNotAnnotation(key.to_owned()));
        } else if key.starts_with(annotation::PREFIX) {
            return Err(unknown("label", key));
        }
    }
    Ok(injected)
}

fn unknown(kind: &'static str, key: &str) -> RequestError {
    let word = key.strip_prefix(annotation::PREFIX).unwrap_or(key);
    let known =
        annotation::INPUTS.iter().filter_map(|input| input.strip_prefix(annotation::PREFIX));
    match suggest::nearest(word, known) {
        Some(near) => RequestError::Mistyped {
            kind,
            found: key.to_owned(),
            suggestion: format!("{}{near}", annotation::PREFIX),
        },
        None => RequestError::Unknown { kind, found: key.to_owned() },
    }
}

fn choice(key: &'static str, found: &str, words: &[&str]) -> RequestError {
    let advice = match suggest::nearest(found, words.iter().copied()) {
        Some(near) => format!("did you mean '{near}'?"),
        None => format!("use {}", words.join(", ")),
    };
    RequestError::Choice { key, found: found.to_owned(), advice }
}

#[cfg(test)]
mod tests;
