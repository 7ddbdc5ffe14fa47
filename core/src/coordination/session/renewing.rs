//! The renewing track: what a renewal proves.
//!
//! Not for: what it says of our record against us. The machine judges that after every answer.

use std::time::Duration;

use super::action::Action;
use super::deadline::Deadline;
use super::event::Renewal;
use super::membership::Membership;
use super::track::Pace;
use crate::coordination::member::SessionId;
use crate::coordination::validity::Validity;
use crate::lease::Track;
use crate::time::{BootInstant, Now};

/// Before the read that shows what became of a record whose lease is gone.
const GONE_PAUSE: Duration = Duration::from_millis(5);

/// The renewing track.
#[derive(Clone, Debug, Default)]
pub(super) struct Renewing {
    pub(super) track: Track,
    /// The session for which the renewal under way was sent.
    sent_for: Option<SessionId>,
    /// What was known when it was sent.
    known_when_sent: i64,
}

// === impl Renewing ===

impl Renewing {
    pub(super) fn next(
        &mut self,
        now: BootInstant,
        session: &Membership,
        known_revision: i64,
        out: &mut Vec<Action>,
    ) {
        if self.track.is_due(now) {
            self.track.start();
            self.sent_for = Some(session.id);
            self.known_when_sent = known_revision;
            out.push(Action::Renew { lease: Some(session.lease) });
        }
    }

    /// The renewal under way is of this session.
    pub(super) fn is_of(&self, session: SessionId) -> bool {
        self.sent_for == Some(session)
    }

    pub(super) const fn known_when_sent(&self) -> i64 {
        self.known_when_sent
    }

    /// Another epoch: revisions are not compared with those of the old one.
    pub(super) const fn on_new_epoch(&mut self) {
        self.known_when_sent = 0;
    }

    /// A good read: our record is there, with our session and nonce, in our epoch.
    pub(super) fn on_good(
        &mut self,
        renewal: &Renewal,
        now: Now,
        validity: Validity,
        deadline: &mut Deadline,
        pace: &mut Pace,
    ) {
        deadline.prove(renewal.sent, now);
        let pause = match renewal.ttl {
            // The lease is gone, and our record with it: the next read shows it.
            Some(ttl) if ttl.is_zero() => return self.track.wait_until(now.boot.after(GONE_PAUSE)),
            Some(_) => pace.renewal(validity.span()),
            None => Pace::renewal_retry(validity.span()),
        };
        self.track.wait_until(renewal.sent.after(pause).max(now.boot));
    }

    pub(super) fn failed(&mut self, now: BootInstant, validity: Validity) {
        self.track.wait_until(now.after(Pace::renewal_retry(validity.span())));
    }
}
