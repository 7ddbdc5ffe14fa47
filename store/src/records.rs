//! The values in etcd: what is written under each key, and how it is read back.
//!
//! | key | value | type |
//! |---|---|---|
//! | `epoch` | decimal number | [`epoch`] |
//! | `installation` | JSON | [`Installation`] |
//! | `pools/<pool>` | JSON | `cairn_core::pool::PoolSpec` |
//! | `shapes/<pool>` | JSON | [`Shape`] |
//! | `hold/<pool>`, `hold/-coordinate` | JSON | [`FreezeRecord`] |
//! | `…/o/<uid>/<pool>` | JSON | `cairn_core::claim::OwnerRecord` |
//! | `…/s/<name>` | JSON | `cairn_core::claim::SlotRecord` |
//! | `…/q/<uid>` | JSON | `cairn_core::claim::TicketRecord` |
//! | `…/x/<name>` | JSON after a release | `cairn_core::quarantine::QuarantineRecord` |
//! | `…/x/<name>` | seconds after a force release, else empty | [`rest_seconds`], [`rest`] |
//! | `…/d/<name>` | seconds | [`rest_seconds`], [`rest`] |
//! | `…/h/<name>` | JSON | `cairn_core::clock::ClockRecord` |
//! | `…/g`, `…/r` | empty | |
//! | `…/g/<group>/m/<uid>` | JSON | `cairn_core::coordination::member::MemberRecord` |
//! | `…/g/<group>/s/<k>`, `…/l` | JSON | `cairn_core::coordination::owner::Grant` |
//! | `…/g/<group>/c` | JSON | `cairn_core::coordination::map::ShardMap` |
//! | `…/g/<group>/x/<uid>` | JSON | `cairn_core::coordination::member::DropRecord` |
//! | `…/g/<group>/lv` | bytes of the app | |
//!
//! The records that decisions depend on are types of `cairn_core`. The other ones are here. A reader takes a value
//! that it cannot parse in the safe way: as an error, or as the longest time that any record could say.
//!
//! Not for: keys. Their printer and parser is `cairn_core::keys`.

use std::time::Duration;

use cairn_core::clock::{ClockRecord, Reservation};
use cairn_core::coordination::path::HOLD;
use cairn_core::keys::Key;
use cairn_core::pool::{ClockRule, LONGEST_REST, PoolSpec, Scope};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::kv::KeyValue;

mod installation;

pub use installation::Installation;

/// What of a pool never changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Shape {
    /// Where a name is unique.
    pub scope: Scope,
    /// Whether holders reserve time.
    pub clock: ClockRule,
}

/// Why a pool is frozen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum FreezeCause {
    /// The store had no epoch: it is new, or was wiped.
    EmptyStore,
    /// An administrator said that the store was restored.
    #[default]
    Restored,
}

/// The value of a freeze.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FreezeRecord {
    /// How long the freeze lasts from the moment at which it is put on a lease.
    pub(crate) seconds: u64,
    #[serde(default)]
    pub(crate) cause: FreezeCause,
}

// === impl Shape ===

impl Shape {
    /// The shape of a spec.
    pub fn of(spec: &PoolSpec) -> Self {
        Self { scope: spec.scope, clock: spec.clock }
    }
}

// === impl FreezeRecord ===

impl FreezeRecord {
    /// Reads a freeze; `None` when this version does not understand it.
    pub(crate) fn parse(found: &KeyValue) -> Option<Self> {
        (found.key == HOLD || matches!(Key::parse(&found.key), Some(Key::Freeze(_))))
            .then(|| serde_json::from_slice(&found.value).ok())
            .flatten()
    }

    /// How long a freeze lasts. A value that cannot be parsed is of another version; then it lasts as long as any
    /// holder may believe in a claim.
    pub(crate) fn span(found: &KeyValue) -> Duration {
        Self::parse(found).map_or(LONGEST_REST, |record| Duration::from_secs(record.seconds))
    }
}

/// A record as JSON. `key` is named in the error.
pub(crate) fn encode<T: Serialize>(key: &str, record: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(record).map_err(|source| Error::Record { key: key.to_owned(), source })
}

/// Reads a record of JSON.
pub(crate) fn decode<T: DeserializeOwned>(found: &KeyValue) -> Result<T, Error> {
    serde_json::from_slice(&found.value)
        .map_err(|source| Error::Record { key: found.key.clone(), source })
}

/// The epoch; `None` when the value is not a number.
pub(crate) fn epoch(found: &KeyValue) -> Option<i64> {
    std::str::from_utf8(&found.value).ok()?.parse().ok()
}

/// The value that says for how long a name must be quarantined.
pub(crate) fn rest_seconds(rest: Duration) -> String {
    rest.as_secs().to_string()
}

/// Reads what [`rest_seconds`] wrote. A value that cannot be parsed is of another version; then the longest
/// quarantine that any pool may need is safe.
pub(crate) fn rest(found: &KeyValue) -> Duration {
    let seconds = std::str::from_utf8(&found.value).ok().and_then(|text| text.parse().ok());
    seconds.map_or(LONGEST_REST, Duration::from_secs)
}

/// A clock reservation with its mod revision.
pub(crate) fn reservation(found: &KeyValue) -> Result<Reservation, Error> {
    let record: ClockRecord = decode(found)?;
    Ok(Reservation { record, revision: found.mod_revision })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(key: &str, value: &str) -> KeyValue {
        let (key, value) = (key.to_owned(), value.as_bytes().to_vec());
        KeyValue { key, value, create_revision: 1, mod_revision: 2, lease: 0 }
    }

    #[test]
    fn a_freeze_is_the_documented_json() {
        let record = FreezeRecord { seconds: 50, cause: FreezeCause::EmptyStore };
        let json = r#"{"seconds":50,"cause":"emptyStore"}"#;
        assert_eq!(serde_json::to_string(&record).unwrap(), json);
        let key = "/cairn/v1/hold/tea";
        assert_eq!(FreezeRecord::parse(&found(key, json)), Some(record));
        let without_cause = FreezeRecord::parse(&found(key, r#"{"seconds":50}"#)).unwrap();
        assert_eq!(without_cause.cause, FreezeCause::Restored);
        assert_eq!(FreezeRecord::parse(&found("/cairn/v1/pools/tea", json)), None);
        assert_eq!(FreezeRecord::parse(&found(HOLD, json)), Some(record), "of all groups");
    }

    #[test]
    fn values_of_another_version_are_read_as_the_longest_time() {
        assert_eq!(FreezeRecord::span(&found("/cairn/v1/hold/tea", "?")), LONGEST_REST);
        let seconds = rest_seconds(Duration::from_secs(46));
        assert_eq!(rest(&found("/x", &seconds)), Duration::from_secs(46));
        assert_eq!(rest(&found("/x", "soon")), LONGEST_REST);
        assert_eq!(epoch(&found("/cairn/v1/epoch", "soon")), None);
    }
}
