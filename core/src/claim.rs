//! The parts of a claim: the fence, the records in etcd, the holder, the states.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::time::UnixMillis;

/// `(epoch, create_revision)` of a slot. It strictly grows from holder to holder of a name, also when etcd was wiped in
/// between. An app passes it to the resources that it writes to, and these refuse a smaller fence.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Fence {
    /// A number that grows whenever the store was wiped or restored.
    pub epoch: i64,
    /// The create revision of the slot.
    pub revision: i64,
}

/// The text is not a fence.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("'{0}' is not a fence; write it as shown by `cairn claims`, like 1795228678-4711")]
pub struct FenceError(String);

/// Who holds or wants a claim.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The pod's UID, the identity of a holder.
    pub uid: String,
    /// The node that the pod runs on; empty outside Kubernetes.
    pub node: String,
    /// Counts the sidecar processes of one pod that held one claim; the newer fences the older.
    pub incarnation: u32,
}

/// The value of a slot key `…/s/<name>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotRecord {
    /// Who holds it.
    #[serde(flatten)]
    pub holder: Holder,
    /// The random word of the sidecar process that put it. It shows after an ambiguous answer whose attempt has landed.
    pub nonce: String,
    /// When the claim was first held, by the holder's wall clock.
    pub since: UnixMillis,
    /// V, as granted: later edits of the pool do not apply to this claim.
    pub validity_ms: u64,
    /// Q, as granted.
    pub quarantine_ms: u64,
}

/// The value of an owner key `…/o/<uid>/<pool>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerRecord {
    /// The full key of the slot that is held.
    pub slot: String,
    /// The nonce of the transaction that put it.
    pub nonce: String,
}

/// The value of a ticket `…/q/<uid>`. Its create revision orders the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketRecord {
    /// Who waits.
    #[serde(flatten)]
    pub holder: Holder,
    /// Since when, by the waiting pod's wall clock.
    pub since: UnixMillis,
}

/// The state of a claim that users see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClaimState {
    /// The pod has no name yet.
    Waiting,
    /// The pod holds the name until the deadline.
    Held,
    /// The deadline has passed without a renewal, and no other pod is known to hold the name.
    Degraded,
    /// The name must not be used any more.
    Lost,
    /// The pod has ended or has released the name. Only annotations show this state: no sidecar runs then.
    Ended,
}

// === impl Fence ===

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.revision)
    }
}

impl FromStr for Fence {
    type Err = FenceError;

    fn from_str(text: &str) -> Result<Self, FenceError> {
        text.split_once('-')
            .and_then(|(epoch, revision)| {
                Some(Self { epoch: epoch.parse().ok()?, revision: revision.parse().ok()? })
            })
            .ok_or_else(|| FenceError(text.to_owned()))
    }
}

// === impl SlotRecord ===

impl SlotRecord {
    /// V, as granted.
    pub fn validity(&self) -> Duration {
        Duration::from_millis(self.validity_ms)
    }

    /// Q, as granted.
    pub fn quarantine(&self) -> Duration {
        Duration::from_millis(self.quarantine_ms)
    }
}

// === impl ClaimState ===

impl ClaimState {
    /// The word for this state in JSON, logs and the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Held => "held",
            Self::Degraded => "degraded",
            Self::Lost => "lost",
            Self::Ended => "ended",
        }
    }
}

impl fmt::Display for ClaimState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fences_are_ordered_by_epoch_and_then_revision_and_are_parsed_back() {
        let old = Fence { epoch: 1, revision: 900 };
        let new = Fence { epoch: 2, revision: 3 };
        assert!(old < new);
        assert_eq!(new.to_string().parse(), Ok(new));
        assert!("17".parse::<Fence>().is_err());
    }

    #[test]
    fn a_slot_record_is_flat_json() {
        let record = SlotRecord {
            holder: Holder { uid: "u".into(), ..Holder::default() },
            nonce: "n".into(),
            since: UnixMillis(5),
            validity_ms: 30_000,
            quarantine_ms: 15_000,
        };
        let json = serde_json::to_value(&record).unwrap();
        assert_eq!(json["uid"], "u");
        assert_eq!(serde_json::from_value::<SlotRecord>(json).unwrap(), record);
    }
}
