//! How a session begins: epoch, lease, then C1, or C3 if our record is there.

use std::time::Duration;

use super::action::Action;
use super::config::Config;
use super::event::SessionLease;
use super::membership::Membership;
use super::record::Record;
use super::track::{Pace, Writing};
use crate::coordination::member::{MemberRecord, SessionId};
use crate::coordination::picture::Known;
use crate::coordination::validity::Validity;
use crate::coordination::write::{Write, WriteKind};
use crate::lease::LeaseId;
use crate::time::{BootInstant, Now};

/// A pod that an administrator keeps out asks again after this.
const DROPPED_RETRY: Duration = Duration::from_secs(10);

/// A record of an earlier process that cannot be resumed is looked at again after this. It ends with its lease.
const FORMER_RETRY: Duration = Duration::from_millis(200);

/// What joining needs to remember.
#[derive(Clone, Debug, Default)]
pub(super) struct Joining {
    lease: Option<(LeaseId, BootInstant, Duration)>,
    waited: bool,
}

/// A session that has begun.
pub(super) struct Begun<'m> {
    pub(super) epoch: i64,
    pub(super) lease: LeaseId,
    pub(super) record: &'m MemberRecord,
    /// Create revision of the record.
    pub(super) created: i64,
    /// Mod revision of the record.
    pub(super) revision: i64,
    /// By C3.
    pub(super) resumed: bool,
}

/// Begins sessions. It may write our record, but serves nothing.
pub(super) struct JoinHandler<'m> {
    pub(super) config: &'m Config,
    pub(super) now: Now,
    pub(super) known: &'m Known,
    pub(super) complete: bool,
    pub(super) awaits_app: bool,
    pub(super) record: &'m mut Record,
    pub(super) joining: &'m mut Joining,
    pub(super) writing: &'m mut Writing,
    pub(super) pace: &'m mut Pace,
    pub(super) out: &'m mut Vec<Action>,
}

// === impl Joining ===

impl Joining {
    /// A lease was granted.
    pub(super) fn on_granted(&mut self, granted: SessionLease, now: BootInstant) {
        self.lease = Some((granted.lease, now, granted.ttl));
    }

    /// The lease that no record hangs on.
    pub(super) fn take_lease(&mut self) -> Option<LeaseId> {
        self.lease.take().map(|(lease, _, _)| lease)
    }

    /// A session has begun or ended: the next one is another.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }
}

// === impl JoinHandler ===

impl JoinHandler<'_> {
    /// Sends what comes next before there is a session.
    pub(super) fn next(&mut self) {
        if !self.writing.is_free(self.now.boot) || !self.complete {
            return;
        }
        let Some(epoch) = self.known.picture().epoch else { return };
        let Some(lease) = self.fresh_lease() else { return };
        let members = &self.known.picture().members;
        if !self.joining.waited
            && let Some(wait) = self.pace.crowd(members.len())
        {
            self.joining.waited = true;
            return self.writing.track.wait_until(self.now.boot.after(wait));
        }
        let kind = match members.get(&self.config.uid) {
            None => {
                let record = Box::new(self.record.wanted(self.awaits_app));
                WriteKind::Join { lease, record }
            }
            // It promised another validity, or serves another map: its deadlines and fences are not ours to go on with.
            Some(found) if !self.record.continues(&found.record) => {
                return self.writing.track.wait_until(self.now.boot.after(FORMER_RETRY));
            }
            Some(found) => {
                let record = Box::new(self.record.resumed(&found.record));
                let (session, seen) = (found.session.revision, found.revision);
                WriteKind::Resume { lease, record, session, seen }
            }
        };
        let write = Write { epoch, uid: self.config.uid.clone(), kind };
        let known = self.known.picture().revision;
        self.writing.send(write, None, known, self.out);
    }

    /// A lease that lives long enough for a join, or `None` when one is asked for.
    fn fresh_lease(&mut self) -> Option<LeaseId> {
        if let Some((lease, granted, ttl)) = self.joining.lease {
            if self.now.boot < granted.after(ttl / 2) {
                return Some(lease);
            }
            self.joining.lease = None;
            self.out.push(Action::Revoke(lease));
        }
        self.writing.track.start();
        self.out.push(Action::Grant { ttl: self.config.terms.validity.lease_ttl() });
        None
    }

    /// C1 or C3 was committed, or a repeat of it shows that it was.
    pub(super) fn begin(&mut self, begun: &Begun<'_>) -> Membership {
        self.record.begin(begun.record);
        self.joining.reset();
        Membership {
            id: SessionId { epoch: begun.epoch, revision: begun.created },
            lease: begun.lease,
            mine: begun.revision,
            written: begun.record.clone(),
            began: self.now.boot,
            longest: self.longest_validity(),
            owns_from_reads_since: begun.resumed.then_some(self.now.boot),
        }
    }

    /// The longest validity under which sessions of this pod may have told deadlines: R23 waits for all of them.
    fn longest_validity(&self) -> Validity {
        let granted = self.known.own().values().map(|granted| granted.grant.validity_ms);
        granted.fold(self.config.terms.validity, Validity::max)
    }

    /// An administrator keeps the pod out.
    pub(super) fn on_dropped(&mut self) {
        self.writing.track.wait_until(self.now.boot.after(DROPPED_RETRY));
    }
}
