//! The promises that hold in every state.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use stateright::{Model, Property};

use crate::action::Action;
use crate::belief::Belief;
use crate::config::Config;
use crate::key::{Key, Pod};
use crate::milestone::{Step, Tally};
use crate::recovery;
use crate::system::SystemState;
use crate::txn::Value;

/// What the protocol promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Promise {
    /// No two pods use the same name before their own deadlines.
    NoTwoHolders,
    /// A name is not granted before its last holder's deadline was Q ago, or that holder has released it.
    NamesAreQuarantined,
    /// A pod has one slot in a pool, and its owner record has the slot's create revision.
    OneSlotPerPodAndPool,
    /// After a claim there are still as many free names as prompt waiters with older tickets.
    NobodyIsOvertaken,
    /// Without further faults no pod wants a name for ever while one is free.
    NobodyIsStuck,
    /// A pod with a slot has no ticket in that pool.
    TicketsAreWaiters,
    /// A T2 fails only when something has changed.
    FailuresHaveReasons,
    /// No two pods wait for each other's slots.
    NoMutualWait,
    /// A holder of a name never emits a timestamp that an earlier one may have emitted.
    TimestampsAreUnique,
    /// An app of a `Keep` pool that lives on is never given another name.
    NamesAreKept,
}

/// All states within the bounds.
#[derive(Debug)]
pub(crate) struct Space {
    pub(crate) config: Config,
    pub(crate) known_recoveries: recovery::KnownRecoveries,
    pub(crate) tally: Tally,
    /// Which promises were found broken, so far.
    broken: [AtomicBool; 10],
}

// === impl Promise ===

impl Promise {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::NoTwoHolders,
        Self::NamesAreQuarantined,
        Self::OneSlotPerPodAndPool,
        Self::NobodyIsOvertaken,
        Self::NobodyIsStuck,
        Self::TicketsAreWaiters,
        Self::FailuresHaveReasons,
        Self::NoMutualWait,
        Self::TimestampsAreUnique,
        Self::NamesAreKept,
    ];

    /// As the checker calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NoTwoHolders => "no two holders before their own deadlines",
            Self::NamesAreQuarantined => "a freed name is quarantined before it is granted again",
            Self::OneSlotPerPodAndPool => "one slot per pod and pool",
            Self::NobodyIsOvertaken => "no live waiter is overtaken",
            Self::NobodyIsStuck => "no waiter is stuck while a name is free",
            Self::TicketsAreWaiters => "a pod with a slot has no ticket",
            Self::FailuresHaveReasons => "a T2 fails for a reason",
            Self::NoMutualWait => "no two pods wait for each other",
            Self::TimestampsAreUnique => "no timestamp is emitted twice",
            Self::NamesAreKept => "an app that lives on keeps its name",
        }
    }

    /// Whether it holds in a state.
    pub(crate) fn holds(self, space: &Space, system: &SystemState) -> bool {
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

    /// The same as a function pointer, which the checker requires.
    fn condition(self) -> fn(&Space, &SystemState) -> bool {
        match self {
            Self::NoTwoHolders => |space, system| space.first(Self::NoTwoHolders, system),
            Self::NamesAreQuarantined => {
                |space, system| space.first(Self::NamesAreQuarantined, system)
            }
            Self::OneSlotPerPodAndPool => {
                |space, system| space.first(Self::OneSlotPerPodAndPool, system)
            }
            Self::NobodyIsOvertaken => |space, system| space.first(Self::NobodyIsOvertaken, system),
            Self::NobodyIsStuck => |space, system| space.first(Self::NobodyIsStuck, system),
            Self::TicketsAreWaiters => |space, system| space.first(Self::TicketsAreWaiters, system),
            Self::FailuresHaveReasons => {
                |space, system| space.first(Self::FailuresHaveReasons, system)
            }
            Self::NoMutualWait => |space, system| space.first(Self::NoMutualWait, system),
            Self::TimestampsAreUnique => {
                |space, system| space.first(Self::TimestampsAreUnique, system)
            }
            Self::NamesAreKept => |space, system| space.first(Self::NamesAreKept, system),
        }
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

// === impl Space ===

impl Space {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            config: config.clone(),
            known_recoveries: recovery::KnownRecoveries::default(),
            tally: Tally::default(),
            broken: Promise::ALL.map(|_| AtomicBool::new(false)),
        }
    }

    /// Whether a promise holds, or was broken by an earlier state. The checker would report the last of
    /// many states that break it, and the first one has the shortest path.
    fn first(&self, promise: Promise, system: &SystemState) -> bool {
        let Some(broken) = self.broken.get(promise as usize) else { return true };
        if broken.load(Ordering::Relaxed) || promise.holds(self, system) {
            return true;
        }
        broken.store(true, Ordering::Relaxed);
        false
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
        let property = |promise: Promise| Property::always(promise.name(), promise.condition());
        Promise::ALL.into_iter().map(property).collect()
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
