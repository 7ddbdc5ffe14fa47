//! What must hold in every state.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use stateright::{Model, Property};

use crate::action::Action;
use crate::belief::Belief;
use crate::config::Config;
use crate::key::{Key, Pod};
use crate::milestone::{Step, Tally};
use crate::recovery;
use crate::txn::Value;
use crate::world::World;

/// What the protocol promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Promise {
    /// No two pods use the same name before their own deadlines.
    NoTwoHolders,
    /// A name is not issued before its last holder's deadline was Q ago, or it was given back.
    NamesRest,
    /// A pod has one slot in a pool, and its owner key shares the slot's create revision.
    OneSlotPerPodAndPool,
    /// A claim leaves as many names as there are prompt waiters with older tickets.
    NobodyIsOvertaken,
    /// Without further faults nobody wants a name for ever while one is free.
    NobodyIsStuck,
    /// A pod with a slot has no ticket in that pool.
    TicketsAreWaiters,
    /// A T2 fails only because something has happened.
    FailuresHaveReasons,
    /// No two pods wait for each other's slots.
    NoDeadlyEmbrace,
    /// A holder of a name never emits a timestamp that an earlier one may have emitted.
    TimestampsAreUnique,
    /// An app of a `Keep` pool that lives on is never given another name.
    NamesAreKept,
}

/// All states within the bounds.
#[derive(Debug)]
pub(crate) struct Space {
    pub(crate) config: Config,
    pub(crate) fine: recovery::Memory,
    pub(crate) tally: Tally,
    /// Which promises were found broken, so far.
    broken: [AtomicBool; 10],
}

// === impl Promise ===

impl Promise {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::NoTwoHolders,
        Self::NamesRest,
        Self::OneSlotPerPodAndPool,
        Self::NobodyIsOvertaken,
        Self::NobodyIsStuck,
        Self::TicketsAreWaiters,
        Self::FailuresHaveReasons,
        Self::NoDeadlyEmbrace,
        Self::TimestampsAreUnique,
        Self::NamesAreKept,
    ];

    /// As the checker calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NoTwoHolders => "no two holders before their own deadlines",
            Self::NamesRest => "a name rests before it is issued again",
            Self::OneSlotPerPodAndPool => "one slot per pod and pool",
            Self::NobodyIsOvertaken => "no live waiter is overtaken",
            Self::NobodyIsStuck => "no waiter is stuck while a name is free",
            Self::TicketsAreWaiters => "a pod with a slot has no ticket",
            Self::FailuresHaveReasons => "a T2 fails for a reason",
            Self::NoDeadlyEmbrace => "no two pods wait for each other",
            Self::TimestampsAreUnique => "no timestamp is emitted twice",
            Self::NamesAreKept => "an app that lives on keeps its name",
        }
    }

    /// Whether it holds in a state.
    pub(crate) fn holds(self, space: &Space, world: &World) -> bool {
        match self {
            Self::NoTwoHolders => no_two_holders(world),
            Self::NamesRest => !world.verdict.unrested,
            Self::OneSlotPerPodAndPool => one_slot(world),
            Self::NobodyIsOvertaken => !world.verdict.overtaken,
            Self::NobodyIsStuck => !recovery::is_stuck(&space.config, &space.fine, world),
            Self::TicketsAreWaiters => tickets_are_waiters(world),
            Self::FailuresHaveReasons => !world.verdict.failed_for_nothing,
            Self::NoDeadlyEmbrace => no_deadly_embrace(space, world),
            Self::TimestampsAreUnique => !world.verdict.timestamp_repeated,
            Self::NamesAreKept => !world.verdict.renamed,
        }
    }

    /// The same for the checker, which takes functions and no closures.
    fn condition(self) -> fn(&Space, &World) -> bool {
        match self {
            Self::NoTwoHolders => |space, world| space.first(Self::NoTwoHolders, world),
            Self::NamesRest => |space, world| space.first(Self::NamesRest, world),
            Self::OneSlotPerPodAndPool => {
                |space, world| space.first(Self::OneSlotPerPodAndPool, world)
            }
            Self::NobodyIsOvertaken => |space, world| space.first(Self::NobodyIsOvertaken, world),
            Self::NobodyIsStuck => |space, world| space.first(Self::NobodyIsStuck, world),
            Self::TicketsAreWaiters => |space, world| space.first(Self::TicketsAreWaiters, world),
            Self::FailuresHaveReasons => {
                |space, world| space.first(Self::FailuresHaveReasons, world)
            }
            Self::NoDeadlyEmbrace => |space, world| space.first(Self::NoDeadlyEmbrace, world),
            Self::TimestampsAreUnique => {
                |space, world| space.first(Self::TimestampsAreUnique, world)
            }
            Self::NamesAreKept => |space, world| space.first(Self::NamesAreKept, world),
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
            fine: recovery::Memory::default(),
            tally: Tally::default(),
            broken: Promise::ALL.map(|_| AtomicBool::new(false)),
        }
    }

    /// Whether a promise holds, or was broken by a state before: the checker would report the last of
    /// many states that break it, and the first one has the shortest way.
    fn first(&self, promise: Promise, world: &World) -> bool {
        let Some(broken) = self.broken.get(promise as usize) else { return true };
        if broken.load(Ordering::Relaxed) || promise.holds(self, world) {
            return true;
        }
        broken.store(true, Ordering::Relaxed);
        false
    }
}

impl Model for Space {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(&self.config)]
    }

    fn actions(&self, state: &World, actions: &mut Vec<Action>) {
        state.enabled(&self.config, actions);
    }

    fn next_state(&self, last: &World, action: Action) -> Option<World> {
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

fn no_two_holders(world: &World) -> bool {
    let live: Vec<(Pod, Belief)> = (0..)
        .zip(&world.pods)
        .flat_map(|(pod, state)| state.beliefs.iter().map(move |belief| (pod, *belief)))
        .filter(|(_, belief)| belief.holds())
        .collect();
    live.iter().all(|(pod, belief)| {
        live.iter().all(|(other, same)| pod == other || !same.is_about(belief.pool, belief.name))
    })
}

fn one_slot(world: &World) -> bool {
    let slots = || {
        world.store.keys().filter_map(|(key, entry)| match (key, entry.value) {
            (Key::Slot(pool, _), Value::Slot { pod, .. }) => Some((pod, pool, entry.create)),
            _ => None,
        })
    };
    let owners = || {
        world.store.keys().filter_map(|(key, entry)| match key {
            Key::Owner(pod, pool) => Some((pod, pool, entry.create)),
            _ => None,
        })
    };
    // Owner keys are unique by themselves.
    owners().count() == slots().count() && owners().all(|owner| slots().any(|slot| slot == owner))
}

fn tickets_are_waiters(world: &World) -> bool {
    world.store.keys().all(|(key, _)| match key {
        Key::Ticket(pool, pod) => !world.store.has(Key::Owner(pod, pool)),
        _ => true,
    })
}

/// Looks at pools of one name, where waiting for the pool is waiting for its holder.
fn no_deadly_embrace(space: &Space, world: &World) -> bool {
    let waits_for = |pod: Pod, other: Pod| {
        (0..).zip(&space.config.pools).any(|(pool, specs)| {
            specs.iter().all(|spec| spec.names == 1)
                && world.store.has(Key::Ticket(pool, pod))
                && world.store.has(Key::Owner(other, pool))
        })
    };
    let pods = || (0..).zip(&world.pods).map(|(pod, _)| pod);
    pods().all(|pod| pods().all(|other| !(waits_for(pod, other) && waits_for(other, pod))))
}
