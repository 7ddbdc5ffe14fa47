//! The quarantine record, which a release puts: who had the name, and what ends the quarantine.
//!
//! SIGTERM of the sidecar is no proof that the app has ended: the container may be restarted in place while the app
//! runs on with its name. So the record names the pod, and the restarted sidecar of the same pod re-claims exactly this
//! name, ahead of the queue (docs/protocol.md, T7). For all other pods it is a quarantine like any other.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::claim::{Fence, Holder};
use crate::time::UnixMillis;

/// The lease of a quarantine that waits for the end of a pod. Normally it does not run out: the claims mirror puts the
/// quarantine on a short lease once the pod has ended, and on a new long one while the pod runs. One hour covers an
/// outage of the mirror. When no mirror ever runs, the name is free after it.
pub const WITH_POD: Duration = Duration::from_hours(1);

/// The lease that the claims mirror puts in its place once the pod has ended. It covers one flush of a StatsD-style
/// buffer, as after any clean release of a name.
pub const AFTER_POD: Duration = Duration::from_secs(5);

/// The value of a quarantine `…/x/<name>` that a release has put. Other quarantines have no record as their value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineRecord {
    /// Who held the name and may re-claim it.
    #[serde(flatten)]
    pub holder: Holder,
    /// The claim that was released.
    pub fence: Fence,
    /// Since when it was held, by the holder's wall clock.
    pub since: UnixMillis,
    /// What ends the quarantine.
    pub waits_for: WaitsFor,
}

/// What ends a quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaitsFor {
    /// The lease of the quarantine.
    Time,
    /// The end of the pod, or of all its app containers. Nothing stops the app of a `Keep` pool before that.
    PodEnd,
}

/// A quarantine with a record, as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantine {
    /// The slot's key.
    pub key: String,
    /// The quarantine's mod revision.
    pub revision: i64,
    /// Its value.
    pub record: QuarantineRecord,
}

// === impl QuarantineRecord ===

impl QuarantineRecord {
    /// Reads the value of a quarantine; `None` when it names no holder.
    pub fn parse(value: &[u8]) -> Option<Self> {
        serde_json::from_slice(value).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarantine_record_is_flat_json_and_other_values_are_no_record() {
        let record = QuarantineRecord {
            holder: Holder { uid: "u".into(), ..Holder::default() },
            fence: Fence { epoch: 1, revision: 2 },
            since: UnixMillis(5),
            waits_for: WaitsFor::PodEnd,
        };
        let json = serde_json::to_value(&record).unwrap();
        assert_eq!((&json["uid"], &json["waits_for"]), (&"u".into(), &"pod-end".into()));
        assert_eq!(QuarantineRecord::parse(json.to_string().as_bytes()), Some(record));
        assert_eq!((QuarantineRecord::parse(b""), QuarantineRecord::parse(b"46")), (None, None));
    }
}
