//! A pool: an ordered, bounded list of names and the rules under which they are claimed.
//!
//! [`PoolSpec`] is both the `spec` of the `Pool` resource and, as JSON, the value under
//! `/cairn/v1/pools/<pool>` in etcd. [`Pool`] is a spec that was checked.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::{Layout, LayoutError};
use crate::names::{Builtin, Names, NamesSpec, Range};

mod error;
pub mod spec;

use error::MAX_POOL_NAME_LEN;
pub use error::PoolError;
pub use spec::{ClockRule, IdsSpec, OnExhausted, OnLoss, PoolSpec, Requirement, Scope, Selector};

/// The pool of mountain names that every installation has.
pub const MOUNTAINS: &str = "mountains";
/// The pool of Snowflake node IDs that every installation has.
pub const SNOWFLAKE: &str = "snowflake";

/// Files and links of the shared volume have these names, so a pool must not have one of them.
const RESERVED: [&str; 4] = ["name", "prefix", "fence", "env"];

/// ρ: the difference of clock rates that is assumed between a holder and etcd. No oscillator drifts as much.
const DRIFT_PERCENT: u128 = 1;

const SHORTEST_VALIDITY: Duration = Duration::from_secs(1);
const LONGEST_SPAN: Duration = Duration::from_hours(1);
/// The longest V + Q that a pool may have.
pub const LONGEST_REST: Duration = Duration::from_hours(2);

/// The largest assumed difference between the wall clocks of two nodes. NTP keeps them within milliseconds; this
/// covers a node whose NTP has been failing for a while.
const SKEW: Duration = Duration::from_secs(30);

/// A pool's name: `^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$`, and not the name of a published file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PoolName(String);

/// A checked pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Its name.
    pub name: PoolName,
    /// Its rules.
    pub spec: PoolSpec,
    /// Its names, resolved.
    pub names: Names,
    /// How IDs are made from its node IDs; `None` for as usual.
    pub ids: Option<Layout>,
}

// === impl PoolName ===

impl PoolName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as part of an environment variable: `node-ids` becomes `NODE_IDS`.
    pub fn env_segment(&self) -> String {
        self.0.to_ascii_uppercase().replace('-', "_")
    }
}

impl FromStr for PoolName {
    type Err = PoolError;

