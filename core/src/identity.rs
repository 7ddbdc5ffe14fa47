//! One claim as it is published. The JSON of the API and of `claim.json`, the text files, the env file and the
//! annotations are all rendered from [`Identity`], so they cannot differ.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::claim::{ClaimState, Fence, Holder};
use crate::contract::path;
use crate::pool::PoolName;

mod field;
mod slot;

pub use field::{ClaimField, is_result_annotation};
pub use slot::Slot;

/// Everything that is published about one claim, held or waiting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The pool.
    pub pool: PoolName,
    /// The group in which the name is unique, `-` for none.
    pub group: String,
    /// The slot that was claimed; `None` while the pod waits.
    pub slot: Option<Slot>,
    /// The state.
    pub state: ClaimState,
    /// Why the claim is waiting, degraded or lost: text for people.
    pub reason: Option<String>,
    /// While the pod waits: how many pods wait ahead of it.
    pub rank: Option<usize>,
    /// The holder.
    pub holder: Holder,
}

/// The JSON of the API and of `claim.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimJson {
    /// The pool.
    pub pool: String,
    /// The group, `-` for none.
    pub group: String,
    /// The name; null while the pod waits.
    pub name: Option<String>,
    /// Its index in the pool's list.
    pub index: Option<usize>,
    /// The metrics prefix.
    pub prefix: Option<String>,
    /// The state.
    pub state: ClaimState,
    /// The fence.
    pub fence: Option<Fence>,
    /// RFC 3339.
    pub since: Option<String>,
    /// RFC 3339.
    pub valid_until: Option<String>,
    /// Nanoseconds on `CLOCK_BOOTTIME`.
    pub valid_until_boottime_ns: Option<u64>,
    /// Unix milliseconds.
    pub not_before_ms: Option<i64>,
    /// Unix milliseconds.
    pub not_after_ms: Option<i64>,
    /// The holder.
    pub holder: Holder,
    /// Why the claim is waiting, degraded or lost: text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// While the pod waits: how many pods wait ahead of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<usize>,
}

/// One pool's part of the annotation `cairn.dev/status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusEntry {
    /// The name; absent while the pod waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The fence, as `epoch-revision`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence: Option<String>,
    /// The state.
    pub state: ClaimState,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
}

// === impl Identity ===

impl Identity {
    /// The JSON of this claim.
    pub fn json(&self) -> ClaimJson {
        let slot = self.slot.as_ref();
        ClaimJson {
            pool: self.pool.to_string(),
            group: self.group.clone(),
            name: slot.map(|slot| slot.name.clone()),
            index: slot.and_then(|slot| slot.index),
            prefix: slot.map(|slot| slot.prefix.clone()),
            state: self.state,
            fence: slot.map(|slot| slot.fence),
            since: slot.map(|slot| slot.since.to_string()),
            valid_until: slot.map(|slot| slot.valid_until.to_string()),
            valid_until_boottime_ns: slot.map(|slot| slot.valid_until_boottime.as_nanos()),
            not_before_ms: slot.and_then(|slot| slot.not_before).map(|instant| instant.0),
            not_after_ms: slot.and_then(|slot| slot.not_after).map(|instant| instant.0),
            holder: self.holder.clone(),
            reason: self.reason.clone(),
            rank: self.rank,
        }
    }

    /// The files of this claim: name and content, `claim.json` last. Empty while the claim has no name.
    pub fn files(&self) -> Vec<(&'static str, String)> {
        let Some(slot) = &self.slot else {
            return Vec::new();
        };
        let json = serde_json::to_string(&self.json()).unwrap_or_default();
        let fields = ClaimField::ALL.into_iter().map(|field| (field.file(), field.value(slot)));
        fields.chain([(path::CLAIM_JSON, json)]).collect()
    }

    /// The variables `CAIRN_<POOL>_…` of this claim, without those of the first pool such as `CAIRN_NAME`.
    pub fn variables(&self) -> Vec<(String, String)> {
        let Some(slot) = &self.slot else {
            return Vec::new();
        };
        let variable = |field: ClaimField| (field.pool_variable(&self.pool), field.value(slot));
        ClaimField::ALL.map(variable).to_vec()
    }
}

/// The content of the env file for all claims of a pod, the first pool first. Values are in single quotes: the
/// kubelet's parser (KEP-3721) and a shell both take such a value literally. Names and prefixes contain no single
/// quote, because their validation refuses it.
pub fn env_file(claims: &[Identity]) -> String {
    let mut out = String::new();
    for (key, value) in variables(claims) {
        let _ = writeln!(out, "{key}='{value}'");
    }
    out
}

/// The variables for all claims of a pod: those without a pool's name for the first pool, then those of each pool.
pub fn variables(claims: &[Identity]) -> impl Iterator<Item = (String, String)> {
    let first = claims.first().and_then(|claim| claim.slot.as_ref());
    let plain = first.into_iter().flat_map(|slot| {
        ClaimField::ALL.map(|field| (field.variable().to_owned(), field.value(slot)))
    });
    plain.chain(claims.iter().flat_map(Identity::variables))
}

#[cfg(test)]
mod tests;
