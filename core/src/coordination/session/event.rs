//! What the machine is told.

use std::time::Duration;

use crate::coordination::member::{ClaimedName, Member};
use crate::coordination::picture::{Changes, Picture};
use crate::coordination::write::WriteAnswer;
use crate::lease::LeaseId;
use crate::time::BootInstant;

/// What happened. `sent` is the instant before the request left.
#[derive(Clone, Debug)]
pub enum Event {
    /// The machine may begin.
    Start,
    /// [`super::Action::Grant`] answered.
    Granted(SessionLease),
    /// [`super::Action::Grant`] or [`super::Action::Define`] failed.
    PreparingFailed(String),
    /// [`super::Action::Define`] answered.
    Defined,
    /// [`super::Action::Read`] answered.
    Read {
        /// When it was sent.
        sent: BootInstant,
        /// What it saw.
        picture: Box<Picture>,
    },
    /// [`super::Action::Read`] failed.
    ReadFailed(String),
    /// The watch shows changes, or only progress.
    Changed(Changes),
    /// The watch broke off.
    WatchEnded(String),
    /// [`super::Action::Write`] answered.
    Written(WriteAnswer),
    /// [`super::Action::Write`] failed without a clear answer.
    WriteFailed(String),
    /// [`super::Action::Renew`] has read.
    Renewed(Box<Renewal>),
    /// [`super::Action::Renew`] failed before it has read.
    RenewFailed(String),
    /// The pod's claims have changed.
    Claims(Vec<ClaimedName>),
    /// The pod is being deleted: drain, then leave.
    Drain,
    /// SIGTERM: leave.
    Terminate,
    /// The instant of `Machine::wake_at` has come.
    Tick,
}

/// A granted lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLease {
    /// The lease.
    pub lease: LeaseId,
    /// The lease TTL.
    pub ttl: Duration,
}

/// The answer to [`super::Action::Renew`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// When the read was sent.
    pub sent: BootInstant,
    /// The read's revision.
    pub revision: i64,
    /// The epoch.
    pub epoch: Option<i64>,
    /// Whether a hold exists.
    pub hold: bool,
    /// Our record.
    pub member: Option<Member>,
    /// The TTL that the keepalive was granted: zero when the lease is gone, `None` when the keepalive failed.
    pub ttl: Option<Duration>,
}
