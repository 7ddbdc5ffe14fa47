//! `cairn.dev/resources`: the sidecar's requests and limits, where a LimitRange or quota needs other values than the
//! defaults.
//!
//! Written like `cpu=10m,memory=32Mi`: each entry sets request and limit to the same value. `requests.cpu=5m` and
//! `limits.memory=48Mi` set one of the two. A resource without an entry keeps its default.

use std::collections::BTreeMap;
use std::fmt;

use thiserror::Error;

use crate::suggest;

/// Container runtimes refuse or kill a container with a much smaller limit while they set it up.
const LEAST_MEMORY: &str = "8Mi";

const NANO: u128 = 1_000_000_000;

/// Overrides of the sidecar's resources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// `requests`, by resource.
    pub requests: BTreeMap<Resource, Quantity>,
    /// `limits`, by resource.
    pub limits: BTreeMap<Resource, Quantity>,
}

/// A resource that the sidecar uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// `cpu`
    Cpu,
    /// `memory`
    Memory,
    /// `ephemeral-storage`
    EphemeralStorage,
}

/// A Kubernetes quantity: as written, and as a number that can be compared.
#[derive(Clone, Debug)]
pub struct Quantity {
    text: String,
    nanos: u128,
}

/// Why `cairn.dev/resources` was refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ResourcesError {
    /// No entry.
    #[error("it is empty; write it like cpu=10m,memory=32Mi")]
    Empty,
    /// Not `key=value`.
    #[error("'{0}' is not an entry; write it like cpu=10m,memory=32Mi")]
    Entry(String),
    /// Not a resource.
    #[error(
        "'{found}' is not known; {}",
        suggestion.as_ref().map_or_else(
            || "use cpu, memory or ephemeral-storage, with requests. or limits. before it \
                for one of the two".to_owned(),
            |near| format!("did you mean '{near}'?"),
        )
    )]
    Key {
        /// As written.
        found: String,
        /// The nearest known key.
        suggestion: Option<String>,
    },
    /// Two entries that set the same value.
    #[error("'{0}' is set twice; set it once")]
    Twice(String),
    /// Not a quantity.
    #[error("'{0}' is not a quantity; write it like 10m, 0.5 or 32Mi")]
    Quantity(String),
    /// Request above limit.
    #[error(
        "the {resource} request {request} is above its limit {limit}; lower the request or raise the limit"
    )]
    AboveLimit {
        /// The resource.
        resource: Resource,
        /// As written.
        request: Quantity,
        /// As written.
        limit: Quantity,
    },
    /// The container runtime would kill the sidecar while it starts.
    #[error("a memory limit of {0} is too small to start in; give it {LEAST_MEMORY} or more")]
    TooSmall(Quantity),
}

// === impl Resources ===

impl Resources {
    /// Reads `cpu=10m,limits.memory=32Mi`.
    pub fn parse(text: &str) -> Result<Self, ResourcesError> {
        let mut resources = Self::default();
        for entry in text.split(',').map(str::trim).filter(|e| !e.is_empty()) {
            resources.add(entry)?;
        }
        if resources == Self::default() {
            return Err(ResourcesError::Empty);
        }
        resources.check()?;
        Ok(resources)
    }

    /// Whether no value is set.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty() && self.limits.is_empty()
    }

    fn add(&mut self, entry: &str) -> Result<(), ResourcesError> {
        let (key, value) =
            entry.split_once('=').ok_or_else(|| ResourcesError::Entry(entry.to_owned()))?;
        let (key, value) = (key.trim(), value.trim());
        let quantity =
            Quantity::parse(value).ok_or_else(|| ResourcesError::Quantity(value.to_owned()))?;
        let (request, limit, word) = match key.split_once('.') {
            Some(("requests", word)) => (true, false, word),
            Some(("limits", word)) => (false, true, word),
            _ => (true, true, key),
        };
        let resource = Resource::ALL
            .into_iter()
            .find(|resource| resource.as_str() == word)
            .ok_or_else(|| unknown(key, word))?;
        let twice = (request && self.requests.contains_key(&resource))
            || (limit && self.limits.contains_key(&resource));
        if twice {
            return Err(ResourcesError::Twice(key.to_owned()));
        }
        if request {
            self.requests.insert(resource, quantity.clone());
        }
        if limit {
            self.limits.insert(resource, quantity);
        }
        Ok(())
    }

    /// Whether the API server and the container runtime accept these values.
    pub fn check(&self) -> Result<(), ResourcesError> {
        for (resource, request) in &self.requests {
            match self.limits.get(resource) {
                Some(limit) if request.nanos > limit.nanos => {
                    return Err(ResourcesError::AboveLimit {
                        resource: *resource,
                        request: request.clone(),
                        limit: limit.clone(),
                    });
                }
                _ => {}
            }
        }
        let least = Quantity::parse(LEAST_MEMORY);
        match (self.limits.get(&Resource::Memory), least) {
            (Some(limit), Some(least)) if *limit < least => {
                Err(ResourcesError::TooSmall(limit.clone()))
            }
            _ => Ok(()),
        }
    }
}

