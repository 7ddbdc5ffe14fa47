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
use crate::coordination::member::{Member, MemberState};
use crate::coordination::owner::Granted;
use crate::coordination::picture::{Change, Changes, Picture, Revised};
use crate::coordination::write::{MOST_CHANGES, Write, WriteAnswer, WriteKind};
use crate::time::{BootInstant, Now};

/// What an answer's epoch says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Epoch {
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

    pub(super) fn on_written(&mut self, now: Now, answer: WriteAnswer, out: &mut Vec<Action>) {
        let Some(write) = self.writing.answered() else { return };
        // What was written is a change of the picture. What was not has to be looked at again.
        self.replan |= !matches!(answer, WriteAnswer::Committed { .. });
        match answer {
            WriteAnswer::Committed { revision } => self.on_committed(now, write, revision, out),
            WriteAnswer::Refused(changes) => self.on_refused(now, &write, changes, out),
            WriteAnswer::LeaseGone => {
                // Without its lease our record is gone: the renewal shows it.
                self.joining.reset();
                self.renewing.track.hurry();
                self.reading.read_again();
                let pause = self.pace.conflict();
                self.writing.track.wait_until(now.boot.after(pause));
            }
        }
    }

    fn on_committed(&mut self, now: Now, write: Write, revision: i64, out: &mut Vec<Action>) {
        if self.known.picture().epoch != Some(write.epoch) {
            return;
        }
        match write.kind {
            WriteKind::Join { lease, record } => {
                let begun = Begun {
                    epoch: write.epoch,
                    lease,
                    record: &record,
                    created: revision,
                    revision,
                    resumed: false,
                };
                self.begin(now, &begun, out);
            }
            WriteKind::Resume { lease, record, session, .. } => {
                let begun = Begun {
                    epoch: write.epoch,
                    lease,
                    record: &record,
                    created: session,
                    revision,
                    resumed: true,
                };
                self.begin(now, &begun, out);
            }
            WriteKind::Update { record, mine, .. } => {
                if let Some(session) = self.session.as_mut().filter(|s| s.mine == mine) {
                    session.mine = revision;
                    session.written = *record;
                    let member = session.member();
                    self.known.set_member(write.uid, Some(member), revision);
                }
            }
            WriteKind::Owners { changes, .. } => {
                if changes.len() >= MOST_CHANGES {
                    // There is more to write than fits into one transaction.
                    self.planned.1 = BootInstant::default();
                }
                for change in changes {
                    let granted = change.how.into_grant().map(|grant| Granted { grant, revision });
                    self.known.set_owner(change.of, granted, revision);
                }
            }
            WriteKind::Leave { .. } => self.left(out),
            WriteKind::Resize { map, .. } => self.known.set_map(map, revision),
            WriteKind::LeaderValue { value, .. } => {
                let value = Some(Revised { value, revision });
                self.known.set_leader_value(value, revision);
                self.value.on_committed(revision);
            }
        }
    }

    fn on_refused(&mut self, now: Now, write: &Write, changes: Changes, out: &mut Vec<Action>) {
        let mut epochs = changes.changes.iter().filter_map(|change| match change {
            Change::Epoch(epoch) => Some(*epoch),
            _ => None,
        });
        let epoch = epochs.next_back().unwrap_or(Some(write.epoch));
        let met = self.meet_epoch(epoch, out);
        if met == Epoch::Old {
            // The store was restored, and its epoch is not moved yet.
            let pause = self.pace.retry();
            return self.writing.track.wait_until(now.boot.after(pause));
        }
        if met == Epoch::Moved || Some(write.epoch) != epoch {
            // The write can only fail from now on.
            return self.known.changed(changes);
        }
        let dropped =
            changes.changes.iter().any(|change| matches!(change, Change::Dropped(_, true)));
        let ours = changes.member(&self.config.uid);
        self.known.changed(changes);
        let pause = self.pace.conflict();
        self.writing.track.wait_until(now.boot.after(pause));
        match &write.kind {
            WriteKind::Join { lease, .. } | WriteKind::Resume { lease, .. } => {
                self.on_join_refused(now, write.epoch, *lease, ours.as_ref(), dropped, out);
            }
            WriteKind::Update { .. } => {
                // It was unclear and had been done, if the record is this process's and newer.
                let nonce = &self.config.nonce;
                let session = self.session.as_mut();
                if let Some(session) = session
                    && let Some(ours) = ours.filter(|ours| ours.session == session.id)
                    && ours.record.nonce == *nonce
                {
                    session.mine = ours.revision;
                    session.written = ours.record;
                }
            }
            WriteKind::Leave { .. } => {
                let Some(session) = self.session.as_mut() else { return };
                match ours.filter(|ours| ours.session == session.id) {
                    None => self.left(out),
                    // An unclear write before it had been done.
                    Some(ours) if ours.record.nonce == self.config.nonce => {
                        session.mine = ours.revision;
                    }
                    Some(_) => {}
                }
            }
            WriteKind::LeaderValue { seen, .. } => {
                self.value.on_refused(*seen, self.known.picture().leader_value.as_ref());
            }
            WriteKind::Owners { .. } | WriteKind::Resize { .. } => {}
        }
    }

    fn on_join_refused(
        &mut self,
        now: Now,
        epoch: i64,
        lease: crate::lease::LeaseId,
        ours: Option<&Member>,
        dropped: bool,
        out: &mut Vec<Action>,
    ) {
        match ours {
            // It was unclear and had been done. Only this process writes its nonce.
            Some(ours) if ours.record.nonce == self.config.nonce && ours.session.epoch == epoch => {
                let begun = Begun {
                    epoch,
                    lease,
                    record: &ours.record,
                    created: ours.session.revision,
                    revision: ours.revision,
                    resumed: true,
                };
                self.begin(now, &begun, out);
            }
            None if dropped => {
                self.trouble = Some(
                    "an administrator keeps this pod out of its group (cairn members drop)".into(),
                );
                self.join(now, out).on_dropped();
            }
            Some(_) | None => {}
        }
    }

    fn begin(&mut self, now: Now, begun: &Begun<'_>, out: &mut Vec<Action>) {
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
    fn left(&mut self, out: &mut Vec<Action>) {
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
    fn meet_epoch(&mut self, epoch: Option<i64>, out: &mut Vec<Action>) -> Epoch {
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