    fn from_str(text: &str) -> Result<Self, PoolError> {
        let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        let well_formed = text.len() <= MAX_POOL_NAME_LEN
            && text.bytes().next().is_some_and(|c| c.is_ascii_lowercase())
            && text.bytes().all(inner)
            && !text.ends_with('-');
        if !well_formed {
            return Err(PoolError::Name(text.to_owned()));
        }
        if RESERVED.contains(&text) {
            return Err(PoolError::Reserved(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for PoolName {
    type Error = PoolError;

    fn try_from(text: String) -> Result<Self, PoolError> {
        text.parse()
    }
}

impl From<PoolName> for String {
    fn from(name: PoolName) -> Self {
        name.0
    }
}

impl fmt::Display for PoolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How long etcd must keep a key until V and then Q have passed by every clock: in whole seconds, as etcd counts. Clock
/// rates may differ by ρ.
pub fn outlasting(validity: Duration, quarantine: Duration) -> Duration {
    let (validity, quarantine) = (validity.as_millis(), quarantine.as_millis());
    let needed = validity * (100 + DRIFT_PERCENT) + quarantine * 100;
    let seconds = needed.div_ceil(1000 * (100 - DRIFT_PERCENT));
    Duration::from_secs(u64::try_from(seconds).unwrap_or(u64::MAX))
}

// === impl PoolSpec ===

impl PoolSpec {
    /// S: the lease TTL to ask etcd for, in whole seconds as etcd counts.
    ///
    /// When clock rates differ by at most ρ, a holder's belief ends at most V·(1+ρ) after it sent its renewal, and the
    /// slot exists for at least S·(1−ρ) after that. Q lies between the two when S ≥ (V·(1+ρ) + Q) / (1−ρ)
    /// (docs/protocol.md, Time).
    pub fn lease_ttl(&self) -> Duration {
        outlasting(self.validity, self.quarantine)
    }

    /// How long a freeze lasts after the store was wiped or restored. It ends when every earlier holder has stopped
    /// believing in its claim. In a Reserve pool it also ends no sooner than every time that may have been reserved and
    /// is forgotten (docs/protocol.md, Epochs and freezes).
    pub fn freeze_span(&self) -> Duration {
        match self.clock {
            ClockRule::None => self.lease_ttl(),
            ClockRule::Reserve => self.lease_ttl().max(crate::clock::AHEAD + SKEW),
        }
    }
}

// === impl Pool ===

impl Pool {
    /// Checks a spec.
    pub fn new(name: PoolName, spec: PoolSpec) -> Result<Self, PoolError> {
        let names = Names::try_from(&spec.names)?;
        spec.prefix.check()?;
        if spec.validity < SHORTEST_VALIDITY || spec.validity > LONGEST_SPAN {
            return Err(PoolError::Validity(spec.validity));
        }
        if spec.quarantine > LONGEST_SPAN {
            return Err(PoolError::Quarantine(spec.quarantine));
        }
        if spec.clock == ClockRule::Reserve && !matches!(names, Names::Range(_)) {
            return Err(PoolError::ReserveNeedsRange);
        }
        let ids = ids(&name, &spec, &names)?;
        Ok(Self { name, spec, names, ids })
    }

    /// Reads a spec from etcd. Fields of a newer version are ignored, so that an older sidecar goes on with the fields
    /// that it knows. A spec that a user wrote is read by [`PoolSpec::strict`].
    pub fn from_json(name: PoolName, json: &[u8]) -> Result<Self, PoolError> {
        let spec = serde_json::from_slice(json)
            .map_err(|error| PoolError::Malformed(error.to_string()))?;
        Self::new(name, spec)
    }

    /// The value that is put into etcd; equal specs give equal bytes.
    pub fn to_json(&self) -> String {
        serde_json::to_string(&self.spec).unwrap_or_default()
    }

    /// The quarantine after a clean release. A name may be granted again as soon as its metrics have been flushed. A
    /// node ID rests for the full Q, because nothing proves that the app has stopped using it.
    pub fn clean_quarantine(&self) -> Duration {
        /// Covers one flush of a StatsD-style buffer.
        const QUARANTINE_OF_NAMES: Duration = Duration::from_secs(5);
        match self.names {
            Names::List(_) => self.spec.quarantine.min(QUARANTINE_OF_NAMES),
            Names::Range(_) => self.spec.quarantine,
        }
    }

    /// The definition that ships with Cairn under this name, if there is one.
    pub fn builtin(name: &PoolName) -> Option<Self> {
        let spec = match name.as_str() {
            MOUNTAINS => PoolSpec {
                names: NamesSpec {
                    builtin: Some(Builtin::NorthAmericanMountains),
                    ..NamesSpec::default()
                },
                ..PoolSpec::default()
            },
            SNOWFLAKE => PoolSpec {
                names: NamesSpec {
                    // Ten bits, the node field of Twitter's Snowflake layout.
                    range: Some(Range { from: 0, to: 1023, prefix: String::new(), width: 0 }),
                    ..NamesSpec::default()
                },
                scope: Scope::Cluster,
                quarantine: Duration::from_secs(30),
                on_loss: OnLoss::Stop,
                clock: ClockRule::Reserve,
                ..PoolSpec::default()
            },
            _ => return None,
        };
        Self::new(name.clone(), spec).ok()
    }

    /// The names of the pools that ship with Cairn.
    pub fn builtin_names() -> Vec<PoolName> {
        [MOUNTAINS, SNOWFLAKE].iter().filter_map(|name| name.parse().ok()).collect()
    }
}

fn ids(name: &PoolName, spec: &PoolSpec, names: &Names) -> Result<Option<Layout>, PoolError> {
    let Some(ids) = &spec.ids else { return Ok(None) };
    if spec.clock != ClockRule::Reserve {
        return Err(PoolError::IdsNeedReserve);
    }
    let refused = |error: LayoutError| {
        let of_epoch = matches!(error, LayoutError::Epoch(_));
        PoolError::Ids { field: if of_epoch { "epoch" } else { "layout" }, error }
    };
    let layout = ids.parse().map_err(refused)?;
    if let Names::Range(range) = names {
        layout.check(name.as_str(), range.to).map_err(refused)?;
    }
    Ok(Some(layout))
}

#[cfg(test)]
mod tests;
