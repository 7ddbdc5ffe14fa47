//! The machine: the session and its tracks. Events enter here and go to the part that they are about.

use std::time::Duration;

use super::action::{Action, reads_shards};
use super::config::Config;
use super::deadline::Deadline;
use super::event::Event;
use super::joining::Joining;
use super::membership::Membership;
use super::owners::{Ledger, OwnersHandler};
use super::reading::Reading;
use super::record::Record;
use super::renewing::Renewing;
use super::shown::Shown;
use super::stops::Stops;
use super::track::{Pace, Writing};
use super::value::ValuePuts;
use crate::coordination::picture::Known;
use crate::coordination::write::{Write, WriteKind};
use crate::time::{BootInstant, Now};

/// With more shards than this the plan is computed at most every [`PLAN_PERIOD`].
const FEW_SHARDS: u32 = 1000;

/// Between two computations of the plan of many shards.
const PLAN_PERIOD: Duration = Duration::from_millis(100);

/// One member's session of one group.
#[derive(Clone, Debug)]
pub struct Machine {
    pub(super) config: Config,
    pub(super) mode: Mode,
    pub(super) known: Known,
    /// The greatest epoch that was seen.
    pub(super) epoch: i64,
    pub(super) session: Option<Membership>,
    pub(super) record: Record,
    pub(super) joining: Joining,
    pub(super) deadline: Deadline,
    pub(super) stops: Stops,
    pub(super) value: ValuePuts,
    pub(super) reading: Reading,
    pub(super) writing: Writing,
    pub(super) renewing: Renewing,
    pub(super) ledger: Ledger,
    pub(super) pace: Pace,
    pub(super) shown: Shown,
    /// Why nothing goes on.
    pub(super) trouble: Option<String>,
    /// The basis of the plan that was carried out last, and when.
    pub(super) planned: (u64, BootInstant),
    /// How often the plan was carried out.
    pub(super) plans: u64,
    /// A command or an answer has changed what the plan means for us.
    pub(super) replan: bool,
    /// How many sessions were lost.
    pub(super) lost: u64,
}

/// What the machine is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Not started.
    Waiting,
    Running,
    /// The pod is being deleted, or the app does not call any more: give everything away, then leave.
    Leaving,
    /// Leave at once.
    Terminating,
    Ended,
}

// === impl Machine ===

impl Machine {
    /// A machine that has not begun.
    pub fn new(config: Config) -> Self {
        Self {
            mode: Mode::Waiting,
            known: Known::new(config.uid.clone()),
            epoch: 0,
            session: None,
            record: Record::new(&config),
            joining: Joining::default(),
            deadline: Deadline::new(config.terms.validity, config.terms.heartbeat),
            stops: Stops::new(config.nonce.clone(), config.terms.confirm_required),
            value: ValuePuts::default(),
            reading: Reading::default(),
            writing: Writing::default(),
            renewing: Renewing::default(),
            ledger: Ledger::default(),
            pace: Pace::new(config.seed),
            shown: Shown::default(),
            trouble: None,
            planned: (0, BootInstant::default()),
            plans: 0,
            replan: false,
            lost: 0,
            config,
        }
    }

    /// Takes one event in and says what to do.
    pub fn step(&mut self, now: Now, event: Event) -> Vec<Action> {
        let mut out = Vec::new();
        if self.mode == Mode::Ended {
            return out;
        }
        if self.deadline.compare_clocks(now) {
            // Until a renewal has answered nothing is believed.
            self.renewing.track.hurry();
        }
        self.route(now, event, &mut out);
        self.judge_own_record(&mut out);
        self.next(now, &mut out);
        if let Some(Action::Finish(_)) = out.last() {
            self.mode = Mode::Ended;
        }
        self.deadline.note_told();
        self.shown.refresh(now.boot, &self.known);
        out
    }

