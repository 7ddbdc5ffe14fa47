//! What the outside sees of the machine at one instant.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::command::Refusal;
use super::stop_id::StopId;
use crate::coordination::map::Shard;
use crate::coordination::member::{MemberState, SessionId};
use crate::coordination::owner::Ownable;
use crate::coordination::picture::Picture;
use crate::time::BootInstant;

/// What the outside sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The session; `None` before C1 or C3 was answered, and after it was lost.
    pub session: Option<SessionId>,
    /// Our state; a viewer without a session.
    pub state: MemberState,
    /// The group as this process knows it.
    pub picture: Arc<Picture>,
    /// The deadline of all that is owned and not stopping.
    pub valid_until: BootInstant,
    /// The shards that may be served until [`Status::valid_until`], with the revisions of their fences.
    pub shards: BTreeMap<Shard, i64>,
    /// The leadership.
    pub leader: LeaderStatus,
    /// What was told to stop and is not handed over yet.
    pub stopping: Vec<Stopping>,
    /// How many sessions of this process were lost: when it grows, the app is told `lost`.
    pub lost: u64,
    /// Why nothing, or not everything, may be served.
    pub reason: Option<String>,
}

/// The leadership as we may rely on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaderStatus {
    /// Our own fence's revision, while we may lead until [`Status::valid_until`].
    pub own: Option<i64>,
    /// How many puts of the leader's value have ended in this process.
    pub puts: u64,
    /// What came of the last of them: the value's revision, or why it was not put. `None` before the first.
    pub last_put: Option<Result<i64, Refusal>>,
}

/// Something that must be stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopping {
    /// What.
    pub of: Ownable,
    /// The id that confirms it.
    pub stop: StopId,
    /// The last deadline told. It moves no further.
    pub valid_until: BootInstant,
    /// The revision of the fence under which it was served.
    pub owned: Owned,
    /// Whether the app has confirmed.
    pub confirmed: bool,
}

/// A grant of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Owned {
    /// Mod revision of the key.
    pub fence: i64,
}
