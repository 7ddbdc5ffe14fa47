//! P4: faults end, requests are answered in order, time goes on, and everybody follows a plain plan. Is every shard
//! served by one pod in the end, and is nothing written then?
//!
//! Both with new processes in pods that have none, and without them unless nobody is left.

use std::collections::HashSet;
use std::sync::Mutex;

use crate::config::{Config, Faults};
use crate::place::{PerPod, Pod, ProcessId, Shard};
use crate::plan;
use crate::process::{Ended, Process, Use};
use crate::store::Store;
use crate::system::SystemState;
use crate::write::{Write, WriteKind};

/// The rounds within which everything must be served.
const ROUNDS: usize = 40;
/// The rounds in which nothing may be written then.
const QUIET: usize = 6;
/// The rounds after which the record of a dead process vanishes.
const LEASE: u8 = 3;

/// The states from which it is known that the group recovers.
#[derive(Debug, Default)]
pub(crate) struct KnownRecoveries(Mutex<HashSet<(bool, SystemState)>>);

/// A run without faults.
struct Recovery<'a> {
    config: &'a Config,
    system: SystemState,
    /// The rounds since the process of each record died.
    orphaned: PerPod<u8>,
}

/// Whether a state is left for one in which every shard is served.
pub(crate) fn recovers(config: &Config, known: &KnownRecoveries, system: &SystemState) -> bool {
    [true, false].into_iter().all(|all| {
        let recovery = Recovery::new(config, system, all);
        let key = (all, recovery.system.clone());
        if known.0.lock().is_ok_and(|known| known.contains(&key)) {
            return true;
        }
        let served = recovery.run();
        if let (true, Ok(mut known)) = (served, known.0.lock()) {
            known.insert(key);
        }
        served
    })
}

// === impl Recovery ===

impl<'a> Recovery<'a> {
    /// Faults end: what is under way is done, without an answer. With `all`, every pod has a process.
    fn new(config: &'a Config, system: &SystemState, all: bool) -> Self {
        let mut system = system.clone();
        system.faults = Faults::default();
        system.confirmation = None;
        system.snapshot = None;
        for in_flight in std::mem::take(&mut system.writes) {
            system.commit(config, &in_flight.write, false);
        }
        for pod in config.every_pod() {
            let nobody = system.processes().next().is_none();
            let dead = system.pods[pod].processes.older.is_none();
            if dead && (all || nobody && pod == Pod::A) {
                system.start(config, pod);
            }
        }
        system.normalise(config);
        Self { config, system, orphaned: PerPod::default() }
    }

    fn run(mut self) -> bool {
        let mut quiet = 0;
        for _ in 0..ROUNDS {
            let before = self.system.store;
            self.round();
            quiet = if before.same_keys(&self.system.store) { quiet + 1 } else { 0 };
            let served = self.config.every_shard().all(|shard| {
                let serves = |pod: &Pod| self.system.serves(*pod, shard);
                self.config.every_pod().filter(serves).count() == 1
            });
            if served && quiet >= QUIET {
                return true;
            }
            self.system.tick(&|_| 1);
            self.expire();
        }
        false
    }

    fn round(&mut self) {
        if self.system.store.epoch == 0 {
            self.system.move_epoch(self.config);
        }
        if self.system.is_unsettled() {
            self.system.settle_hold(self.config);
        }
        for pod in self.config.every_pod() {
            self.system.store.out[pod] = false;
        }
        for id in ProcessId::all() {
            self.system.beat(self.config, id);
            self.answer(id);
            self.renew(id);
            if self.system.process(id).is_some_and(|process| process.session.is_none()) {
                self.order(id, |process, store| Some(process.enter(store)));
                self.renew(id);
            }
            for shard in self.config.every_shard() {
                self.look(id, shard);
                self.shard(id, shard);
                self.look(id, shard);
            }
            self.finish(id);
        }
    }

