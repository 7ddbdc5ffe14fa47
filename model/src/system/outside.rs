//! Steps from outside: starts and ends of processes, administrators, wipes and restores.

use crate::config::Config;
use crate::key::{Key, Name, Pod, Pool};
use crate::process::Process;
use crate::request::{Caller, LateRequest, QuarantineLease, Request};
use crate::rule::Rule;
use crate::spec::Spec;
use crate::store::Store;
use crate::system::SystemState;
use crate::txn::{LeaseId, Op, Value};

impl SystemState {
    pub(super) fn start(&mut self, config: &Config, pod: Pod) {
        let nonce = self.pods.get(usize::from(pod)).map_or(0, |state| state.started);
        let mut process = Process::new(&self.context(config, pod), nonce);
        if let Some(state) = self.pods.get_mut(usize::from(pod)) {
            for saved in
                state.saved_claims.iter().filter(|_| config.keeps(Rule::SavedNamesAreReclaimed))
            {
                let believed = state.beliefs.iter().find(|belief| belief.pool == saved.pool);
                let left =
                    believed.filter(|_| saved.believed).map_or(0, |belief| belief.left.max(0));
                process.inherit(saved.pool, saved.name, left.unsigned_abs());
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

    /// The app runs on. A request in flight may land later.
    pub(super) fn crash(&mut self, pod: Pod, index: usize) {
        self.faults.crashes -= 1;
        if let Some((caller, request)) = self.in_flight(pod, index) {
            self.send_late(caller, request);
        }
        if let Some(state) = self.pods.get_mut(usize::from(pod)) {
            state.processes.remove(index);
        }
    }

    pub(super) fn terminate(&mut self, config: &Config, pod: Pod, index: usize) {
        self.faults.releases -= 1;
        self.with(config, pod, index, Process::terminate);
    }

    /// SIGTERM while the app lives. The app may believe until its deadline.
    pub(super) fn interrupt(&mut self, config: &Config, pod: Pod, index: usize) {
        self.faults.interrupts -= 1;
        if let Some(state) = self.pods.get_mut(usize::from(pod)) {
            state.saved_claims.iter_mut().for_each(|saved| saved.believed = false);
        }
        self.with(config, pod, index, Process::interrupt);
    }

    pub(super) fn break_watch(&mut self, config: &Config, pod: Pod, index: usize) {
        self.faults.broken_watches -= 1;
        self.with(config, pod, index, |process, _| {
            for claim in &mut process.claims {
                if let crate::process::Phase::Waiting(wait) = &mut claim.phase {
                    (wait.watch_broken, wait.woken) = (true, false);
                }
            }
            Vec::new()
        });
    }

    pub(super) fn force_release(&mut self, config: &Config, pool: Pool, name: Name) {
        self.faults.force_releases -= 1;
        let Some(slot) = self.store.get(Key::Slot(pool, name)) else { return };
        let Value::Slot { pod, validity, quarantine, .. } = slot.value else { return };
        let edits = self.edits.get(usize::from(pool)).copied().unwrap_or_default();
        let ticks = match config.spec(pool, edits) {
            Some(spec) if !config.keeps(Rule::ForceReleaseUsesGrantedTerms) => {
                spec.validity + spec.quarantine
            }
            _ => validity + quarantine,
        };
        let margin = config.spec(pool, 0).map_or(0, Spec::margin);
        let ticks = ticks + if config.keeps(Rule::ForceReleaseOutlastsDrift) { margin } else { 0 };
        let quarantine = if config.keeps(Rule::ForceReleaseIsSettledLater) {
            QuarantineLease::Unsettled(ticks)
        } else {
            let lease = LeaseId::Forced(pool, name);
            self.store.grant(lease, ticks);
            QuarantineLease::Granted(lease)
        };
        let request = Request::ForceRelease { holder: pod, name, create: slot.create, quarantine };
        // The administrator's own identity does not enter the transaction.
        let caller = Caller { pod, nonce: u8::MAX, pool, lease: None };
        self.late_requests.push(LateRequest { caller, request });
    }

    pub(super) fn settle(&mut self, pool: Pool, name: Name) {
        let key = Key::Quarantine(pool, name);
        if let Some(Value::Unsettled(ticks)) = self.store.get(key).map(|entry| entry.value) {
            let lease = LeaseId::Forced(pool, name);
            self.store.grant(lease, ticks);
            self.apply(vec![Op::Put(key, Value::Empty, Some(lease))]);
        }
    }

    pub(super) fn edit_spec(&mut self, config: &Config, pool: Pool) {
        self.faults.edits -= 1;
        if let Some(edits) = self.edits.get_mut(usize::from(pool)) {
            *edits += 1;
            if let Some(spec) = config.spec(pool, *edits) {
                self.apply(vec![Op::Put(Key::Spec(pool), Value::Spec(spec), None)]);
            }
        }
    }

    pub(super) fn put_spec_again(&mut self, pool: Pool) {
        self.faults.repeated_puts -= 1;
        if let Some(entry) = self.store.get(Key::Spec(pool)) {
            self.apply(vec![Op::Put(Key::Spec(pool), entry.value, None)]);
        }
    }

    pub(super) fn freeze(&mut self, config: &Config, pool: Pool) {
        self.faults.freezes -= 1;
        self.epoch += 1;
        self.lay_freezes(config, std::iter::once(pool));
    }

    pub(super) fn wipe(&mut self, config: &Config) {
        self.faults.wipes -= 1;
        self.come_back(config, Store::default());
        self.set_up(config, config.keeps(Rule::EmptyStoreIsFrozen));
    }

    /// An administrator declares it restored before sidecars reach it: a new epoch and freezes.
    pub(super) fn restore(&mut self, config: &Config) {
        self.faults.restores -= 1;
        if let Some(snapshot) = self.snapshot.take() {
            self.come_back(config, *snapshot);
            self.lay_freezes(config, (0..).take(config.pools.len()));
        }
    }

    /// Connections break with the old store: nothing sent to it lands in the new one.
    fn come_back(&mut self, config: &Config, store: Store) {
        self.epoch += 1;
        self.late_requests.clear();
        self.store.replace(store, config.revisions_regress);
        for process in self.pods.iter_mut().flat_map(|state| &mut state.processes) {
            for claim in &mut process.claims {
                if let crate::process::Phase::Waiting(wait) = &mut claim.phase {
                    (wait.changed, wait.woken) = (true, !wait.watch_broken);
                }
            }
        }
    }

    /// Puts a new epoch and freezes in one transaction.
    fn lay_freezes(&mut self, config: &Config, pools: impl Iterator<Item = Pool>) {
        let mut then = vec![Op::Put(Key::Epoch, Value::Epoch(self.epoch), None)];
        for pool in pools {
            let lease = LeaseId::Freeze(pool);
            self.store.revoke(lease);
            self.store.grant(lease, config.freeze_ticks);
            then.push(Op::Put(Key::Freeze(pool), Value::Empty, Some(lease)));
        }
        self.apply(then);
    }
}
