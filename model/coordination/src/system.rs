//! The whole state: the store, the pods, the writes under way, and what the apps may rely on.

use crate::action::Action;
use crate::config::{Config, Faults, MARGIN};
use crate::place::{Pair, PerPod, PerShard, Pod, ProcessId, Shard};
use crate::process::{Process, Stopping, Use};
use crate::rule::Rule;
use crate::store::{Epoch, Hold, Revision, Store};
use crate::write::InFlight;

mod messages;
mod normal_form;
mod possible;
mod time;
mod upkeep;
mod verdict;

pub(crate) use verdict::Verdict;

/// A state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SystemState {
    pub(crate) store: Store,
    pub(crate) snapshot: Option<Box<Store>>,
    pub(crate) pods: PerPod<PodState>,
    /// Writes under way. Sorted, because their order makes no difference.
    pub(crate) writes: Vec<InFlight>,
    /// A confirmation that arrives a second time.
    pub(crate) confirmation: Option<Confirmation>,
    /// The faults that may still happen.
    pub(crate) faults: Faults,
    /// The greatest epoch so far.
    pub(crate) epochs: Epoch,
    /// The greatest fence of each shard so far. Not counted while revisions only grow.
    pub(crate) fences: PerShard<(Epoch, Revision)>,
    /// How often each shard was moved for balance. Counted with a plan only.
    pub(crate) moves: PerShard<u8>,
    /// The pods that an administrator has dropped.
    pub(crate) dropped: PerPod<bool>,
    /// The number of the leader's values so far.
    pub(crate) values: u8,
    /// What the author of an epoch has yet to do for the hold, or has prepared for it.
    pub(crate) hold_author: Hold,
    /// The promises that a step has broken.
    pub(crate) verdict: Verdict,
}

/// A pod: its processes, and the app that they speak to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PodState {
    pub(crate) processes: Pair<Process>,
    /// The number of processes so far.
    pub(crate) started: u8,
    /// Ticks for which the app may rely on what an ended process or session told it.
    pub(crate) told: PerShard<u8>,
    /// Ticks since the app served a shard last, at most Q.
    pub(crate) rested: PerShard<u8>,
    /// Ticks to the end of the app's last heartbeat.
    pub(crate) heartbeat: u8,
}

/// An app's confirmation of a stop, with its stop id: process and fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Confirmation {
    pub(crate) pod: Pod,
    pub(crate) shard: Shard,
    pub(crate) fence: Revision,
    pub(crate) nonce: u8,
}

// === impl SystemState ===

impl SystemState {
    /// A store with an epoch and a map, and a process in each pod.
    pub(crate) fn new(config: &Config) -> Self {
        let mut store = Store { revision: 1, epoch: 1, ..Store::default() };
        store.map.count = config.map(Pod::A);
        store.map.revision = 1;
        let mut system = Self {
            store,
            snapshot: None,
            pods: PerPod::default(),
            writes: Vec::new(),
            confirmation: None,
            faults: config.faults,
            epochs: 1,
            fences: PerShard::default(),
            moves: PerShard::default(),
            dropped: PerPod::default(),
            values: 0,
            hold_author: Hold::None,
            verdict: Verdict::default(),
        };
        for pod in config.every_pod() {
            system.pods[pod].rested = PerShard { zero: MARGIN, one: MARGIN };
            system.start(config, pod);
        }
        system.normalise(config);
        config.prelude.iter().fold(system, |system, action| system.after(config, *action))
    }

    /// The state after a step.
    pub(crate) fn after(&self, config: &Config, action: Action) -> Self {
        let mut system = self.clone();
        system.step(config, action);
        let store = system.store;
        for state in system.pods.values_mut() {
            for process in state.processes.iter_mut() {
                process.look(config, &store);
            }
        }
        system.stir(config);
        system.normalise(config);
        system
    }

    pub(crate) fn process(&self, id: ProcessId) -> Option<&Process> {
        self.pods[id.pod].processes.get(id.younger)
    }

