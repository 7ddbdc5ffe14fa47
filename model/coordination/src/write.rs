//! What a process writes: C1 to C9, with all that is compared. A write is repeated unchanged until its result is clear.

use std::fmt;

use crate::place::{Pod, Shard};
use crate::store::{Epoch, Revision, Session};

/// A write of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Write {
    pub(crate) pod: Pod,
    pub(crate) nonce: u8,
    /// The epoch that it compares.
    pub(crate) epoch: Epoch,
    /// Mod revision of the own last put of the own record.
    pub(crate) mine: Revision,
    pub(crate) session: Option<Session>,
    pub(crate) kind: WriteKind,
}

/// What a write does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum WriteKind {
    /// C1
    Join { draining: bool },
    /// C3
    Resume { create: Revision, seen: Revision },
    /// C2: the state becomes `draining`.
    Drain,
    /// C4
    Claim { shard: Shard, map: Revision },
    /// C5, confirmed or by time.
    HandOver { shard: Shard, fence: Revision, to: Pod, create: Revision, by_time: bool },
    /// C6
    TakeOver { shard: Shard, seen: Revision, reason: Reason },
    /// C6 by a viewer with another map: delete instead of put.
    FreeEnded { shard: Shard, seen: Revision },
    /// C7
    Free { shard: Shard, fence: Revision },
    /// C8
    Leave,
    /// C9
    Resize { seen: Revision, count: u8 },
    /// The leader's value. The leadership is a shard without a map.
    PutValue { shard: Shard, fence: Revision, seen: Revision, number: u8 },
}

/// Why a C6 is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Reason {
    /// (a): the takeover delay has passed since the end of the session was seen.
    Delay,
    /// (b): the grant is of another epoch.
    DeadEpoch,
    /// (c): the grant is of an earlier session of the own pod.
    OwnPod,
}

/// A write that is under way, once or more often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct InFlight {
    pub(crate) write: Write,
    pub(crate) copies: u8,
}

// === impl Write ===

impl Write {
    /// Every revision in it, to be renumbered.
    pub(crate) fn revisions(&mut self, visit: &mut impl FnMut(&mut Revision)) {
        visit(&mut self.mine);
        if let Some(session) = &mut self.session {
            visit(&mut session.create);
        }
        match &mut self.kind {
            WriteKind::Join { .. } | WriteKind::Drain | WriteKind::Leave => {}
            WriteKind::Resume { create, seen } => {
                visit(create);
                visit(seen);
            }
            WriteKind::Claim { map: revision, .. }
            | WriteKind::TakeOver { seen: revision, .. }
            | WriteKind::FreeEnded { seen: revision, .. }
            | WriteKind::Free { fence: revision, .. }
            | WriteKind::Resize { seen: revision, .. } => visit(revision),
            WriteKind::HandOver { fence, create, .. } => {
                visit(fence);
                visit(create);
            }
            WriteKind::PutValue { fence, seen, .. } => {
                visit(fence);
                visit(seen);
            }
        }
    }
}

impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pod, nonce, epoch, .. } = self;
        write!(f, "{pod}.{nonce} in epoch {epoch}: {}", self.kind)
    }
}

impl fmt::Display for WriteKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Join { .. } => f.write_str("C1 join"),
            Self::Resume { create, .. } => write!(f, "C3 resume session {create}"),
            Self::Drain => f.write_str("C2 drain"),
            Self::Claim { shard, .. } => write!(f, "C4 claim {shard}"),
            Self::HandOver { shard, fence, to, by_time, .. } => {
                let how = if *by_time { "by time" } else { "confirmed" };
                write!(f, "C5 hand {shard} under fence {fence} over to {to}, {how}")
            }
            Self::TakeOver { shard, seen, reason } => {
                write!(f, "C6 take {shard} of {seen} over by {reason:?}")
            }
            Self::FreeEnded { shard, seen } => write!(f, "C6 delete {shard} of {seen}"),
            Self::Free { shard, fence } => write!(f, "C7 free {shard} under fence {fence}"),
            Self::Leave => f.write_str("C8 leave"),
            Self::PutValue { number, .. } => write!(f, "put the leader's value number {number}"),
            Self::Resize { count, .. } => write!(f, "C9 resize to map {count}"),
        }
    }
}
