//! Several pods, one store, and a network that loses, delays and doubles.

use std::collections::BTreeMap;
use std::time::Duration;

use super::fixture::S;
use super::judge::{Judge, Relied};
use super::pod::Pod;
use super::store::Store;
use crate::coordination::owner::Ownable;
use crate::coordination::picture::Changes;
use crate::coordination::session::{Action, Command, Event, Renewal, SessionLease, StopId};
use crate::coordination::write::Write;
use crate::time::BootInstant;

const MS: u64 = 1_000_000;

/// A driver gives a request up after this: V/6.
const TIMEOUT: u64 = 500 * MS;

#[derive(Debug)]
pub(super) struct World {
    pub(super) store: Store,
    pub(super) now: u64,
    pub(super) pods: Vec<Pod>,
    pub(super) judge: Judge,
    /// The network is bad.
    pub(super) faulty: bool,
    queue: BTreeMap<(u64, u64), Item>,
    count: u64,
    random: u64,
}

/// A process: its pod, and its number in it.
pub(super) type Id = (usize, usize);

#[derive(Clone, Debug)]
pub(super) enum Item {
    Arrive { id: Id, sent: BootInstant, action: Action, answer: Option<u64> },
    Copy(Write),
    Tell(Id, Box<Event>),
    Wake(Id, u64),
    Watch { id: Id, watch: u64, progress: bool },
    Confirm(usize, Ownable, StopId),
    Start(usize),
    Epoch(i64),
    EndHold,
}

// === impl World ===

impl World {
    pub(super) fn new(seed: u64, rates: &[i64], shards: u32) -> Self {
        let pods = rates.iter().enumerate().map(|(index, rate)| Pod::new(index, *rate, shards));
        let mut world = Self {
            store: Store::new(7),
            now: 1000 * S,
            pods: pods.collect(),
            judge: Judge::default(),
            faulty: true,
            queue: BTreeMap::new(),
            count: 0,
            random: seed,
        };
        for pod in 0..rates.len() {
            let delay = world.below(5 * S);
            world.put(delay, Item::Start(pod));
        }
        world
    }

    pub(super) fn run(&mut self, nanos: u64) {
        let end = self.now + nanos;
        while let Some((key, item)) = self.queue.pop_first() {
            if key.0 > end {
                self.queue.insert(key, item);
                break;
            }
            self.now = key.0;
            self.store.expire(self.now);
            self.handle(item);
            self.look();
        }
        self.now = end;
        self.look();
    }

    pub(super) fn look(&mut self) {
        let relied: Vec<Relied> = self.pods.iter().map(|pod| pod.relied(self.now)).collect();
        self.judge.look(self.now, &relied);
    }

    fn handle(&mut self, item: Item) {
        match item {
            Item::Arrive { id, sent, action, answer } => {
                if let Some(event) = self.carry_out(id, sent, action)
                    && let Some(delay) = answer
                {
                    self.put(delay, Item::Tell(id, Box::new(event)));
                }
                self.watches();
            }
            Item::Copy(write) => {
                let _ = self.store.write(&write);
                self.watches();
            }
            Item::Tell(id, event) => self.event(id, *event),
            Item::Wake(id, at) => {
                // Only the last one that was asked for counts.
                if self.pods[id.0].processes[id.1].wake == Some(at) {
                    self.event(id, Event::Tick);
                }
            }
            Item::Watch { id, watch, progress } => self.show(id, watch, progress),
            Item::Confirm(pod, of, stop) => {
                self.judge.confirmed(of, pod);
                self.pods[pod].confirmed.insert(stop.clone());
                for process in 0..self.pods[pod].processes.len() {
                    let now = self.pods[pod].clock(self.now);
                    let machine = &mut self.pods[pod].processes[process].machine;
                    let _ = machine.command(now, Command::Stopped(vec![stop.clone()]));
                    self.event((pod, process), Event::Tick);
                }
            }
            Item::Start(pod) => {
                let seed = self.next();
                let process = self.pods[pod].start(seed);
                self.event((pod, process), Event::Start);
            }
            Item::Epoch(epoch) => {
                self.store.picture.hold = true;
                self.store.picture.revision += 1;
                self.store.picture.epoch = Some(epoch);
                self.put(64 * S, Item::EndHold);
            }
            Item::EndHold => self.store.end_hold(),
        }
    }

    pub(super) fn event(&mut self, id: Id, event: Event) {
        let pod = &mut self.pods[id.0];
        let now = pod.clock(self.now);
        let process = &mut pod.processes[id.1];
        if !process.alive {
            return;
        }
        let actions = process.machine.step(now, event);
        let status = process.machine.status(now);
        let stops = status.stopping.iter().map(|stop| (stop.of, stop.stop.clone()));
        let fresh: Vec<(Ownable, StopId)> =
            stops.filter(|(_, stop)| pod.seen.insert(stop.clone())).collect();
        process.status = Some(status);
        let wake = process.machine.wake_at(now);
        let wake = wake.map(|wake| pod.true_time(wake).max(self.now + 1));
        pod.processes[id.1].wake = wake;
        for (of, stop) in fresh {
            if self.below(10) < 7 {
                let delay = self.below(3 * S);
                self.put(delay, Item::Confirm(id.0, of, stop));
            }
        }
        if let Some(wake) = wake {
            self.put(wake - self.now, Item::Wake(id, wake));
        }
        for action in actions {
            self.send(id, now.boot, action);
        }
    }

