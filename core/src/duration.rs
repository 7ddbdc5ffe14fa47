//! Durations as Kubernetes writes them: `30s`, `1m30s`, `500ms`.
//!
//! Made for `#[serde(with = "duration")]` on the fields of a pool's spec.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer, de};

/// Reads `30s`, `1m30s` or `500ms`.
pub fn parse(text: &str) -> Result<Duration, humantime::DurationError> {
    humantime::parse_duration(text)
}

/// Writes whole seconds as `90s` and anything finer as `1500ms`.
pub fn print(span: Duration) -> String {
    if span.subsec_nanos() == 0 {
        format!("{}s", span.as_secs())
    } else {
        format!("{}ms", span.as_millis())
    }
}

/// Serialises a duration with [`print()`].
pub fn serialize<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&print(*span))
}

/// Deserialises a duration with [`parse`].
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    parse(&text).map_err(|_| {
        de::Error::custom(format!("'{text}' is not a duration; write it like 30s or 1m30s"))
    })
}
