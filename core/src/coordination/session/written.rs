//! What the answers to writes mean. They are judged in the order of `answers.rs`.

use std::sync::Arc;

use super::action::Action;
use super::answers::Epoch;
use super::joining::Begun;
use super::machine::Machine;
use crate::coordination::member::Member;
use crate::coordination::owner::Granted;
use crate::coordination::picture::{Change, Changes, Revised};
use crate::coordination::write::{MOST_CHANGES, Write, WriteAnswer, WriteKind};
use crate::lease::LeaseId;
use crate::time::{BootInstant, Now};

impl Machine {
    pub(super) fn on_written(&mut self, now: Now, answer: WriteAnswer, out: &mut Vec<Action>) {
        let Some((write, known)) = self.writing.answered() else { return };
        // What was written is a change of the picture. What was not has to be looked at again.
        self.replan |= !matches!(answer, WriteAnswer::Committed { .. });
        match answer {
            WriteAnswer::Committed { revision } => {
                self.on_committed(now, write, known, revision, out);
            }
            WriteAnswer::Refused(changes) => self.on_refused(now, &write, known, changes, out),
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

    fn on_committed(
        &mut self,
        now: Now,
        write: Write,
        known: i64,
        revision: i64,
        out: &mut Vec<Action>,
    ) {
        if self.known.picture().epoch != Some(write.epoch) {
            return;
        }
        if revision < known {
            return self.distrust(now);
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
                    let grant = change.how.into_grant().map(Arc::new);
                    let granted = grant.map(|grant| Granted { grant, revision });
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

    fn on_refused(
        &mut self,
        now: Now,
        write: &Write,
        known: i64,
        changes: Changes,
        out: &mut Vec<Action>,
    ) {
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
        if changes.revision < known {
            return self.distrust(now);
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
        lease: LeaseId,
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
}
