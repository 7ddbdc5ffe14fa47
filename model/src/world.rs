//! The whole state: the store, the pods, what is under way between them, and what the apps believe.

use crate::action::Action;
use crate::belief::{Belief, Journal};
use crate::config::{Config, Faults};
use crate::key::{Key, Name, Pod, Pool};
use crate::process::{Context, Process};
use crate::request::Stray;
use crate::store::Store;
use crate::txn::{LeaseId, Op, Txn, Value};

mod admin;
mod deliver;
mod enabled;
mod normal;
mod time;
mod verdict;

pub(crate) use verdict::Verdict;

/// A state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) pods: Vec<PodState>,
    /// In order, because it makes no difference.
    pub(crate) strays: Vec<Stray>,
    /// What may still go wrong.
    pub(crate) faults: Faults,
    /// How often each pool was edited.
    pub(crate) edits: Vec<u8>,
    pub(crate) epoch: u8,
    pub(crate) snapshot: Option<Box<Store>>,
    pub(crate) journal: Journal,
    /// What went wrong in a step, rather than in a state.
    pub(crate) verdict: Verdict,
}

/// A pod: its processes, and the app that outlives them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct PodState {
    pub(crate) processes: Vec<Process>,
    pub(crate) beliefs: Vec<Belief>,
    pub(crate) started: u8,
    /// What the volume says.
    pub(crate) marks: Vec<Mark>,
    /// Ended in good order: no process comes after.
    pub(crate) over: bool,
}

/// What a pod's volume says of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Mark {
    pub(crate) pool: Pool,
    pub(crate) name: Name,
    /// The app was not told to give it up.
    pub(crate) believed: bool,
}

// === impl World ===

impl World {
    /// The pods begin, all at once; the store has its specs.
    pub(crate) fn new(config: &Config) -> Self {
        let mut world = Self {
            store: Store::default(),
            pods: vec![PodState::default(); config.pods.len()],
            strays: Vec::new(),
            faults: config.faults,
            edits: vec![0; config.pools.len()],
            epoch: 0,
            snapshot: None,
            journal: Journal::default(),
            verdict: Verdict::default(),
        };
        world.set_up(config, false);
        for pod in config.every_pod() {
            world.start(config, pod);
        }
        world.normalise(config);
        config.prelude.iter().fold(world, |world, action| world.after(config, *action))
    }

    /// The state after a step.
    pub(crate) fn after(&self, config: &Config, action: Action) -> Self {
        let mut world = self.clone();
        world.step(config, action);
        world.notify(config);
        world.normalise(config);
        world
    }

    /// Epoch, specs and holds, in one transaction.
    pub(crate) fn set_up(&mut self, config: &Config, hold: bool) {
        let mut then = vec![Op::Put(Key::Epoch, Value::Epoch(self.epoch), None)];
        for (pool, edits) in (0..).zip(&self.edits) {
            if let Some(spec) = config.spec(pool, *edits) {
                then.push(Op::Put(Key::Spec(pool), Value::Spec(spec), None));
            }
            if hold {
                let lease = LeaseId::Freeze(pool);
                self.store.grant(lease, config.hold);
                then.push(Op::Put(Key::Freeze(pool), Value::Empty, Some(lease)));
            }
        }
        self.apply(then);
    }

    pub(crate) fn process(&self, pod: Pod, place: usize) -> Option<&Process> {
        self.pods.get(usize::from(pod))?.processes.get(place)
    }

    /// All processes, with their pods and places.
    pub(crate) fn processes(&self) -> impl Iterator<Item = (Pod, usize, &Process)> {
        (0..).zip(&self.pods).flat_map(|(pod, state)| {
            state.processes.iter().enumerate().map(move |(place, process)| (pod, place, process))
        })
    }

    pub(crate) fn context<'a>(&'a self, config: &'a Config, pod: Pod) -> Context<'a> {
        Context::new(config, pod, self.fresh_lease(pod), &self.store)
    }

    /// The names that a waiter could get now.
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
            Action::Deliver(pod, place) => self.deliver(config, pod, place),
            Action::LoseAnswer(pod, place) => self.lose_answer(config, pod, place),
            Action::GiveUp(pod, place) => self.give_up(config, pod, place),
            Action::Duplicate(pod, place) => self.duplicate(config, pod, place),
            Action::RefusePast(pod, place) => self.refuse_past(config, pod, place),
            Action::Land(stray) => self.land(config, stray),
            Action::Renew(pod, place) => self.renew(config, pod, place),
            Action::KeepAlive(pod, place) => self.keep_alive(config, pod, place),
            Action::ReadOwn(pod, place) => self.read_own(config, pod, place),
            Action::Renewed(pod, place) => {
                self.with(config, pod, place, Process::renewed);
            }
            Action::DropPair(pod, place) => self.drop_pair(config, pod, place),
            Action::Reread(pod, place) => {
                self.with(config, pod, place, |process, context| {
                    process.reread(context);
                    Vec::new()
                });
            }
            Action::Deafen(pod, place) => self.deafen(config, pod, place),
            Action::Reserve(pod, place) => {
                self.with(config, pod, place, |process, context| {
                    process.reserve(context);
                    Vec::new()
                });
            }
            Action::Emit(pod, place) => self.emit(config, pod, place),
            Action::Terminate(pod, place) => self.terminate(config, pod, place),
            Action::Interrupt(pod, place) => self.interrupt(config, pod, place),
            Action::Crash(pod, place) => self.crash(pod, place),
            Action::Start(pod) => self.start_another(config, pod),
            Action::Force(pool, name) => self.force(config, pool, name),
            Action::Settle(pool, name) => self.settle(pool, name),
            Action::Edit(pool) => self.edit(config, pool),
            Action::Reput(pool) => self.reput(pool),
            Action::Freeze(pool) => self.hold(config, pool),
            Action::Wipe => self.wipe(config),
            Action::Snapshot => self.snapshot = Some(Box::new(self.store.clone())),
            Action::Restore => self.restore(config),
            Action::Meet => self.store.meet(),
            Action::Tick(drift) => self.tick(config, drift),
        }
    }

    /// Writes by somebody who is not part of the claim protocol.
    fn apply(&mut self, then: Vec<Op>) {
        // Nothing in these transactions can be refused: their leases have just been granted.
        let _ = self.store.txn(&Txn { then, ..Txn::default() });
    }
}
