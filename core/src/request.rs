//! The request of a pod: its `cairn.dev/…` annotations, parsed into a [`Request`] or refused with one message that says
//! what to write instead.
//!
//! This is parsing only. The webhook decides whether the pools exist, whether the namespace may use them and whether
//! the pod can be injected. The command line parses manifests with the same code, so both print the same message.

use crate::contract::annotation;
use crate::group::Group;
use crate::pool::PoolName;
use crate::prefix::Template;

pub mod coordination;
mod error;
mod given;
pub mod owner;
pub mod resources;

use coordination::Coordination;
pub use error::RequestError;
use given::Given;
use resources::Resources;

/// Each pool adds four files, three variables per container and a share of the pod's lease. No known use needs as many
/// pools, and a generated annotation without bounds is refused.
const MAX_POOLS: usize = 16;

/// The parsed annotations of one pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The pools in the user's order; the first one has the unprefixed files and variables. Empty when the pod only
    /// coordinates.
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
    /// What it coordinates with the other pods of its group.
    pub coordination: Option<Coordination>,
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

// === impl Request ===

impl Request {
    /// Parses a pod's annotations and labels. `None` means that the pod did not opt in.
    pub fn parse<'a>(
        annotations: impl IntoIterator<Item = (&'a str, &'a str)>,
        labels: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Option<Self>, RequestError> {
        let given = Given::collect(annotations, labels)?;
        if !given.asks()? {
            return Ok(None);
        }
        let request = Self {
            pools: given.parsed(annotation::POOL, pools)?.unwrap_or_default(),
            group: given.parsed(annotation::GROUP, parse_group)?,
            prefix: given
                .parsed(annotation::PREFIX_TEMPLATE, |text| Template::parse(text.trim()))
                .map_err(RequestError::Prefix)?,
            containers: given.parsed(annotation::CONTAINERS, container_names)?,
            env: given.parsed(annotation::ENV, EnvChoice::parse)?.unwrap_or_default(),
            gate: given.parsed(annotation::GATE, Gate::parse)?.unwrap_or_default(),
            resources: given.parsed(annotation::RESOURCES, Resources::parse)?.unwrap_or_default(),
            stop: given.parsed(annotation::STOP, StoppedBy::parse)?.unwrap_or_default(),
            coordination: Coordination::parse(&given)?,
        };
        request.with_consistent_env().map(Some)
    }

    /// The annotation with which the pod asks.
    pub fn asked_by(&self) -> &'static str {
        if self.pools.is_empty() { annotation::COORDINATE } else { annotation::POOL }
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
            other => Err(RequestError::choice(
                annotation::ENV,
                other,
                &["auto", "file", "annotation", "none"],
            )),
        }
    }
}

impl Gate {
    fn parse(text: &str) -> Result<Self, RequestError> {
        match text.trim() {
            "startup" => Ok(Self::Startup),
            "none" => Ok(Self::None),
            other => Err(RequestError::choice(annotation::GATE, other, &["startup", "none"])),
        }
    }
}

impl StoppedBy {
    fn parse(text: &str) -> Result<Self, RequestError> {
        match text.trim() {
            "sidecar" => Ok(Self::Sidecar),
            "self" => Ok(Self::App),
            other => Err(RequestError::choice(annotation::STOP, other, &["sidecar", "self"])),
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

#[cfg(test)]
mod tests;
