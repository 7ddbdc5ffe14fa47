//! The one place that reads the wall clock: for certificates, for timestamps that Kubernetes shows,
//! and for the epoch. Deadlines of tasks are tokio's.

use cairn_core::time::UnixMillis;
use k8s_openapi::jiff::Timestamp;

/// Milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "this is where it is read")]
pub fn wall() -> UnixMillis {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let millis = since.map_or(0, |span| span.as_millis());
    UnixMillis(i64::try_from(millis).unwrap_or(i64::MAX))
}

/// The same instant as Kubernetes writes it, in whole seconds.
pub fn timestamp(instant: UnixMillis) -> Timestamp {
    Timestamp::from_second(instant.0.div_euclid(1000)).unwrap_or(Timestamp::UNIX_EPOCH)
}