    pub(crate) fn process_mut(&mut self, id: ProcessId) -> Option<&mut Process> {
        self.pods[id.pod].processes.get_mut(id.younger)
    }

    /// All processes.
    pub(crate) fn processes(&self) -> impl Iterator<Item = &Process> {
        self.pods.values().into_iter().flat_map(|state| state.processes.iter())
    }

    /// Whether a pod's app may rely on a shard.
    pub(crate) fn serves(&self, pod: Pod, shard: Shard) -> bool {
        self.pods[pod].serves(shard)
    }

    fn step(&mut self, config: &Config, action: Action) {
        match action {
            Action::Start(pod) => self.start_another(config, pod),
            Action::Crash(id) => {
                self.faults.crashes = self.faults.crashes.saturating_sub(1);
                self.end(id);
            }
            Action::Enter(id) => self.enter(config, id),
            Action::Renew(id) => {
                if let Some(renewed) =
                    self.process(id).map(|process| process.check(config, &self.store))
                {
                    self.renewed(config, id, renewed, 0);
                }
            }
            Action::SendRenewal(id) => self.send_renewal(id),
            Action::ReadRenewal(id) => self.read_renewal(config, id),
            Action::AnswerRenewal(id) => self.answer_renewal(config, id),
            Action::Read(id) => self.read(id),
            Action::AnswerRead(id) => self.answer_read(config, id),
            Action::Stop(id, shard) => self.with(id, |process| process.stop(shard)),
            Action::Confirm(id, shard) => self.confirm(id, shard),
            Action::ConfirmTwice(id, shard) => self.confirm_twice(id, shard),
            Action::ConfirmLate(id) => self.confirm_late(config, id),
            Action::ServeAgain(id, shard) => self.with(id, |process| {
                process.uses[shard] = Use::Serving(process.uses[shard].fence());
            }),
            Action::Claim(id, shard) => {
                self.send(id, |process, store| process.claim(config, store, shard));
            }
            Action::HandOver(id, shard, to) => {
                self.give(id, shard, |process, store| process.hand_over(config, store, shard, to));
            }
            Action::TakeOver(id, shard) => {
                self.send(id, |process, store| process.take_over(config, store, shard));
            }
            Action::Free(id, shard) => {
                self.give(id, shard, |process, store| process.free(config, store, shard));
            }
            Action::Drain(id) => self.drain(id),
            Action::Leave(id) => self.leave(id),
            Action::Resize(id) => self.send(id, |process, store| process.resize(config, store)),
            Action::Repeat(id) => self.repeat(id),
            Action::Land(index) => self.land(config, index, false),
            Action::LandAtKnown(index) => self.land(config, index, true),
            Action::LandUnanswered(index) => self.land_unanswered(config, index),
            Action::Copy(index) => self.copy(index),
            Action::Expire(pod) => {
                self.faults.expiries = self.faults.expiries.saturating_sub(1);
                self.store.members[pod] = None;
            }
            Action::Wipe => self.wipe(config),
            Action::Define => self.move_epoch(config),
            Action::Snapshot => self.snapshot = Some(Box::new(self.store)),
            Action::Restore => self.restore(config),
            Action::MoveEpoch => {
                self.faults.epochs = self.faults.epochs.saturating_sub(1);
                self.move_epoch(config);
            }
            Action::SettleHold => self.settle_hold(config),
            Action::GrantHold => self.hold_author = Hold::Left(config.hold()),
            Action::Drop(pod) => self.drop_member(config, pod),
            Action::Readmit(pod) => {
                self.store.out[pod] = false;
                self.dropped[pod] = false;
            }
            Action::Beat(id) => self.beat(config, id),
            Action::PutValue(id) => self.put_value(id),
            Action::Ask(id) => self.with(id, |process| process.asked = Some(0)),
            Action::Tick => self.tick(&|_| 1),
            Action::TickSlow(id) => {
                self.faults.slow = self.faults.slow.saturating_sub(1);
                self.tick(&|other| u8::from(other != id));
            }
            Action::TickFast(id) => {
                self.faults.fast = self.faults.fast.saturating_sub(1);
                self.tick(&|other| 1 + u8::from(other == id));
            }
        }
    }

