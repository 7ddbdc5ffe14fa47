//! The reading track: C0 and the watch after it.

use std::time::Duration;

use super::action::Action;
use crate::coordination::picture::Known;
use crate::lease::Track;
use crate::time::BootInstant;

/// Progress is asked for so often within V.
const ASKED: u32 = 2;

/// The reading track.
#[derive(Clone, Debug, Default)]
pub(super) struct Reading {
    pub(super) track: Track,
    watch: Watch,
    /// Another read is needed although a watch is open.
    again: bool,
    /// A read was taken in since the epoch was met.
    complete: bool,
    /// What was known when the read was sent.
    known_when_sent: i64,
    /// A revision that a renewal has shown, and when: the watch has to reach it.
    checkpoint: Option<(i64, BootInstant)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Watch {
    #[default]
    Closed,
    /// The last one went silent: the next one is opened at another etcd member.
    Silent,
    Open,
}

// === impl Reading ===

impl Reading {
    /// Sends a read if one is needed and due.
    pub(super) fn next(
        &mut self,
        now: BootInstant,
        known: &Known,
        shards: bool,
        out: &mut Vec<Action>,
    ) {
        if (!self.is_watching() || self.again) && self.track.is_due(now) {
            self.track.start();
            self.again = false;
            self.known_when_sent = known.picture().revision;
            out.push(Action::Read { shards });
        }
    }

    /// What was known when the read was sent: an answer of the same epoch below it is of a restored store.
    pub(super) const fn known_when_sent(&self) -> i64 {
        self.known_when_sent
    }

    /// A read was taken in: opens the watch, if none is open and there is an epoch.
    pub(super) fn on_read(
        &mut self,
        revision: i64,
        shards: bool,
        validity: Duration,
        missing: bool,
        out: &mut Vec<Action>,
    ) {
        self.track.finish();
        self.complete = true;
        if self.is_watching() || missing {
            return;
        }
        self.checkpoint = None;
        let elsewhere = self.watch == Watch::Silent;
        self.watch = Watch::Open;
        let progress = validity / ASKED;
        out.push(Action::Watch { from: revision.saturating_add(1), shards, progress, elsewhere });
    }

    pub(super) fn failed(&mut self, until: BootInstant) {
        self.track.wait_until(until);
        self.again = true;
    }

    pub(super) fn on_watch_ended(&mut self, until: BootInstant) {
        self.watch = Watch::Closed;
        if !self.track.is_busy() {
            self.track.wait_until(until);
        }
    }

    /// Another epoch: the watch shows revisions of the old one.
    pub(super) fn on_new_epoch(&mut self, out: &mut Vec<Action>) {
        if self.is_watching() {
            self.watch = Watch::Closed;
            out.push(Action::Unwatch);
        }
        self.complete = false;
        self.known_when_sent = 0;
        self.checkpoint = None;
        self.track.hurry();
    }

    /// Nothing is begun before another read.
    pub(super) fn distrust(&mut self, until: BootInstant) {
        self.complete = false;
        self.again = true;
        if !self.track.is_busy() {
            self.track.wait_until(until);
        }
    }

    /// Reads again beside the watch.
    pub(super) fn read_again(&mut self) {
        self.again = true;
        self.track.hurry();
    }

    /// Everything of this epoch is known, at some revision.
    pub(super) const fn is_complete(&self) -> bool {
        self.complete
    }

    pub(super) fn is_watching(&self) -> bool {
        self.watch == Watch::Open
    }

    /// A renewal has shown that the store is at this revision.
    pub(super) fn note_revision(&mut self, revision: i64, now: BootInstant) {
        self.checkpoint.get_or_insert((revision, now));
    }

    /// Drops a watch that has not come to a revision that a renewal showed `patience` ago. It may be cut off and still
    /// answer. Returns when to look again.
    pub(super) fn check_progress(
        &mut self,
        now: BootInstant,
        floor: i64,
        patience: Duration,
        out: &mut Vec<Action>,
    ) {
        let Some((revision, at)) = self.checkpoint else { return };
        if floor >= revision || !self.is_watching() {
            self.checkpoint = None;
        } else if now >= at.after(patience) {
            self.checkpoint = None;
            self.watch = Watch::Silent;
            self.track.hurry();
            out.push(Action::Unwatch);
        }
    }

    /// When to look at the watch's progress again.
    pub(super) fn progress_due(&self, patience: Duration) -> Option<BootInstant> {
        self.checkpoint.map(|(_, at)| at.after(patience))
    }
}
