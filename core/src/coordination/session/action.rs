//! What the machine asks for. An action is one call of `cairn_store`; its answer comes back as an [`super::Event`].

use std::time::Duration;

use crate::coordination::member::Role;
use crate::coordination::write::Write;
use crate::lease::LeaseId;

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Grant the session's lease.
    Grant {
        /// The lease TTL.
        ttl: Duration,
    },
    /// Without Kubernetes: make the epoch and a hold if the store has none.
    Define {
        /// The epoch to write if the store has none: greater than any that this process knows of.
        epoch: i64,
        /// How long the hold lasts.
        hold: Duration,
    },
    /// C0: epoch, hold, map, leader, members, and shards if asked for, at one revision.
    Read {
        /// Whether shards are read.
        shards: bool,
    },
    /// Watch the group from this revision on, at an etcd member that has a leader. Replaces any earlier watch, of which
    /// nothing must be reported any more.
    Watch {
        /// The first revision.
        from: i64,
        /// Whether shards are watched.
        shards: bool,
        /// Ask for progress this often.
        progress: Duration,
        /// The last watch went silent: use another etcd member.
        elsewhere: bool,
    },
    /// End the watch. Nothing of it must be reported any more.
    Unwatch,
    /// C1 to C9.
    Write(Box<Write>),
    /// One linearizable read of our record, epoch and hold; when that has answered, a keepalive.
    Renew {
        /// The session's lease; `None` while the record is on another process's lease.
        lease: Option<LeaseId>,
    },
    /// Revoke a lease on which nothing hangs. Its answer does not matter.
    Revoke(LeaseId),
    /// Nothing more to do.
    Finish(EndReason),
}

/// Why the machine has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// The session has left.
    Left,
    /// A younger process of this pod has the session.
    Fenced(String),
    /// There will be no session. The message says why.
    Failed(String),
}

/// What a group's etcd keys are read for: with [`Role::Peers`] alone, no shards.
pub(super) fn reads_shards(roles: &std::collections::BTreeSet<Role>) -> bool {
    roles.contains(&Role::Shards)
}
