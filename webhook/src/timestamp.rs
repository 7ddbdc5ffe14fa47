//! Times as Kubernetes writes them.

use cairn_core::time::UnixMillis;
use k8s_openapi::jiff::Timestamp;

/// The same instant in whole seconds.
pub fn of(instant: UnixMillis) -> Timestamp {
    Timestamp::from_second(instant.0.div_euclid(1000)).unwrap_or(Timestamp::UNIX_EPOCH)
}
