//! What happens to pods, pools and the store from outside.

use crate::config::Config;
use crate::key::{Key, Name, Pod, Pool};
use crate::process::Process;
use crate::request::{Caller, Request, Rest, Stray};
use crate::rule::Rule;
use crate::spec::Spec;
use crate::store::Store;
use crate::txn::{LeaseId, Op, Value};
use crate::world::World;

impl World {
    pub(super) fn start(&mut self, config: &Config, pod: Pod) {
        let nonce = self.pods.get(usize::from(pod)).map_or(0, |state| state.started);
        let mut process = Process::new(&self.context(config, pod), nonce);
        if let Some(state) = self.pods.get_mut(usize::from(pod)) {
            for mark in state.marks.iter().filter(|_| config.keeps(Rule::MarkedNamesReturn)) {
                let believed = state.beliefs.iter().find(|belief| belief.pool == mark.pool);
                let left =
                    believed.filter(|_| mark.believed).map_or(0, |belief| belief.left.max(0));
                process.inherit(mark.pool, mark.name, left.unsigned_abs());
            }
            state.started += 1;
            state.processes.push(process);
        }
    }

    pub(super) fn start_another(&mut self, config: &Config, pod: Pod) {
        if self.process(pod, 0).is_some() {
            self.faults.twins -= 1;
        } else {
            self.faults.restarts -= 1;
        }
        self.start(config, pod);
    }

    /// The app runs on; what was under way may land.
    pub(super) fn crash(&mut self, pod: Pod, place: usize) {
        self.faults.crashes -= 1;
        if let Some((caller, request)) = self.in_flight(pod, place) {
            self.stray(caller, request);
        }
        if let Some(state) = self.pods.get_mut(usize::from(pod)) {
            state.processes.remove(place);
        }
    }

    pub(super) fn terminate(&mut self, config: &Config, pod: Pod, place: usize) {
        self.faults.releases -= 1;
        self.with(config, pod, place, Process::terminate);
    }

    /// SIGTERM while the app lives: it may believe until its deadline.
    pub(super) fn interrupt(&mut self, config: &Config, pod: Pod, place: usize) {
        self.faults.interrupts -= 1;
        if let Some(state) = self.pods.get_mut(usize::from(pod)) {
            state.marks.iter_mut().for_each(|mark| mark.believed = false);
        }
        self.with(config, pod, place, Process::interrupt);
    }

    pub(super) fn deafen(&mut self, config: &Config, pod: Pod, place: usize) {
        self.faults.deaf -= 1;
        self.with(config, pod, place, |process, _| {
            for claim in &mut process.claims {
                if let crate::process::Phase::Waiting(wait) = &mut claim.phase {
                    (wait.deaf, wait.nudged) = (true, false);
                }
            }
            Vec::new()
        });
    }

    pub(super) fn force(&mut self, config: &Config, pool: Pool, name: Name) {
        self.faults.forces -= 1;
        let Some(slot) = self.store.get(Key::Slot(pool, name)) else { return };
        let Value::Slot { pod, validity, quarantine, .. } = slot.value else { return };
        let edits = self.edits.get(usize::from(pool)).copied().unwrap_or_default();
        let ticks = match config.spec(pool, edits) {
            Some(spec) if !config.keeps(Rule::ForceRestsAsGranted) => {
                spec.validity + spec.quarantine
            }
            _ => validity + quarantine,
        };
        let margin = config.spec(pool, 0).map_or(0, Spec::margin);
        let ticks = ticks + if config.keeps(Rule::ForceRestsOutlastDrift) { margin } else { 0 };
        let rest = if config.keeps(Rule::ForceRestsUntilSettled) {
            Rest::Unsettled(ticks)
        } else {
            let lease = LeaseId::Forced(pool, name);
            self.store.grant(lease, ticks);
            Rest::On(lease)
        };
        let request = Request::Force { holder: pod, name, create: slot.create, rest };
        // The administrator's own identity does not enter the transaction.
        let caller = Caller { pod, nonce: u8::MAX, pool, lease: None };
        self.strays.push(Stray { caller, request });
    }

    pub(super) fn settle(&mut self, pool: Pool, name: Name) {
        let key = Key::Quarantine(pool, name);
        if let Some(Value::Unsettled(ticks)) = self.store.get(key).map(|entry| entry.value) {
            let lease = LeaseId::Forced(pool, name);
            self.store.grant(lease, ticks);
            self.apply(vec![Op::Put(key, Value::Empty, Some(lease))]);
        }
    }

    pub(super) fn edit(&mut self, config: &Config, pool: Pool) {
        self.faults.edits -= 1;
        if let Some(edits) = self.edits.get_mut(usize::from(pool)) {
            *edits += 1;
            if let Some(spec) = config.spec(pool, *edits) {
                self.apply(vec![Op::Put(Key::Spec(pool), Value::Spec(spec), None)]);
            }
        }
    }

    pub(super) fn reput(&mut self, pool: Pool) {
        self.faults.reputs -= 1;
        if let Some(entry) = self.store.get(Key::Spec(pool)) {
            self.apply(vec![Op::Put(Key::Spec(pool), entry.value, None)]);
        }
    }

    pub(super) fn hold(&mut self, config: &Config, pool: Pool) {
        self.faults.holds -= 1;
        self.epoch += 1;
        self.lay_holds(config, std::iter::once(pool));
    }

    pub(super) fn wipe(&mut self, config: &Config) {
        self.faults.wipes -= 1;
        self.come_back(config, Store::default());
        self.set_up(config, config.keeps(Rule::WipeLeavesHold));
    }

    /// Declared restored before sidecars reach it: a new epoch, and holds.
    pub(super) fn restore(&mut self, config: &Config) {
        self.faults.restores -= 1;
        if let Some(snapshot) = self.snapshot.take() {
            self.come_back(config, *snapshot);
            self.lay_holds(config, (0..).take(config.pools.len()));
        }
    }

    /// Connections break with the old store: nothing sent to it lands in the new one.
    fn come_back(&mut self, config: &Config, store: Store) {
        self.epoch += 1;
        self.strays.clear();
        self.store.replace(store, config.revisions_regress);
        for process in self.pods.iter_mut().flat_map(|state| &mut state.processes) {
            for claim in &mut process.claims {
                if let crate::process::Phase::Waiting(wait) = &mut claim.phase {
                    (wait.changed, wait.nudged) = (true, !wait.deaf);
                }
            }
        }
    }

    /// A new epoch and holds, in one transaction.
    fn lay_holds(&mut self, config: &Config, pools: impl Iterator<Item = Pool>) {
        let mut then = vec![Op::Put(Key::Epoch, Value::Epoch(self.epoch), None)];
        for pool in pools {
            let lease = LeaseId::Freeze(pool);
            self.store.revoke(lease);
            self.store.grant(lease, config.hold);
            then.push(Op::Put(Key::Freeze(pool), Value::Empty, Some(lease)));
        }
        self.apply(then);
    }
}