    /// Sends a request through the network.
    fn send(&mut self, id: Id, sent: BootInstant, action: Action) {
        let late = self.faulty && self.below(10) == 0;
        let span = if late { TIMEOUT } else { 10 * MS };
        let (there, back) = (self.below(span), self.below(span));
        let (lost, failed) = match &action {
            Action::Watch { .. } | Action::Unwatch | Action::Finish(_) | Action::Revoke(_) => {
                self.carry_out(id, sent, action);
                return;
            }
            Action::Grant { .. } | Action::Define { .. } => {
                (3, Event::PreparingFailed("lost".into()))
            }
            Action::Read { .. } => (3, Event::ReadFailed("lost".into())),
            Action::Renew { .. } => (3, Event::RenewFailed("lost".into())),
            Action::Write(write) => {
                // A copy, which may land long after the answer.
                if self.faulty && self.below(8) == 0 {
                    let delay = self.below(30 * S);
                    self.put(delay, Item::Copy((**write).clone()));
                }
                (2, Event::WriteFailed("lost".into()))
            }
        };
        if self.now < self.pods[id.0].processes[id.1].cut_until {
            return self.put(TIMEOUT, Item::Tell(id, Box::new(failed)));
        }
        let fate = if self.faulty { self.below(20) } else { 20 };
        if fate < lost || there + back > TIMEOUT {
            self.put(TIMEOUT, Item::Tell(id, Box::new(failed)));
            if fate % 2 == 0 {
                self.put(there, Item::Arrive { id, sent, action, answer: None });
            }
        } else {
            self.put(there, Item::Arrive { id, sent, action, answer: Some(back) });
        }
    }

    fn carry_out(&mut self, id: Id, sent: BootInstant, action: Action) -> Option<Event> {
        let uid = self.pods[id.0].uid.clone();
        let picture = &self.store.picture;
        let process = &mut self.pods[id.0].processes[id.1];
        Some(match action {
            Action::Grant { ttl } => {
                let nanos = u64::try_from(ttl.as_nanos()).unwrap();
                Event::Granted(SessionLease { lease: self.store.grant(self.now, nanos), ttl })
            }
            Action::Define { .. } | Action::Finish(_) => return None,
            Action::Read { shards } => {
                Event::Read { sent, picture: Box::new(self.store.read(shards)) }
            }
            Action::Watch { from, elsewhere, .. } => {
                process.watch = Some(from);
                process.watches += 1;
                if elsewhere {
                    process.silent_until = 0;
                }
                let watch = process.watches;
                self.put(3 * S, Item::Watch { id, watch, progress: true });
                return None;
            }
            Action::Unwatch => {
                process.watch = None;
                return None;
            }
            Action::Write(write) => Event::Written(self.store.write(&write)),
            Action::Renew { lease } => {
                let member = self.store.member(&uid);
                let (revision, epoch, hold) = (picture.revision, picture.epoch, picture.hold);
                let ttl = lease.map(|lease| self.store.keep_alive(self.now, lease));
                let ttl = ttl.map(Duration::from_nanos);
                Event::Renewed(Box::new(Renewal { sent, revision, epoch, hold, member, ttl }))
            }
            Action::Revoke(lease) => {
                self.store.revoke(lease);
                return None;
            }
        })
    }

    /// Every watch hears of what has happened, sooner or later.
    pub(super) fn watches(&mut self) {
        let last = self.store.log.last().map_or(0, |changes| changes.revision);
        let mut due = Vec::new();
        for (index, pod) in self.pods.iter().enumerate() {
            for (number, process) in pod.processes.iter().enumerate() {
                if process.alive && process.watch.is_some_and(|from| from <= last) {
                    due.push(((index, number), process.watches));
                }
            }
        }
        for (id, watch) in due {
            let span = if self.faulty { 200 * MS } else { 5 * MS };
            let delay = self.below(span);
            self.put(delay, Item::Watch { id, watch, progress: false });
        }
    }

    fn show(&mut self, id: Id, watch: u64, progress: bool) {
        let process = &mut self.pods[id.0].processes[id.1];
        let Some(from) = process.watch.filter(|_| process.watches == watch && process.alive) else {
            return;
        };
        if progress {
            self.put(3 * S, Item::Watch { id, watch, progress });
        }
        let process = &mut self.pods[id.0].processes[id.1];
        if self.now < process.silent_until {
            return;
        }
        let mut news: Vec<Changes> =
            self.store.log.iter().filter(|changes| changes.revision >= from).cloned().collect();
        let last = news.last().map_or(0, |changes| changes.revision);
        let revision = self.store.picture.revision;
        if progress && revision >= from && last < revision {
            news.push(Changes { revision, changes: Vec::new() });
        }
        for changes in news {
            let process = &mut self.pods[id.0].processes[id.1];
            if process.watches != watch || process.watch.is_none() {
                return;
            }
            process.watch = Some(changes.revision + 1);
            self.event(id, Event::Changed(changes));
        }
    }

    pub(super) fn put(&mut self, delay: u64, item: Item) {
        self.count += 1;
        self.queue.insert((self.now + delay, self.count), item);
    }

    pub(super) fn below(&mut self, most: u64) -> u64 {
        self.next() % most
    }

    fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.random;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }
}
