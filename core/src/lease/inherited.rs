//! What one process of a holder leaves to the next one, because the app may run on.

use serde::{Deserialize, Serialize};

use crate::claim::Fence;
use crate::pool::{OnLoss, PoolName, Scope};
use crate::time::{BootInstant, UnixMillis};

/// A claim as an earlier process of the same holder published it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inherited {
    /// The pool.
    pub pool: PoolName,
    /// The pool's rule, which is needed before etcd can be asked.
    pub on_loss: OnLoss,
    /// Where the name is unique.
    pub scope: Scope,
    /// The slot's key.
    pub key: String,
    /// The name as shown.
    pub name: String,
    /// Its index in the pool's list.
    pub index: Option<usize>,
    /// The metrics prefix as shown.
    pub prefix: String,
    /// Its fence.
    pub fence: Fence,
    /// Since when it was held.
    pub since: UnixMillis,
    /// The earlier process's incarnation.
    pub incarnation: u32,
    /// The validity, as granted.
    pub validity_ms: u64,
    /// The quarantine, as granted.
    pub quarantine_ms: u64,
    /// Until when the app may believe in it; `None` once the app was told to stop.
    pub deadline: Option<Deadline>,
    /// `clock: Reserve`: the first timestamp that the holder might emit.
    pub not_before: Option<UnixMillis>,
    /// `clock: Reserve`: the last timestamp that is reserved.
    pub not_after: Option<UnixMillis>,
}

/// A deadline on both clocks: the boot-time clock stands still with a paused machine, and the wall clock may
/// be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadline {
    /// For machines; of no meaning after a reboot.
    #[serde(rename = "boottime_ns")]
    pub boot: BootInstant,
    /// For people, and for the time after a reboot.
    #[serde(rename = "unix_ms")]
    pub wall: UnixMillis,
}
