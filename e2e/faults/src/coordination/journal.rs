//! What the apps of one group have served: the judge's evidence.
//!
//! All instants are of the machine's one clock, whatever the members' clocks show.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use cairn_core::claim::Fence;
use cairn_core::coordination::owner::Ownable;

use crate::boottime::{self, Nanos};

/// An app has served something, without a break and under one fence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// What.
    pub of: Ownable,
    /// The number of shards of its map; 0 for the leadership.
    pub map: u32,
    /// Who.
    pub uid: String,
    /// Under which fence.
    pub fence: Fence,
    /// When the app first looked and saw that it may.
    pub first: Nanos,
    /// When it last looked and saw that it may.
    pub last: Nanos,
    /// Until when it may have served.
    pub until: Nanos,
    /// Why no longer.
    pub ending: Ending,
    /// When the app confirmed that it has stopped.
    pub confirmed: Option<Nanos>,
}

/// Why an app does not serve any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The last deadline told has passed, or will: the app has seen nothing else.
    Deadline,
    /// It saw before its deadline that it may not.
    GivenUp,
    /// It ended with its pod.
    Dead,
}

/// A value that a leader's app puts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeaderValue {
    /// The leadership under which it is put.
    pub under: Fence,
    /// The number of the put by this app.
    pub put: u64,
}

/// What was recorded.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// What was served, in the order of beginnings.
    pub spans: Vec<Span>,
    /// Pods that were lost with all that they served, and when.
    pub losses: Vec<(Nanos, String)>,
    /// Apps that hung from an instant on.
    pub hangs: Vec<(Nanos, String)>,
    /// The epochs and revisions at which sessions ended in etcd, and whose they were.
    pub sessions_ended: BTreeSet<(Fence, String)>,
    /// Deadlines that were told beyond the app's last heartbeat and its time.
    pub overruns: Vec<(Nanos, String)>,
    /// The leader's values by their epochs and revisions.
    pub values: BTreeMap<Fence, LeaderValue>,
    /// The half steps of hand-overs at which processes died.
    pub deaths: BTreeSet<u32>,
    /// What was done to the group, for the reader.
    pub notes: Vec<(Nanos, String)>,
}

/// The journal of one group. Clones write to the same one.
#[derive(Clone, Debug, Default)]
pub struct Journal(Arc<Mutex<Evidence>>);

// === impl LeaderValue ===

impl LeaderValue {
    /// The bytes in etcd.
    pub fn to_bytes(self) -> Vec<u8> {
        format!("{} {} {}", self.under.epoch, self.under.revision, self.put).into_bytes()
    }

    /// Reads them; `None` when no app of this harness has written them.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut parts = std::str::from_utf8(bytes).ok()?.split(' ');
        let (epoch, revision) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some(Self { under: Fence { epoch, revision }, put: parts.next()?.parse().ok()? })
    }
}

// === impl Journal ===

impl Journal {
    /// Writes or reads.
    pub fn with<T>(&self, work: impl FnOnce(&mut Evidence) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A pod is lost.
    pub fn lost(&self, uid: &str) {
        self.with(|evidence| evidence.losses.push((boottime::now(), uid.to_owned())));
    }

    /// An app hangs.
    pub fn hung(&self, uid: &str) {
        self.with(|evidence| evidence.hangs.push((boottime::now(), uid.to_owned())));
    }

    /// Something was done.
    pub fn note(&self, text: impl Into<String>) {
        self.with(|evidence| evidence.notes.push((boottime::now(), text.into())));
    }

    /// A copy of all that was recorded so far.
    pub fn evidence(&self) -> Evidence {
        self.with(|evidence| evidence.clone())
    }
}
