//! The app of a pod: serves what it was told, while its own clock is before the deadline, and writes the journal.
//!
//! A use counts from an instant that was read after the app was told, and ends at one that was read before it was told
//! otherwise. So a machine that is too slow makes two uses look further apart, never closer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cairn_core::claim::Fence;
use cairn_core::coordination::owner::Ownable;
use cairn_core::coordination::session::{Command, StopId};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::clock::MemberClock;
use super::journal::{Ending, Journal, LeaderValue, Span};
use super::slot::{Slot, Told};
use crate::boottime::{self, Nanos, nanos};

/// Between two pieces of work.
const PERIOD: Duration = Duration::from_millis(15);
/// How long an app that is busy goes on with what it was told before.
const BUSY: Duration = Duration::from_millis(1_200);
/// How long a slow app takes to confirm.
const SLOW: Duration = Duration::from_millis(600);
/// How long a late one takes: longer than V = 3 s and the margin.
const LATE: Duration = Duration::from_secs(7);
/// Between two values that a leader puts.
const VALUES: Duration = Duration::from_millis(200);
/// A confirmation is repeated after this, as a client that got no answer may do.
const REPEAT: Duration = Duration::from_secs(3);

/// What an app confirms.
type Stop = (Ownable, Fence, StopId);

/// How an app behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    /// Confirms a stop at once.
    Prompt,
    /// Confirms it later, and repeats that.
    Slow,
    /// Confirms nothing, and looks only now and then at what it was told last.
    Mute,
    /// Confirms long after the deadline and its margin.
    Late,
}

/// What an app does beside serving.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Duties {
    /// The time within which it has promised to call.
    pub heartbeat: Option<Duration>,
    /// Whether it puts values while it leads.
    pub values: bool,
}

/// A running app. It ends when this is dropped.
#[derive(Debug)]
pub struct App {
    work: Arc<Mutex<Work>>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Work {
    uid: String,
    clock: MemberClock,
    habit: Habit,
    duties: Duties,
    slot: Slot,
    journal: Journal,
    told: Told,
    beat_again: Nanos,
    put_again: Nanos,
    puts: u64,
    look_again: Nanos,
    /// What is served, and where its span is in the journal.
    open: BTreeMap<(Ownable, Fence), usize>,
    seen: Vec<StopId>,
    confirmations: Vec<(Nanos, Vec<Stop>)>,
    ended: bool,
}

// === impl App ===

impl App {
    /// Starts an app.
    pub fn start(
        uid: &str,
        clock: MemberClock,
        habit: Habit,
        duties: Duties,
        slot: Slot,
        journal: Journal,
    ) -> Self {
        let work = Arc::new(Mutex::new(Work {
            uid: uid.to_owned(),
            clock,
            habit,
            duties,
            slot,
            journal,
            told: Told::default(),
            beat_again: 0,
            put_again: 0,
            puts: 0,
            look_again: 0,
            open: BTreeMap::new(),
            seen: Vec::new(),
            confirmations: Vec::new(),
            ended: false,
        }));
        let shared = Arc::clone(&work);
        let task = tokio::spawn(async move {
            loop {
                sleep(PERIOD).await;
                shared.lock().unwrap_or_else(PoisonError::into_inner).go_on();
            }
        });
        Self { work, task }
    }

    /// Ends it: it serves nothing after this instant.
    pub fn end(&self) {
        self.work.lock().unwrap_or_else(PoisonError::into_inner).end();
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.end();
        self.task.abort();
    }
}

// === impl Work ===

impl Work {
    fn go_on(&mut self) {
        if self.ended || self.slot.app_is_frozen() {
            return;
        }
        let before = boottime::now();
        self.beat(before);
        let looks = before >= self.look_again;
        if looks {
            self.told = self.slot.told();
            let pause = if self.habit == Habit::Mute { BUSY } else { Duration::ZERO };
            self.look_again = before.saturating_add(nanos(pause));
        }
        self.serve(before);
        if looks {
            self.confirm();
        }
        self.put_value(before);
    }