    /// What a process does with a shard.
    fn shard(&mut self, id: ProcessId, shard: Shard) {
        let (config, store) = (self.config, self.system.store);
        let Some(process) = self.system.process(id).copied() else { return };
        if process.session.is_none() {
            return;
        }
        let chosen = if config.plans {
            plan::target(config, &store, shard)
        } else {
            config.every_pod().find(|pod| plan::is_eligible(config, &store, *pod))
        };
        match process.uses[shard] {
            Use::Serving(_) if process.draining || config.plans && chosen != Some(process.pod) => {
                self.system.with(id, |process| process.stop(shard));
            }
            Use::Stopping(_) => match chosen {
                Some(to) => {
                    self.order(id, |process, store| process.hand_over(config, store, shard, to));
                }
                None => self.order(id, |process, store| process.free(config, store, shard)),
            },
            Use::None if chosen == Some(process.pod) => {
                self.order(id, |process, store| process.claim(config, store, shard));
                self.order(id, |process, store| process.take_over(config, store, shard));
            }
            Use::None if config.map(process.pod) != store.map.count => {
                self.order(id, |process, store| process.take_over(config, store, shard));
            }
            Use::Serving(_) | Use::None => {}
        }
    }

    /// A drained member leaves; a viewer puts its map.
    fn finish(&mut self, id: ProcessId) {
        let config = self.config;
        let Some(process) = self.system.process(id).copied() else { return };
        if process.session.is_none() {
            return;
        }
        if process.draining && process.uses.values().into_iter().all(|used| *used == Use::None) {
            self.order(id, |_, _| Some(WriteKind::Leave));
        } else {
            self.order(id, |process, store| process.resize(config, store));
        }
    }

    /// Sends what a process decides, and answers it.
    fn order(&mut self, id: ProcessId, decide: impl FnOnce(&Process, &Store) -> Option<WriteKind>) {
        self.system.send(id, decide);
        self.system.writes.clear();
        self.answer(id);
    }

    fn answer(&mut self, id: ProcessId) {
        let waiting = |process: &Process| process.waiting;
        let write: Option<Write> = self.system.process(id).and_then(waiting);
        if let Some(write) = write {
            let committed = self.system.commit(self.config, &write, false);
            self.system.answer(self.config, &write, committed);
        }
    }

    fn renew(&mut self, id: ProcessId) {
        let store = self.system.store;
        let renewing = self.system.process(id).filter(|process| process.session.is_some());
        if let Some(seen) = renewing.map(|process| process.check(self.config, &store)) {
            self.system.renewed(self.config, id, seen, 0);
        }
    }

    /// A process learns what it owns, what it lost, and whose session has ended.
    fn look(&mut self, id: ProcessId, shard: Shard) {
        let (config, store) = (self.config, self.system.store);
        self.system.with(id, |process| {
            process.look(config, &store);
            let ours = store.owners[shard].is_some_and(|granted| {
                granted.pod == process.pod && process.session == Some(granted.session)
            });
            if !ours {
                process.uses[shard] = Use::None;
            }
            if let Some(ended) = process.sees_ended(config, &store, shard) {
                process.ended[shard] = Some(Ended { left: config.takeover_delay(), ..ended });
            }
        });
    }

    /// Records of dead processes vanish.
    fn expire(&mut self) {
        for pod in Pod::ALL {
            let Some(member) = self.system.store.members[pod] else { continue };
            let mut processes = self.system.pods[pod].processes.iter();
            let orphaned = &mut self.orphaned[pod];
            *orphaned = if processes.any(|process| process.nonce == member.nonce) {
                0
            } else {
                *orphaned + 1
            };
            if *orphaned > LEASE {
                self.system.store.members[pod] = None;
            }
        }
    }
}

// === impl Store ===

impl Store {
    /// Whether the same is written: everything but what time ends, the hold and who is kept out.
    fn same_keys(&self, other: &Self) -> bool {
        Self { hold: other.hold, out: other.out, ..*self } == *other
    }
}
