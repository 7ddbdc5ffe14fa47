//! The promises that hold in every state.

use cairn_model_check::{Broken, Tally, promises};
use stateright::{Model, Property};

use crate::action::Action;
use crate::belief::Belief;
use crate::config::Config;
use crate::describe::describe;
use crate::key::{Key, Pod};
use crate::milestone::{Milestone, Step};
use crate::recovery;
use crate::system::SystemState;
use crate::txn::Value;

promises! {
    /// What the protocol promises.
    Promise;

    /// No two pods use the same name before their own deadlines.
    NoTwoHolders: "no two holders before their own deadlines",
    /// A name is not granted before its last holder's deadline was Q ago, or that holder has released it.
    NamesAreQuarantined: "a freed name is quarantined before it is granted again",
    /// A pod has one slot in a pool, and its owner record has the slot's create revision.
    OneSlotPerPodAndPool: "one slot per pod and pool",
    /// After a claim there are still as many free names as prompt waiters with older tickets.
    NobodyIsOvertaken: "no live waiter is overtaken",
    /// Without further faults no pod wants a name for ever while one is free.
    NobodyIsStuck: "no waiter is stuck while a name is free",
    /// A pod with a slot has no ticket in that pool.
    TicketsAreWaiters: "a pod with a slot has no ticket",
    /// A T2 fails only when something has changed.
    FailuresHaveReasons: "a T2 fails for a reason",
    /// No two pods wait for each other's slots.
    NoMutualWait: "no two pods wait for each other",
    /// A holder of a name never emits a timestamp that an earlier one may have emitted.
    TimestampsAreUnique: "no timestamp is emitted twice",
    /// An app of a `Keep` pool that lives on is never given another name.
    NamesAreKept: "an app that lives on keeps its name",
}

/// All states within the bounds.
#[derive(Debug)]
pub struct Space {
    config: Config,
    known_recoveries: recovery::KnownRecoveries,
    tally: Tally<Milestone>,
    broken: Broken<Promise>,
}

// === impl Promise ===

impl Promise {
    /// Whether it holds in a state.
    fn holds(self, space: &Space, system: &SystemState) -> bool {
        match self {
            Self::NoTwoHolders => no_two_holders(system),
            Self::NamesAreQuarantined => !system.verdict.unrested,
            Self::OneSlotPerPodAndPool => one_slot(system),
            Self::NobodyIsOvertaken => !system.verdict.overtaken,
            Self::NobodyIsStuck => {
                !recovery::is_stuck(&space.config, &space.known_recoveries, system)
            }
            Self::TicketsAreWaiters => tickets_are_waiters(system),
            Self::FailuresHaveReasons => !system.verdict.failed_for_nothing,
            Self::NoMutualWait => no_deadly_embrace(space, system),
            Self::TimestampsAreUnique => !system.verdict.timestamp_repeated,
            Self::NamesAreKept => !system.verdict.renamed,
        }
    }
}

// === impl Space ===

impl cairn_model_check::Space for Space {
    type Config = Config;
    type Promise = Promise;
    type Milestone = Milestone;

    fn new(config: &Config, promises: &[Promise]) -> Self {
        Self {
            config: config.clone(),
            known_recoveries: recovery::KnownRecoveries::default(),
            tally: Tally::default(),
            broken: Broken::new(promises),
        }
    }

    fn broken(&self) -> &Broken<Promise> {
        &self.broken
    }

    fn tally(&self) -> &Tally<Milestone> {
        &self.tally
    }

    fn holds(&self, promise: Promise, system: &SystemState) -> bool {
        promise.holds(self, system)
    }

    fn describe(&self, before: &SystemState, action: &Action, after: &SystemState) -> String {
        describe(before, *action, after)
    }
}

impl Model for Space {
    type State = SystemState;
    type Action = Action;

    fn init_states(&self) -> Vec<SystemState> {
        vec![SystemState::new(&self.config)]
    }

    fn actions(&self, state: &SystemState, actions: &mut Vec<Action>) {
        state.enabled(&self.config, actions);
    }

    fn next_state(&self, last: &SystemState, action: Action) -> Option<SystemState> {
        let next = last.after(&self.config, action);
        let step = Step { before: last, action, after: &next };
        step.milestones(&mut |milestone| self.tally.count(milestone));
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        self.broken.promises().map(cairn_model_check::Promise::property).collect()
    }
}

fn no_two_holders(system: &SystemState) -> bool {
    let live: Vec<(Pod, Belief)> = (0..)
        .zip(&system.pods)
        .flat_map(|(pod, state)| state.beliefs.iter().map(move |belief| (pod, *belief)))
        .filter(|(_, belief)| belief.holds())
        .collect();
    live.iter().all(|(pod, belief)| {
        live.iter().all(|(other, same)| pod == other || !same.is_about(belief.pool, belief.name))
    })
}

fn one_slot(system: &SystemState) -> bool {
    let slots = || {
        system.store.keys().filter_map(|(key, entry)| match (key, entry.value) {
            (Key::Slot(pool, _), Value::Slot { pod, .. }) => Some((pod, pool, entry.create)),
            _ => None,
        })
    };
    let owners = || {
        system.store.keys().filter_map(|(key, entry)| match key {
            Key::Owner(pod, pool) => Some((pod, pool, entry.create)),
            _ => None,
        })
    };
    // Owner keys are unique by themselves.
    owners().count() == slots().count() && owners().all(|owner| slots().any(|slot| slot == owner))
}

fn tickets_are_waiters(system: &SystemState) -> bool {
    system.store.keys().all(|(key, _)| match key {
        Key::Ticket(pool, pod) => !system.store.has(Key::Owner(pod, pool)),
        _ => true,
    })
}

/// Only pools of one name count: waiting for such a pool is waiting for its holder.
fn no_deadly_embrace(space: &Space, system: &SystemState) -> bool {
    let waits_for = |pod: Pod, other: Pod| {
        (0..).zip(&space.config.pools).any(|(pool, specs)| {
            specs.iter().all(|spec| spec.names == 1)
                && system.store.has(Key::Ticket(pool, pod))
                && system.store.has(Key::Owner(other, pool))
        })
    };
    let pods = || (0..).zip(&system.pods).map(|(pod, _)| pod);
    pods().all(|pod| pods().all(|other| !(waits_for(pod, other) && waits_for(other, pod))))
}
