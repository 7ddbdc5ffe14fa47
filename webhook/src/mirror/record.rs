//! Reads the values of keys in etcd. One that cannot be read is logged and counts as absent: it may be of a later
//! version, and the other keys are good.

use cairn_store::KeyValue;
use serde::de::DeserializeOwned;

/// The record of a key.
pub(super) fn read<T: DeserializeOwned>(found: &KeyValue) -> Option<T> {
    let record = serde_json::from_slice(&found.value);
    record
        .inspect_err(
            |error| tracing::warn!(key = found.key, %error, "a record in etcd is not readable"),
        )
        .ok()
}