    /// The next instant at which something changes by itself. Wake up then, and send [`Event::Tick`].
    pub fn wake_at(&self, now: Now) -> Option<BootInstant> {
        if matches!(self.mode, Mode::Waiting | Mode::Ended) {
            return None;
        }
        let instants = [
            self.reading.track.until(),
            self.writing.until(),
            self.renewing.track.until().filter(|_| self.session.is_some()),
            Some(self.deadline.at()),
            self.deadline.missed_at(),
            self.reading.progress_due(self.patience()),
            self.ledger.wake.instant(),
            self.plan_due(now.boot),
            self.record_due(now.boot),
            self.shown.due(&self.known),
        ];
        instants.into_iter().flatten().filter(|instant| *instant > now.boot).min()
    }

    /// Until when the app has to call again, if it has promised to and may be running. No deadline told is later.
    pub fn app_due(&self) -> Option<BootInstant> {
        self.deadline.missed_at()
    }

    /// Whether the app has promised to call, and has not called this process yet.
    pub fn awaits_app(&self) -> bool {
        self.deadline.awaits_beat()
    }

    /// How often this process has computed the plan. It does so only when something has changed that the plan rests on,
    /// or when the time for something has come.
    pub const fn plans(&self) -> u64 {
        self.plans
    }

    fn route(&mut self, now: Now, event: Event, out: &mut Vec<Action>) {
        match event {
            Event::Start if self.mode == Mode::Waiting => self.mode = Mode::Running,
            Event::Start | Event::Tick => {}
            Event::Granted(granted) => {
                self.writing.track.finish();
                self.joining.on_granted(granted, now.boot);
            }
            Event::Defined => {
                self.writing.track.finish();
                self.reading.read_again();
            }
            Event::PreparingFailed(why) => {
                self.trouble = Some(why);
                let pause = self.pace.retry();
                self.writing.track.wait_until(now.boot.after(pause));
            }
            Event::Read { sent, picture } => self.on_read(now, sent, *picture, out),
            Event::ReadFailed(why) => {
                self.trouble = Some(why);
                let pause = self.pace.retry();
                self.reading.failed(now.boot.after(pause));
            }
            Event::Changed(changes) => {
                if self.reading.is_watching() {
                    self.known.watched(changes);
                }
            }
            Event::WatchEnded(_) => {
                let pause = self.pace.after_watch(self.known.picture().members.len());
                self.reading.on_watch_ended(now.boot.after(pause));
            }
            Event::Written(answer) => self.on_written(now, answer, out),
            Event::WriteFailed(why) => {
                self.trouble = Some(why);
                let pause = self.pace.repeat();
                self.writing.failed(now.boot.after(pause));
            }
            Event::Renewed(renewal) => self.on_renewed(now, &renewal, out),
            Event::RenewFailed(why) => {
                self.trouble = Some(why);
                self.renewing.failed(now.boot, self.config.terms.validity);
            }
            Event::Claims(claims) => self.record.set_claims(claims),
            Event::Drain => self.leave(),
            Event::Terminate => {
                self.mode = Mode::Terminating;
                self.writing.track.hurry();
            }
        }
    }

    /// Lets each idle track send its next request.
    fn next(&mut self, now: Now, out: &mut Vec<Action>) {
        if let Some(Action::Finish(_)) = out.last() {
            return;
        }
        match self.mode {
            Mode::Waiting | Mode::Ended => return,
            Mode::Terminating => return self.next_termination(now, out),
            Mode::Leaving if self.has_left() => return self.finish(out),
            Mode::Running | Mode::Leaving => {}
        }
        let missed = self.deadline.missed_at().is_some_and(|missed| now.boot >= missed);
        if missed && self.mode == Mode::Running {
            self.leave();
        }
        let shards = reads_shards(&self.config.terms.roles);
        let patience = self.patience();
        self.reading.check_progress(now.boot, self.known.floor(), patience, out);
        self.reading.next(now.boot, &self.known, shards, out);
        self.writing.keep_only(self.session.as_ref().map(|session| session.id));
        self.writing.repeat(now.boot, out);
        match &self.session {
            None => self.next_join(now, out),
            Some(session) => {
                let revision = self.known.picture().revision;
                self.renewing.next(now.boot, session, revision, out);
                self.next_write(now, out);
            }
        }
    }

