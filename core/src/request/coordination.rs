//! What a pod coordinates with the other pods of its group: `cairn.dev/coordinate` and the annotations that belong to
//! it. Values that are also flags of the sidecar are read by [`crate::coordination::text`], as the sidecar reads them.
//!
//! Not for: the group, which the pod's owner or `cairn.dev/group` gives.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::error::{CoordinationError, RequestError};
use super::given::Given;
use crate::contract::annotation;
use crate::coordination::map::{KeyHash, ShardMap};
use crate::coordination::member::Role;
use crate::coordination::terms::Terms;
use crate::coordination::text::{self, TextError, Words};
use crate::pool::OnLoss;

/// Endpoints and tags go into a record of at most 4 KiB, with pod, node and claims of up to 253 bytes each.
const MOST_BYTES: usize = 1_024;

/// What a pod coordinates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coordination {
    /// The terms on which it takes part.
    pub terms: Terms,
    /// Whether the app is stopped when its session is lost.
    pub on_loss: OnLoss,
    /// Ports at the pod's own address, by name.
    pub endpoints: BTreeMap<String, u16>,
}

fn roles(text: &str) -> Result<BTreeSet<Role>, RequestError> {
    let mut roles = BTreeSet::new();
    for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        let known = Role::ALL.into_iter().find(|role| role.as_str() == entry);
        let role = known.ok_or_else(|| {
            RequestError::choice(annotation::COORDINATE, entry, &Role::ALL.map(Role::as_str))
        })?;
        if !roles.insert(role) {
            return Err(CoordinationError::RoleTwice(role).into());
        }
    }
    if roles.is_empty() { Err(CoordinationError::NoRole.into()) } else { Ok(roles) }
}

fn shard_hash(text: &str) -> Result<KeyHash, RequestError> {
    text.trim().parse().map_err(|_| {
        let words = KeyHash::ALL.map(KeyHash::as_str);
        RequestError::choice(annotation::SHARD_HASH, text.trim(), &words)
    })
}

/// Ports alone: an endpoint is at the pod's own address, which nobody knows yet.
fn endpoints(text: &str) -> Result<BTreeMap<String, u16>, CoordinationError> {
    let mut endpoints = BTreeMap::new();
    for entry in text.split(',').map(str::trim) {
        let bad = || CoordinationError::Endpoint(entry.to_owned());
        let (name, value) = entry.split_once('=').ok_or_else(bad)?;
        let name = text::endpoint_name(name).map_err(|_| bad())?;
        let port = value.parse().ok().filter(|port| *port > 0);
        let found = value.to_owned();
        let port = port.ok_or_else(|| CoordinationError::Port { name: name.clone(), found })?;
        if endpoints.insert(name.clone(), port).is_some() {
            return Err(CoordinationError::EndpointTwice(name));
        }
    }
    Ok(endpoints)
}

// === impl Coordination ===

impl Coordination {
    /// What these inputs ask for; `None` without `cairn.dev/coordinate`.
    pub(super) fn parse(given: &Given<'_>) -> Result<Option<Self>, RequestError> {
        let Some(roles) = given.parsed(annotation::COORDINATE, roles)? else {
            let idle = ONLY_COORDINATION.into_iter().find(|key| given.value(key).is_some());
            return idle.map_or(Ok(None), |key| Err(CoordinationError::Alone(key).into()));
        };
        let idle = if roles.contains(&Role::Shards) {
            None
        } else {
            ONLY_SHARDS.into_iter().find(|key| given.value(key).is_some())
        };
        if let Some(key) = idle {
            return Err(CoordinationError::WithoutShards(key).into());
        }
        let hash = given.parsed(annotation::SHARD_HASH, shard_hash)?.unwrap_or_default();
        let map = match value(given, annotation::SHARDS, text::shards)? {
            Some(shards) => Some(ShardMap { shards, hash }),
            None if roles.contains(&Role::Shards) => {
                return Err(CoordinationError::NoShards.into());
            }
            None => None,
        };
        let second = |key, words: Words| {
            let read = value(given, key, |text| words.is_second(text))?;
            Ok::<_, CoordinationError>(read.unwrap_or_default())
        };
        for key in [annotation::ENDPOINTS, annotation::TAGS] {
            if let Some(found @ MOST_BYTES..) = given.value(key).map(str::len) {
                return Err(CoordinationError::TooLong { key, found, most: MOST_BYTES }.into());
            }
        }
        let default = Terms::default();
        let stop = second(annotation::ON_LOSS, text::ON_LOSS)?;
        Ok(Some(Self {
            terms: Terms {
                roles,
                map,
                validity: value(given, annotation::VALIDITY, text::validity)?
                    .unwrap_or(default.validity),
                heartbeat: value(given, annotation::HEARTBEAT, text::heartbeat)?.flatten(),
                confirm_required: second(annotation::CONFIRM, text::CONFIRM)?,
                tags: value(given, annotation::TAGS, text::tags)?.unwrap_or_default(),
                weight: value(given, annotation::WEIGHT, text::weight)?.unwrap_or(default.weight),
                participate: second(annotation::PARTICIPATE, text::PARTICIPATE)?,
                min_participants: value(
                    given,
                    annotation::MIN_PARTICIPANTS,
                    text::min_participants,
                )?
                .unwrap_or(default.min_participants),
            },
            on_loss: if stop { OnLoss::Stop } else { OnLoss::Keep },
            endpoints: given.parsed(annotation::ENDPOINTS, endpoints)?.unwrap_or_default(),
        }))
    }

    /// Whether the pod may own something that must be handed over before it ends.
    pub fn owns(&self) -> bool {
        let roles = &self.terms.roles;
        roles.contains(&Role::Shards) || roles.contains(&Role::Leader)
    }
}

impl fmt::Display for Coordination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let roles: Vec<&str> = self.terms.roles.iter().map(|role| role.as_str()).collect();
        f.write_str(&roles.join(","))?;
        match &self.terms.map {
            Some(map) => write!(f, ", {} shards by {}", map.shards, map.hash),
            None => Ok(()),
        }
    }
}

/// An input that is also a flag of the sidecar.
fn value<T>(
    given: &Given<'_>,
    key: &'static str,
    parse: impl FnOnce(&str) -> Result<T, TextError>,
) -> Result<Option<T>, CoordinationError> {
    let read = given.parsed(key, |text| parse(text.trim()));
    read.map_err(|error| CoordinationError::Value { key, error })
}

/// Inputs that do nothing without [`annotation::COORDINATE`].
const ONLY_COORDINATION: [&str; 11] = [
    annotation::SHARDS,
    annotation::SHARD_HASH,
    annotation::VALIDITY,
    annotation::HEARTBEAT,
    annotation::CONFIRM,
    annotation::ON_LOSS,
    annotation::ENDPOINTS,
    annotation::TAGS,
    annotation::WEIGHT,
    annotation::PARTICIPATE,
    annotation::MIN_PARTICIPANTS,
];

/// Inputs that do nothing without [`Role::Shards`].
const ONLY_SHARDS: [&str; 3] =
    [annotation::SHARDS, annotation::SHARD_HASH, annotation::MIN_PARTICIPANTS];

#[cfg(test)]
mod tests;