// === impl Resource ===

impl Resource {
    const ALL: [Self; 3] = [Self::Cpu, Self::Memory, Self::EphemeralStorage];

    /// The word that Kubernetes uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::EphemeralStorage => "ephemeral-storage",
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl Quantity ===

impl Quantity {
    /// Parses a quantity in Kubernetes' notation; `None` for other text and for negative quantities.
    pub fn parse(text: &str) -> Option<Self> {
        let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
        let (number, suffix) = text.split_at_checked(end)?;
        let scale = scale(suffix)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
        let divisor = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        Some(Self { text: text.to_owned(), nanos: digits.checked_mul(scale)?.div_ceil(divisor) })
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The suffix as a multiple of 10⁻⁹.
fn scale(suffix: &str) -> Option<u128> {
    let binary = |power: u32| 1024_u128.checked_pow(power)?.checked_mul(NANO);
    let decimal = |power: u32| 10_u128.checked_pow(power);
    match suffix {
        "n" => decimal(0),
        "u" => decimal(3),
        "m" => decimal(6),
        "" => decimal(9),
        "k" => decimal(12),
        "M" => decimal(15),
        "G" => decimal(18),
        "T" => decimal(21),
        "P" => decimal(24),
        "E" => decimal(27),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        _ => {
            let exponent: u32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            decimal(exponent.checked_add(9)?)
        }
    }
}

fn unknown(key: &str, word: &str) -> ResourcesError {
    let near = suggest::nearest(word, Resource::ALL.map(Resource::as_str));
    let suggestion = near.map(|near| match key.split_once('.') {
        Some((kind @ ("requests" | "limits"), _)) => format!("{kind}.{near}"),
        _ => near.to_owned(),
    });
    ResourcesError::Key { found: key.to_owned(), suggestion }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_sets_request_and_limit_unless_it_names_one_of_them() {
        let resources =
            Resources::parse("cpu=10m, limits.memory=32Mi,requests.memory=16Mi").unwrap();
        let shown = |map: &BTreeMap<Resource, Quantity>| {
            map.iter()
                .map(|(resource, quantity)| format!("{resource}={quantity}"))
                .collect::<Vec<_>>()
        };
        assert_eq!(shown(&resources.requests), ["cpu=10m", "memory=16Mi"]);
        assert_eq!(shown(&resources.limits), ["cpu=10m", "memory=32Mi"]);
    }

    #[test]
    fn quantities_are_compared_by_value_and_not_by_notation() {
        let quantity = |text: &str| Quantity::parse(text).unwrap();
        for (a, b) in
            [("1", "1000m"), ("0.5", "500m"), ("1Ki", "1024"), ("1e3", "1k"), ("1.5Gi", "1536Mi")]
        {
            assert_eq!(quantity(a), quantity(b), "{a} {b}");
        }
        assert!(quantity("999M") < quantity("1Gi"));
        for bad in ["", "-1", "1x", "Mi", ".", "1 Mi", "ten", "1.2.3", "1e99"] {
            assert!(Quantity::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn bad_entries_are_refused_with_a_message_that_says_what_to_write() {
        for (text, message) in [
            ("", "it is empty; write it like cpu=10m,memory=32Mi"),
            ("cpu", "'cpu' is not an entry; write it like cpu=10m,memory=32Mi"),
            ("memori=1Gi", "'memori' is not known; did you mean 'memory'?"),
            ("limits.cpus=1", "'limits.cpus' is not known; did you mean 'limits.cpu'?"),
            ("cpu=lots", "'lots' is not a quantity; write it like 10m, 0.5 or 32Mi"),
            ("cpu=1,requests.cpu=2", "'requests.cpu' is set twice; set it once"),
            (
                "requests.cpu=2,limits.cpu=1",
                "the cpu request 2 is above its limit 1; lower the request or raise the limit",
            ),
            ("memory=1Mi", "a memory limit of 1Mi is too small to start in; give it 8Mi or more"),
        ] {
            assert_eq!(Resources::parse(text).unwrap_err().to_string(), message);
        }
    }
}
