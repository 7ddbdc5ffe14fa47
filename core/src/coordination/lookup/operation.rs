//! Which members are asked for a key.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

use crate::coordination::member::{Member, MemberState};
use crate::shared_map::SharedMap;

/// What a key is looked up for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Participants, and draining members, which still have what they had.
    #[default]
    Read,
    /// Participants only.
    Write,
}

/// The text is not an operation.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("operation '{0}' is not known; write read or write")]
pub struct OperationError(String);

// === impl Operation ===

impl Operation {
    /// As in requests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }

    /// Whether a member in this state is asked.
    pub fn asks(self, state: MemberState) -> bool {
        match state {
            MemberState::Viewer => false,
            MemberState::Participant => true,
            MemberState::Draining => self == Self::Read,
        }
    }
}

impl FromStr for Operation {
    type Err = OperationError;

    fn from_str(text: &str) -> Result<Self, OperationError> {
        let found = [Self::Read, Self::Write].into_iter().find(|known| known.as_str() == text);
        found.ok_or_else(|| OperationError(text.to_owned()))
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The UID and the identity of each member that is asked, in the order of UIDs.
pub fn serving(
    members: &SharedMap<String, Arc<Member>>,
    operation: Operation,
) -> impl Iterator<Item = (&str, &str)> {
    members
        .iter()
        .filter(move |(_, member)| operation.asks(member.record.state))
        .map(|(uid, member)| (uid.as_str(), member.record.identity(uid)))
}