    /// Calls as often as it has promised.
    fn beat(&mut self, now: Nanos) {
        if let Some(heartbeat) = self.duties.heartbeat.filter(|_| now >= self.beat_again) {
            self.beat_again = now.saturating_add(nanos(heartbeat / 3));
            self.slot.command(Command::Heartbeat);
        }
    }

    /// Puts another value while it leads.
    fn put_value(&mut self, now: Nanos) {
        let leads =
            |((of, fence), _): (&(Ownable, Fence), _)| (*of == Ownable::Leader).then_some(*fence);
        let Some(fence) = self.open.iter().find_map(leads) else { return };
        if self.duties.values && !self.slot.app_rests() && now >= self.put_again {
            self.put_again = now.saturating_add(nanos(VALUES));
            self.puts += 1;
            let value = LeaderValue { under: fence, put: self.puts }.to_bytes();
            self.slot.command(Command::PutLeaderValue { value, expected: None });
        }
    }

    fn serve(&mut self, before: Nanos) {
        let at = boottime::now();
        let until = self.clock.at(self.told.valid_until);
        let may = at < until;
        let Self { told, open, journal, uid, .. } = self;
        journal.with(|evidence| {
            open.retain(|key, index| {
                let Some(span) = evidence.spans.get_mut(*index) else { return false };
                let told = told.serving.contains(key);
                if told && may {
                    (span.last, span.until) = (at, until);
                } else if !told && before < span.until {
                    (span.until, span.ending) = (before.max(span.last), Ending::GivenUp);
                }
                told && may
            });
            for (of, fence) in told.serving.iter().filter(|_| may) {
                open.entry((*of, *fence)).or_insert_with(|| {
                    let map = if *of == Ownable::Leader { 0 } else { told.map };
                    let (of, uid, fence, ending) = (*of, uid.clone(), *fence, Ending::Deadline);
                    evidence.spans.push(Span {
                        of,
                        map,
                        uid,
                        fence,
                        first: at,
                        last: at,
                        until,
                        ending,
                        confirmed: None,
                    });
                    evidence.spans.len() - 1
                });
            }
        });
    }

    fn confirm(&mut self) {
        let now = boottime::now();
        let stopping = self.told.stopping.iter().filter(|(.., stop)| !self.seen.contains(stop));
        let new: Vec<_> = stopping.cloned().collect();
        self.seen.extend(new.iter().map(|(.., stop)| stop.clone()));
        if !new.is_empty() && self.habit != Habit::Mute {
            let pause = match self.habit {
                Habit::Slow => SLOW,
                Habit::Late => LATE,
                Habit::Prompt | Habit::Mute => Duration::ZERO,
            };
            self.confirmations.push((now.saturating_add(nanos(pause)), new.clone()));
            if self.habit == Habit::Slow {
                self.confirmations.push((now.saturating_add(nanos(REPEAT)), new));
            }
        }
        let due = |(at, _): &mut (Nanos, Vec<Stop>)| now >= *at;
        for (_, stops) in self.confirmations.extract_if(.., due) {
            // What was confirmed may be served elsewhere at once, also if its deadline has passed before.
            self.journal.with(|evidence| {
                let own = evidence.spans.iter_mut().filter(|span| span.uid == self.uid);
                let confirmed = |span: &&mut Span| {
                    stops.iter().any(|(of, fence, _)| (*of, *fence) == (span.of, span.fence))
                };
                own.filter(confirmed).for_each(|span| {
                    span.ending = Ending::GivenUp;
                    span.confirmed.get_or_insert(now);
                });
            });
            let ids = stops.into_iter().map(|(.., stop)| stop).collect();
            self.slot.command(Command::Stopped(ids));
        }
    }

    fn end(&mut self) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let (now, open) = (boottime::now(), std::mem::take(&mut self.open));
        self.journal.with(|evidence| {
            for index in open.into_values() {
                if let Some(span) = evidence.spans.get_mut(index).filter(|span| now < span.until) {
                    (span.until, span.ending) = (now, Ending::Dead);
                }
            }
        });
    }
}
