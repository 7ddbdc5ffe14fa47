//! How a session ends by our own will: drained and left, or left at once.

use super::action::{Action, EndReason};
use super::machine::{Machine, Mode};
use crate::coordination::write::WriteKind;
use crate::time::Now;

impl Machine {
    /// Gives everything away, then leaves.
    pub(super) fn leave(&mut self) {
        if matches!(self.mode, Mode::Waiting | Mode::Running) {
            self.mode = Mode::Leaving;
        }
        self.record.drain();
        self.replan = true;
    }

    /// Nothing is left to drain: there is no session, and no record of an earlier process that has to be resumed first.
    pub(super) fn has_left(&self) -> bool {
        let has_record = self.known.picture().members.contains_key(&self.config.uid);
        let knows = self.reading.is_complete() && !has_record;
        self.session.is_none() && !self.writing.is_writing() && knows
    }

    pub(super) fn next_termination(&mut self, now: Now, out: &mut Vec<Action>) {
        let Some(session) = &self.session else { return self.finish(out) };
        // An unclear write is not waited for: our record is deleted, and then it can only fail.
        self.writing.give_up();
        if self.writing.is_free(now.boot) {
            let kind = WriteKind::Leave { mine: session.mine };
            self.send(kind, out);
        }
    }

    /// The session is over, by our own will or before it began.
    pub(super) fn finish(&mut self, out: &mut Vec<Action>) {
        out.extend(self.joining.take_lease().map(Action::Revoke));
        out.push(Action::Finish(EndReason::Left));
    }
}