    pub(crate) fn with(&mut self, id: ProcessId, change: impl FnOnce(&mut Process)) {
        if let Some(process) = self.process_mut(id) {
            change(process);
        }
    }

    pub(crate) fn beat(&mut self, config: &Config, id: ProcessId) {
        self.pods[id.pod].heartbeat = config.heartbeat;
        self.with(id, |process| {
            if let Some(heartbeat) = &mut process.heartbeat {
                *heartbeat = config.heartbeat;
            }
        });
    }

    /// What is served has not rested.
    fn stir(&mut self, config: &Config) {
        for state in self.pods.values_mut() {
            for shard in config.every_shard() {
                if state.serves(shard) {
                    state.rested[shard] = 0;
                }
            }
        }
    }

    pub(crate) fn start(&mut self, config: &Config, pod: Pod) {
        let state = &mut self.pods[pod];
        state.started += 1;
        state.processes.push(Process::new(config, pod, state.started));
    }

    fn start_another(&mut self, config: &Config, pod: Pod) {
        if self.pods[pod].processes.older.is_some() {
            self.faults.twins = self.faults.twins.saturating_sub(1);
        }
        self.start(config, pod);
    }

    /// A process ends; its app goes on as long as it was told.
    pub(crate) fn end(&mut self, id: ProcessId) {
        let state = &mut self.pods[id.pod];
        if let Some(process) = state.processes.remove(id.younger) {
            for shard in Shard::ALL {
                let told = &mut state.told[shard];
                *told = (*told).max(process.told(shard));
            }
        }
    }

    /// A process's session is over.
    fn lose(&mut self, id: ProcessId) {
        let state = &mut self.pods[id.pod];
        let Some(process) = state.processes.get_mut(id.younger) else { return };
        for shard in Shard::ALL {
            let told = &mut state.told[shard];
            *told = (*told).max(process.told(shard));
            process.uses[shard] = Use::None;
        }
        process.session = None;
        process.renewal = None;
        process.deadline = 0;
    }

    fn confirm(&mut self, id: ProcessId, shard: Shard) {
        self.with(id, |process| {
            if let Use::Stopping(Stopping { confirmed, quiet, .. }) = &mut process.uses[shard] {
                (*confirmed, *quiet) = (true, true);
            }
        });
        self.pods[id.pod].told[shard] = 0;
    }

    fn confirm_twice(&mut self, id: ProcessId, shard: Shard) {
        self.faults.late_confirmations = self.faults.late_confirmations.saturating_sub(1);
        self.confirmation = self.process(id).map(|process| Confirmation {
            pod: process.pod,
            shard,
            fence: process.uses[shard].fence(),
            nonce: process.nonce,
        });
        self.confirm(id, shard);
    }

    fn confirm_late(&mut self, config: &Config, id: ProcessId) {
        let Some(Confirmation { shard, fence, nonce, .. }) = self.confirmation.take() else {
            return;
        };
        self.with(id, |process| {
            let same = process.nonce == nonce || !config.keeps(Rule::ConfirmationNamesProcess);
            if let Use::Stopping(stopping) = &mut process.uses[shard] {
                let named = stopping.fence == fence || !config.keeps(Rule::ConfirmationNamesStop);
                stopping.confirmed |= same && named;
            }
        });
    }

    /// Whether a hold is there.
    pub(crate) fn is_held(&self) -> bool {
        self.store.hold != Hold::None
    }
}

// === impl PodState ===

impl PodState {
    /// Whether the app may rely on a shard.
    pub(crate) fn serves(&self, shard: Shard) -> bool {
        self.told(shard) > 0
    }

    /// For how many ticks the app may rely on a shard.
    pub(crate) fn told(&self, shard: Shard) -> u8 {
        let told = self.processes.iter().map(|process| process.told(shard));
        told.max().unwrap_or_default().max(self.told[shard])
    }
}