    fn next_join(&mut self, now: Now, out: &mut Vec<Action>) {
        if self.reading.is_complete() && self.known.picture().epoch.is_none() {
            return self.define(now, out);
        }
        self.join(now, out).next();
    }

    /// Without Kubernetes nobody else makes the epoch.
    fn define(&mut self, now: Now, out: &mut Vec<Action>) {
        if self.config.define_missing && self.writing.is_free(now.boot) {
            let epoch = (now.wall.0 / 1000).max(self.epoch.saturating_add(1));
            self.writing.track.start();
            out.push(Action::Define { epoch, hold: self.config.terms.validity.takeover_delay() });
        }
    }

    fn carry_out(&mut self, now: Now, out: &mut Vec<Action>) {
        let Some(session) = &self.session else { return };
        let mut owners = OwnersHandler {
            config: &self.config,
            now,
            known: &self.known,
            session,
            leaving: self.mode == Mode::Leaving,
            told: self.deadline.told(),
            stops: &mut self.stops,
            ledger: &mut self.ledger,
            writing: &mut self.writing,
            out,
        };
        owners.next();
    }

    pub(super) fn send(&mut self, kind: WriteKind, out: &mut Vec<Action>) {
        let Some(session) = &self.session else { return };
        let write = Write { epoch: session.id.epoch, uid: self.config.uid.clone(), kind };
        let known = self.known.picture().revision;
        self.writing.send(write, Some(session.id), known, out);
    }

    /// What the session writes next: the record before anything else, then the leader's value, then owners.
    fn next_write(&mut self, now: Now, out: &mut Vec<Action>) {
        let awaits_app = self.deadline.awaits_first_beat();
        let Some(session) = &self.session else { return };
        self.stops.keep_owned(self.known.own());
        if self.known.picture().leader.as_ref().is_some_and(|led| led.grant.uid != self.config.uid)
        {
            self.record.end_resignation();
        }
        if self.writing.is_free(now.boot) {
            let due = self.record.due(&session.written, awaits_app, now.boot);
            if due.is_some_and(|due| now.boot >= due) {
                self.record.note_sent(now.boot);
                let record = Box::new(self.record.wanted(awaits_app));
                let kind = WriteKind::Update { lease: session.lease, record, mine: session.mine };
                return self.send(kind, out);
            }
            let (fence, seen) = (self.leads(), self.known.picture().leader_value.as_ref());
            if let Some(kind) = self.value.next(fence, seen) {
                return self.send(kind, out);
            }
            if self.mode == Mode::Leaving && self.owns_nothing() {
                let kind = WriteKind::Leave { mine: session.mine };
                return self.send(kind, out);
            }
        }
        let due = self.plan_due(now.boot).is_some_and(|due| now.boot >= due);
        if due || self.ledger.wake.is_due(now.boot) {
            self.planned = (self.known.basis(), now.boot);
            self.plans += 1;
            // What could not be written because another write is under way is looked at again after it.
            self.replan = !self.writing.is_free(now.boot);
            self.carry_out(now, out);
        }
    }

    /// When the plan is to be carried out again because something has changed.
    fn plan_due(&self, now: BootInstant) -> Option<BootInstant> {
        let (basis, at) = self.planned;
        let same = basis == self.known.basis() && !self.ledger.ended.is_outdated(&self.known);
        if self.session.is_none() || (same && !self.replan) {
            return None;
        }
        let many = self.config.terms.map.is_some_and(|map| map.shards > FEW_SHARDS);
        Some(if many { at.after(PLAN_PERIOD) } else { now })
    }

    fn record_due(&self, now: BootInstant) -> Option<BootInstant> {
        let written = &self.session.as_ref()?.written;
        self.record.due(written, self.deadline.awaits_first_beat(), now)
    }

    /// Two requests for progress in a row have gone without an answer, and the answer to the second has had its time.
    fn patience(&self) -> Duration {
        self.config.terms.validity.span() * 4 / 3
    }
}
