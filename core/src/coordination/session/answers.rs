//! What answers and events mean: every one is judged in the same order.
//!
//! 1. The epoch. Another one ends the session before anything else of the answer is used.
//! 2. The revision. A store that went back within an epoch was restored, and proves nothing.
//! 3. The picture takes the answer in.
//! 4. Our own record. Gone, or of another session: the session is over. Of another nonce: a younger process has it.

use super::action::{Action, EndReason};
use super::event::Renewal;
use super::joining::{Begun, JoinHandler};
use super::machine::{Machine, Mode};
use crate::coordination::member::MemberState;
use crate::coordination::picture::Picture;
use crate::time::{BootInstant, Now};

/// What an answer's epoch says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Epoch {
    Same,
    /// The session was ended, and the picture forgotten.
    Moved,
    /// Older than one that was seen: the answer is late, or the store was restored.
    Old,
}

impl Machine {
    pub(super) fn on_read(
        &mut self,
        now: Now,
        sent: BootInstant,
        picture: Picture,
        out: &mut Vec<Action>,
    ) {
        let floor = self.reading.known_when_sent();
        let epoch = self.meet_epoch(picture.epoch, out);
        if epoch == Epoch::Old || (epoch == Epoch::Same && picture.revision < floor) {
            self.trouble = Some(went_back());
            let pause = self.pace.retry();
            return self.reading.failed(now.boot.after(pause));
        }
        self.trouble = None;
        let revision = picture.revision;
        let missing = picture.epoch.is_none();
        self.known.read(picture);
        let shards = super::action::reads_shards(&self.config.terms.roles);
        self.reading.on_read(revision, shards, self.config.terms.validity.span(), missing, out);
        if missing {
            self.trouble = Some("etcd has no epoch yet".to_owned());
            let pause = self.pace.retry();
            self.reading.failed(now.boot.after(pause));
        }
        if let Some(session) = &mut self.session
            && session.owns_from_reads_since.is_some_and(|since| sent >= since)
        {
            session.owns_from_reads_since = None;
            self.replan = true;
        } else if self.session.as_ref().is_some_and(|s| s.owns_from_reads_since.is_some()) {
            self.reading.read_again();
        }
    }

    pub(super) fn on_renewed(&mut self, now: Now, renewal: &Renewal, out: &mut Vec<Action>) {
        let floor = self.renewing.known_when_sent();
        self.renewing.track.finish();
        let epoch = self.meet_epoch(renewal.epoch, out);
        if epoch == Epoch::Old || (epoch == Epoch::Same && renewal.revision < floor) {
            self.trouble = Some(went_back());
            return self.renewing.failed(now.boot, self.config.terms.validity);
        }
        self.known.set_epoch(renewal.epoch, renewal.revision);
        self.known.set_hold(renewal.hold, renewal.revision);
        let uid = self.config.uid.clone();
        self.known.set_member(uid, renewal.member.clone(), renewal.revision);
        self.reading.note_revision(renewal.revision, now.boot);
        let Some(session) = &self.session else { return };
        let found = renewal.member.as_ref();
        let good = found.is_some_and(|member| {
            member.session == session.id && member.record.nonce == self.config.nonce
        });
        if good && self.renewing.is_of(session.id) && epoch == Epoch::Same {
            self.trouble = None;
            let validity = self.config.terms.validity;
            let (deadline, pace) = (&mut self.deadline, &mut self.pace);
            self.renewing.on_good(renewal, now, validity, deadline, pace);
        }
    }

    pub(super) fn begin(&mut self, now: Now, begun: &Begun<'_>, out: &mut Vec<Action>) {
        let session = self.join(now, out).begin(begun);
        if self.mode == Mode::Leaving {
            self.record.drain();
        }
        self.trouble = None;
        self.known.set_member(self.config.uid.clone(), Some(session.member()), session.mine);
        if session.owns_from_reads_since.is_some() {
            self.reading.read_again();
        }
        self.deadline.end();
        if begun.resumed && session.written.state != MemberState::Viewer {
            self.deadline.resume(now.boot);
        }
        self.renewing.track.hurry();
        self.replan = true;
        self.session = Some(session);
    }

    /// The session was left: by our own will.
    pub(super) fn left(&mut self, out: &mut Vec<Action>) {
        out.extend(self.session.take().map(|session| Action::Revoke(session.lease)));
        self.end_session();
        self.finish(out);
    }

    /// Our record as it is known speaks against the session, or for a younger process.
    pub(super) fn judge_own_record(&mut self, out: &mut Vec<Action>) {
        let Some(session) = &self.session else { return };
        let found = self.known.picture().members.get(&self.config.uid);
        match found {
            Some(found) if found.session == session.id => {
                if found.record.nonce != self.config.nonce {
                    let why = "a younger sidecar of this pod has taken over its membership".into();
                    out.push(Action::Finish(EndReason::Fenced(why)));
                }
            }
            Some(_) | None => self.lose("the member's record was deleted, or its lease has ended"),
        }
    }

    /// A write was answered by a store that went back within its epoch. What this session has written may be undone,
    /// and others may serve by it: the session is over, and the next one waits for a read that is not older than what
    /// is known, or of another epoch.
    pub(super) fn distrust(&mut self, now: Now) {
        self.lose("etcd went back");
        self.trouble = Some(went_back());
        let pause = self.pace.retry();
        self.reading.distrust(now.boot.after(pause));
    }

    /// The session is over, against our will.
    fn lose(&mut self, why: &str) {
        self.session = None;
        self.end_session();
        self.trouble = Some(format!("the session was lost: {why}"));
        self.lost += 1;
    }

    fn end_session(&mut self) {
        self.joining.reset();
        self.deadline.end();
        self.stops.clear();
        self.value.lose();
        self.writing.keep_only(None);
        if !self.writing.is_writing() {
            self.writing.track.hurry();
        }
    }

    /// Compares an answer's epoch with ours.
    pub(super) fn meet_epoch(&mut self, epoch: Option<i64>, out: &mut Vec<Action>) -> Epoch {
        if epoch.is_some_and(|epoch| epoch < self.epoch) {
            return Epoch::Old;
        }
        let before = self.known.picture().epoch;
        self.epoch = epoch.unwrap_or(self.epoch).max(self.epoch);
        if before == epoch {
            return Epoch::Same;
        }
        if self.session.is_some() {
            self.lose("etcd has another epoch: it was wiped or restored");
        }
        self.known.forget(epoch);
        self.reading.on_new_epoch(out);
        self.renewing.on_new_epoch();
        Epoch::Moved
    }

    pub(super) fn join<'m>(&'m mut self, now: Now, out: &'m mut Vec<Action>) -> JoinHandler<'m> {
        JoinHandler {
            config: &self.config,
            now,
            known: &self.known,
            complete: self.reading.is_complete(),
            awaits_app: self.deadline.awaits_first_beat(),
            record: &mut self.record,
            joining: &mut self.joining,
            writing: &mut self.writing,
            pace: &mut self.pace,
            out,
        }
    }
}

fn went_back() -> String {
    "etcd went back: it was restored from a snapshot; run `cairn admin restored` so that its groups can go on".into()
}
