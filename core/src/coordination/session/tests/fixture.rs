//! One machine and the store, driven step by step: what a rule test needs.

use std::collections::BTreeSet;
use std::time::Duration;

use super::store::Store;
use crate::coordination::map::{KeyHash, ShardMap};
use crate::coordination::member::Role;
use crate::coordination::picture::Changes;
use crate::coordination::session::{
    Action, Command, Config, EndReason, Event, Machine, Refusal, Renewal, SessionLease, Status,
};
use crate::coordination::terms::Terms;
use crate::coordination::validity::Validity;
use crate::coordination::write::Write;
use crate::time::{BootInstant, Now, UnixMillis};

/// Nanoseconds of a second.
pub(super) const S: u64 = 1_000_000_000;

/// A member that shares `shards` shards and the leadership.
pub(super) fn config(uid: &str, shards: u32) -> Config {
    Config {
        uid: uid.to_owned(),
        pod: uid.to_owned(),
        node: String::new(),
        terms: Terms {
            roles: BTreeSet::from([Role::Peers, Role::Leader, Role::Shards]),
            map: Some(ShardMap { shards, hash: KeyHash::Xxh64 }),
            validity: Validity::from_millis(3000),
            participate: true,
            ..Terms::default()
        },
        endpoints: [].into(),
        generation: "1".to_owned(),
        admitted: UnixMillis(0),
        nonce: format!("{uid}-nonce"),
        seed: 1,
        define_missing: false,
    }
}

/// The same on other terms.
pub(super) fn on_terms(mut config: Config, change: impl FnOnce(&mut Terms)) -> Config {
    change(&mut config.terms);
    config
}

/// One process on its own clock.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) machine: Machine,
    pub(super) uid: String,
    /// How far the watch has been told; `None` when no watch is open.
    pub(super) watch: Option<i64>,
    /// How often a watch was opened, and how often the last one asks for progress.
    pub(super) watches: u32,
    pub(super) progress: Duration,
    pub(super) end: Option<EndReason>,
    /// Actions that nobody has answered yet.
    pub(super) open: Vec<(BootInstant, Action)>,
}

/// The store and an instant. Everything is answered at once, in order, unless a test takes it out of `open`.
#[derive(Debug)]
pub(super) struct Fixture {
    pub(super) store: Store,
    pub(super) now: u64,
    pub(super) processes: Vec<Process>,
    /// Processes whose requests stay open.
    pub(super) cut: BTreeSet<usize>,
    /// Writes as they were sent.
    pub(super) sent: Vec<Write>,
}

pub(super) fn now(nanos: u64) -> Now {
    let wall = UnixMillis(i64::try_from(nanos / 1_000_000).unwrap());
    Now { boot: BootInstant::from_nanos(nanos), wall }
}

// === impl Fixture ===

impl Fixture {
    pub(super) fn new() -> Self {
        Self {
            store: Store::new(7),
            now: 1000 * S,
            processes: Vec::new(),
            cut: BTreeSet::new(),
            sent: Vec::new(),
        }
    }

    /// Members that were started one after the other and have come to rest.
    pub(super) fn with(uids: &[&str], shards: u32) -> Self {
        let mut fixture = Self::new();
        for uid in uids {
            fixture.start(config(uid, shards));
        }
        fixture.run(20 * S);
        fixture
    }

    pub(super) fn start(&mut self, config: Config) -> usize {
        let uid = config.uid.clone();
        self.processes.push(Process {
            machine: Machine::new(config),
            uid,
            watch: None,
            watches: 0,
            progress: Duration::ZERO,
            end: None,
            open: Vec::new(),
        });
        let index = self.processes.len() - 1;
        self.event(index, Event::Start);
        index
    }

    pub(super) fn event(&mut self, index: usize, event: Event) {
        let process = &mut self.processes[index];
        let sent = BootInstant::from_nanos(self.now);
        for action in process.machine.step(now(self.now), event) {
            if let Action::Write(write) = &action {
                self.sent.push((**write).clone());
            }
            process.open.push((sent, action));
        }
        if !self.cut.contains(&index) {
            self.answer_all(index);
        }
    }

    pub(super) fn command(&mut self, index: usize, command: Command) -> Result<(), Refusal> {
        let answer = self.processes[index].machine.command(now(self.now), command);
        self.event(index, Event::Tick);
        self.settle();
        answer
    }

    pub(super) fn status(&self, index: usize) -> Status {
        self.processes[index].machine.status(now(self.now))
    }

    /// Answers what is open, in order.
    pub(super) fn answer_all(&mut self, index: usize) {
        while !self.processes[index].open.is_empty() {
            let (sent, action) = self.processes[index].open.remove(0);
            self.answer(index, sent, action);
        }
    }

