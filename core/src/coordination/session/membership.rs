//! Our session, as this process has it.

use crate::coordination::member::{Member, MemberRecord, SessionId};
use crate::coordination::owner::{Grant, Granted};
use crate::coordination::validity::Validity;
use crate::lease::LeaseId;
use crate::time::BootInstant;

/// Our session.
#[derive(Clone, Debug)]
pub(super) struct Membership {
    pub(super) id: SessionId,
    pub(super) lease: LeaseId,
    /// Mod revision of our own last put of our record.
    pub(super) mine: i64,
    /// What that put has written.
    pub(super) written: MemberRecord,
    /// When this process's C1 or C3 answered. Until a takeover delay after it, another process of the pod or an earlier
    /// session may have told the app deadlines.
    pub(super) began: BootInstant,
    /// The longest validity of the pod's sessions so far.
    pub(super) longest: Validity,
    /// Only a read that was sent since this instant shows what the session owns: after C3, an earlier one may show what
    /// the earlier process has handed over since.
    pub(super) owns_from_reads_since: Option<BootInstant>,
}

// === impl Membership ===

impl Membership {
    /// The first instant at which something may be handed over.
    pub(super) fn hands_over_at(&self) -> BootInstant {
        self.began.after(self.longest.takeover_delay())
    }

    /// A grant to us.
    pub(super) fn grant(&self, uid: &str) -> Grant {
        let validity_ms = self.written.validity_ms;
        Grant { uid: uid.to_owned(), session: self.id, validity_ms }
    }

    /// Whether a grant is this session's, and known to be.
    pub(super) fn owns(&self, granted: &Granted) -> bool {
        self.owns_from_reads_since.is_none() && granted.grant.session == self.id
    }

    /// Our record as it stands.
    pub(super) fn member(&self) -> Member {
        Member { record: self.written.clone(), session: self.id, revision: self.mine }
    }
}
