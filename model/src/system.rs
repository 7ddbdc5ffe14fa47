//! The whole state: the store, the pods, the messages in flight, and what the apps believe.

use crate::action::Action;
use crate::belief::{Belief, TimestampLog};
use crate::config::{Config, Faults};
use crate::key::{Key, Name, Pod, Pool};
use crate::process::{Context, Process};
use crate::request::LateRequest;
use crate::store::Store;
use crate::txn::{LeaseId, Op, Txn, Value};

mod messages;
mod normal_form;
mod outside;
mod possible;
mod time;
mod verdict;

pub(crate) use verdict::Verdict;

/// A state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SystemState {
    pub(crate) store: Store,
    pub(crate) pods: Vec<PodState>,
    /// Requests that land late or never. Sorted, because their order makes no difference.
    pub(crate) late_requests: Vec<LateRequest>,
    /// The faults that may still happen.
    pub(crate) faults: Faults,
    /// How often each pool was edited.
    pub(crate) edits: Vec<u8>,
    pub(crate) epoch: u8,
    pub(crate) snapshot: Option<Box<Store>>,
    pub(crate) timestamps: TimestampLog,
    /// The promises that a step has broken.
    pub(crate) verdict: Verdict,
}

/// A pod: its processes, and the app that outlives them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct PodState {
    pub(crate) processes: Vec<Process>,
    pub(crate) beliefs: Vec<Belief>,
    pub(crate) started: u8,
    /// The claims that the volume keeps.
    pub(crate) saved_claims: Vec<SavedClaim>,
    /// It has ended: no further process starts.
    pub(crate) over: bool,
}

/// The claim of one pool in a pod's volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SavedClaim {
    pub(crate) pool: Pool,
    pub(crate) name: Name,
    /// The app may still believe in it.
    pub(crate) believed: bool,
}

// === impl World ===

impl SystemState {
    /// The store has its specs, and all pods begin at once.
    pub(crate) fn new(config: &Config) -> Self {
        let mut system = Self {
            store: Store::default(),
            pods: vec![PodState::default(); config.pods.len()],
            late_requests: Vec::new(),
            faults: config.faults,
            edits: vec![0; config.pools.len()],
            epoch: 0,
            snapshot: None,
            timestamps: TimestampLog::default(),
            verdict: Verdict::default(),
        };
        system.set_up(config, false);
        for pod in config.every_pod() {
            system.start(config, pod);
        }
        system.normalise(config);
        config.prelude.iter().fold(system, |system, action| system.after(config, *action))
    }

    /// The state after a step.
    pub(crate) fn after(&self, config: &Config, action: Action) -> Self {
        let mut system = self.clone();
        system.step(config, action);
        system.notify(config);
        system.normalise(config);
        system
    }

    /// Puts epoch, specs and freezes in one transaction.
    pub(crate) fn set_up(&mut self, config: &Config, freeze: bool) {
        let mut then = vec![Op::Put(Key::Epoch, Value::Epoch(self.epoch), None)];
        for (pool, edits) in (0..).zip(&self.edits) {
            if let Some(spec) = config.spec(pool, *edits) {
                then.push(Op::Put(Key::Spec(pool), Value::Spec(spec), None));
            }
            if freeze {
                let lease = LeaseId::Freeze(pool);
                self.store.grant(lease, config.freeze_ticks);
                then.push(Op::Put(Key::Freeze(pool), Value::Empty, Some(lease)));
            }
        }
        self.apply(then);
    }

    pub(crate) fn process(&self, pod: Pod, index: usize) -> Option<&Process> {
        self.pods.get(usize::from(pod))?.processes.get(index)
    }

    /// All processes, with their pods and indexes.
    pub(crate) fn processes(&self) -> impl Iterator<Item = (Pod, usize, &Process)> {
        (0..).zip(&self.pods).flat_map(|(pod, state)| {
            state.processes.iter().enumerate().map(move |(index, process)| (pod, index, process))
        })
    }

    pub(crate) fn context<'a>(&'a self, config: &'a Config, pod: Pod) -> Context<'a> {
        Context::new(config, pod, self.fresh_lease(pod), &self.store)
    }

    /// The number of names that can be granted now.
    pub(crate) fn free(&self, config: &Config, pool: Pool) -> u8 {
        let Some(Value::Spec(spec)) = self.store.get(Key::Spec(pool)).map(|entry| entry.value)
        else {
            return 0;
        };
        if self.store.has(Key::Freeze(pool)) {
            return 0;
        }
        let free = spec.keys(config.keeps(crate::rule::Rule::SlotsKeyedByNumber)).filter(|name| {
            !self.store.has(Key::Slot(pool, *name)) && !self.store.has(Key::Quarantine(pool, *name))
        });
        u8::try_from(free.count()).unwrap_or(u8::MAX)
    }

    fn step(&mut self, config: &Config, action: Action) {
        match action {
            Action::Deliver(pod, index) => self.deliver(config, pod, index),
            Action::LoseAnswer(pod, index) => self.lose_answer(config, pod, index),
            Action::GiveUp(pod, index) => self.give_up(config, pod, index),
            Action::Duplicate(pod, index) => self.duplicate(config, pod, index),
            Action::RefusePastRead(pod, index) => self.refuse_past_read(config, pod, index),
            Action::Land(late) => self.land(config, late),
            Action::Renew(pod, index) => self.renew(config, pod, index),
            Action::KeepAlive(pod, index) => self.keep_alive(config, pod, index),
            Action::ReadSlots(pod, index) => self.read_slots(config, pod, index),
            Action::Renewed(pod, index) => {
                self.with(config, pod, index, Process::renewed);
            }
            Action::DropPair(pod, index) => self.drop_pair(config, pod, index),
            Action::Reread(pod, index) => {
                self.with(config, pod, index, |process, context| {
                    process.reread(context);
                    Vec::new()
                });
            }
            Action::BreakWatch(pod, index) => self.break_watch(config, pod, index),
            Action::Reserve(pod, index) => {
                self.with(config, pod, index, |process, context| {
                    process.reserve(context);
                    Vec::new()
                });
            }
            Action::Emit(pod, index) => self.emit(config, pod, index),
            Action::Terminate(pod, index) => self.terminate(config, pod, index),
            Action::Interrupt(pod, index) => self.interrupt(config, pod, index),
            Action::Crash(pod, index) => self.crash(pod, index),
            Action::Start(pod) => self.start_another(config, pod),
            Action::ForceRelease(pool, name) => self.force_release(config, pool, name),
            Action::Settle(pool, name) => self.settle(pool, name),
            Action::EditSpec(pool) => self.edit_spec(config, pool),
            Action::PutSpecAgain(pool) => self.put_spec_again(pool),
            Action::Freeze(pool) => self.freeze(config, pool),
            Action::Wipe => self.wipe(config),
            Action::Snapshot => self.snapshot = Some(Box::new(self.store.clone())),
            Action::Restore => self.restore(config),
            Action::MeetRevisions => self.store.meet(),
            Action::Tick(drift) => self.tick(config, drift),
        }
    }

    /// Writes without the claim protocol.
    fn apply(&mut self, then: Vec<Op>) {
        // Nothing in these transactions can be refused: their leases have just been granted.
        let _ = self.store.txn(&Txn { then, ..Txn::default() });
    }
}
