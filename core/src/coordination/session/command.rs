//! What the app asks for.

use std::time::Duration;

use thiserror::Error;

use super::stop_id::StopId;
use crate::coordination::member::MemberState;

/// What the app asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Participate, or drain.
    SetState(MemberState),
    /// Set an endpoint; `None` removes it.
    SetEndpoint(String, Option<String>),
    /// Set a tag; `None` removes it.
    SetTag(String, Option<String>),
    /// These stops are done: the app does not serve what they name.
    Stopped(Vec<StopId>),
    /// Give the leadership away.
    Resign,
    /// Put the leader's value, if it still has this revision (0: does not exist) or whatever it is. What comes of it is
    /// in [`super::LeaderStatus::last_put`] when [`super::LeaderStatus::puts`] has grown by one.
    PutLeaderValue {
        /// The new value.
        value: Vec<u8>,
        /// The revision that it must have.
        expected: Option<i64>,
    },
    /// The app is alive.
    Heartbeat,
}

/// Why a command is refused. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Participants may drain, and viewers may participate; nothing else.
    #[error(
        "a {from} cannot become a {to}; a viewer may become a participant, a participant may drain"
    )]
    Transition {
        /// The state now.
        from: &'static str,
        /// The state that was asked for.
        to: &'static str,
    },
    /// The record would be longer than 4 KiB.
    #[error(
        "the member's record would have {0} bytes, more than 4096; shorten its endpoints or tags"
    )]
    RecordTooLong(usize),
    /// The leader's value is longer than 16 KiB.
    #[error("the leader's value has {0} bytes, more than 16384")]
    ValueTooLong(usize),
    /// We do not lead.
    #[error("this pod does not lead; ask GET /v1/leader who does")]
    NotLeader,
    /// The leader's value has another revision.
    #[error("the leader's value has revision {0}, not the expected one; read it again")]
    ValueChanged(i64),
    /// Another put of the leader's value is under way.
    #[error("another put of the leader's value is under way; try again")]
    PutUnderWay,
    /// The session ended before the leader's value was put.
    #[error("the leadership was lost before the leader's value was put")]
    PutLost,
    /// No heartbeat was promised.
    #[error("this pod has no cairn.dev/heartbeat annotation; set it, like 15s")]
    NoHeartbeat,
    /// The pod does not coordinate that.
    #[error("this pod does not coordinate {0}; add it to cairn.dev/coordinate")]
    NoRole(&'static str),
    /// There is no session yet.
    #[error("there is no session yet: {0}")]
    NoSession(String),
}

/// The longest record, and the longest leader's value, in bytes.
pub(super) const LONGEST_RECORD: usize = 4096;
/// See [`LONGEST_RECORD`].
pub(super) const LONGEST_VALUE: usize = 16 * 1024;

/// Endpoints and tags are written at most this often.
pub(super) const UPDATE_PERIOD: Duration = Duration::from_secs(1);