    /// Carries one action out and tells its answer.
    pub(super) fn answer(&mut self, index: usize, sent: BootInstant, action: Action) {
        let uid = self.processes[index].uid.clone();
        let event = match action {
            Action::Grant { ttl } => {
                let nanos = u64::try_from(ttl.as_nanos()).unwrap();
                Event::Granted(SessionLease { lease: self.store.grant(self.now, nanos), ttl })
            }
            Action::Define { epoch, .. } => {
                self.store.picture.epoch.get_or_insert(epoch);
                Event::Defined
            }
            Action::Read { shards } => {
                Event::Read { sent, picture: Box::new(self.store.read(shards)) }
            }
            Action::Watch { from, progress, .. } => {
                let process = &mut self.processes[index];
                (process.watch, process.progress) = (Some(from), progress);
                process.watches += 1;
                return;
            }
            Action::Unwatch => {
                self.processes[index].watch = None;
                return;
            }
            Action::Write(write) => Event::Written(self.store.write(&write)),
            Action::Renew { lease } => {
                let member = self.store.member(&uid);
                let ttl = lease.map(|lease| self.store.keep_alive(self.now, lease));
                Event::Renewed(Box::new(Renewal {
                    sent,
                    revision: self.store.picture.revision,
                    epoch: self.store.picture.epoch,
                    hold: self.store.picture.hold,
                    member,
                    ttl: ttl.map(Duration::from_nanos),
                }))
            }
            Action::Revoke(lease) => {
                self.store.revoke(lease);
                return;
            }
            Action::Finish(why) => {
                self.processes[index].end = Some(why);
                return;
            }
        };
        self.event(index, event);
    }

    /// Tells every open watch what has happened since, and that nothing else has.
    pub(super) fn settle(&mut self) {
        for _ in 0..100 {
            let mut told = false;
            for index in 0..self.processes.len() {
                told |= !self.cut.contains(&index) && self.tell(index);
            }
            if !told {
                return;
            }
        }
        panic!("the processes do not come to rest");
    }

    /// Tells one watch. False when there was nothing to tell.
    pub(super) fn tell(&mut self, index: usize) -> bool {
        let Some(from) = self.processes[index].watch else { return false };
        let news: Vec<Changes> =
            self.store.log.iter().filter(|changes| changes.revision >= from).cloned().collect();
        let revision = self.store.picture.revision;
        if revision < from {
            return false;
        }
        self.processes[index].watch = Some(revision + 1);
        for changes in news {
            self.event(index, Event::Changed(changes));
        }
        self.event(index, Event::Changed(Changes { revision, changes: Vec::new() }));
        true
    }

    /// Lets time pass: every process is woken when it asks for it.
    pub(super) fn run(&mut self, nanos: u64) {
        let end = self.now + nanos;
        self.settle();
        loop {
            let at = now(self.now);
            let wakes = self.processes.iter().filter(|process| process.end.is_none());
            let next = wakes.filter_map(|p| p.machine.wake_at(at)).map(BootInstant::as_nanos).min();
            let next = next.unwrap_or(end).min(end).max(self.now + 1);
            self.now = next;
            self.store.expire(next);
            for index in 0..self.processes.len() {
                self.event(index, Event::Tick);
            }
            self.settle();
            if self.now >= end {
                return;
            }
        }
    }

    /// The shards that a process may serve now.
    pub(super) fn serves(&self, index: usize) -> Vec<u32> {
        self.status(index).shards.into_keys().collect()
    }
}

impl Fixture {
    /// Confirms everything that any process was told to stop.
    pub(super) fn confirm_all(&mut self) {
        for index in 0..self.processes.len() {
            let stops = self.status(index).stopping;
            let ids: Vec<_> = stops.into_iter().map(|stop| stop.stop).collect();
            if !ids.is_empty() {
                self.command(index, Command::Stopped(ids)).unwrap();
            }
        }
    }

    /// Runs until this is true.
    pub(super) fn until(&mut self, what: &str, mut is_true: impl FnMut(&Self) -> bool) {
        for _ in 0..1200 {
            if is_true(self) {
                return;
            }
            self.run(S / 20);
        }
        panic!("not in a minute: {what}");
    }

    /// Takes the first open action of a kind.
    pub(super) fn take(
        &mut self,
        index: usize,
        kind: fn(&Action) -> bool,
    ) -> (BootInstant, Action) {
        let open = &mut self.processes[index].open;
        let position = open.iter().position(|(_, action)| kind(action)).expect("such an action");
        open.remove(position)
    }
}

pub(super) fn is_grant(action: &Action) -> bool {
    matches!(action, Action::Grant { .. })
}

pub(super) fn is_read(action: &Action) -> bool {
    matches!(action, Action::Read { .. })
}

pub(super) fn is_write(action: &Action) -> bool {
    matches!(action, Action::Write(_))
}

pub(super) fn is_renew(action: &Action) -> bool {
    matches!(action, Action::Renew { .. })
}
