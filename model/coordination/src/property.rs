//! The promises that hold in every state (docs/coordination.md, Promises).

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use stateright::{Model, Property};

use crate::action::Action;
use crate::config::{Config, Faults};
use crate::milestone::Tally;
use crate::place::Pod;
use crate::recovery::{self, KnownRecoveries};
use crate::system::SystemState;

macro_rules! promises {
    ($($(#[$doc:meta])* $name:ident: $text:literal,)*) => {
        /// What the protocol promises.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Promise {
            $($(#[$doc])* $name,)*
        }

        impl Promise {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// As the checker calls it.
            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// As a function pointer, which the checker requires.
            fn condition(self) -> fn(&Space, &SystemState) -> bool {
                match self {
                    $(Self::$name => |space, system| space.first(Self::$name, system),)*
                }
            }
        }
    };
}

promises! {
    /// No two pods rely on one shard at one instant.
    OneServer: "P1: no two pods rely on one shard",
    /// No two pods rely on shards of two maps at one instant.
    OneMap: "P1: no two maps are served",
    /// Fences grow, across wipes and restores.
    FencesGrow: "P2: fences grow",
    /// A takeover by time begins Q or more after the former owner's last instant.
    TakeoversRest: "P3: a takeover by time begins Q after the last instant",
    /// Faults end, a participant lives: every shard has one owner, and then nothing is written.
    NobodyIsStuck: "P4: nobody is stuck",
    /// Nobody within quota moves anything: while members only join, a shard is moved once.
    ShardsMoveOnce: "P5: a shard is moved once for balance",
    /// No owner changes during a hold.
    HoldsAreKept: "P6: no owner changes during a hold",
    /// Viewers own nothing, draining members take nothing.
    OnlyParticipantsGain: "P7: only participants gain shards",
    /// No deadline is told beyond the last heartbeat and its time.
    HeartbeatsLimit: "P8: no deadline is told beyond the last heartbeat and its time",
    /// Who was dropped is no member while it is kept out.
    DroppedStayOut: "who was dropped stays out",
    /// The leader's value is put by who leads, and a newer one is not replaced by an older one.
    ValuesGoForward: "the leader's value goes forward",
}

/// All states within the bounds.
#[derive(Debug)]
pub(crate) struct Space {
    pub(crate) config: Config,
    pub(crate) tally: Tally,
    known_recoveries: KnownRecoveries,
    /// The promises that are looked at, and whether they were found broken so far.
    promises: Vec<(Promise, AtomicBool)>,
}

// === impl Promise ===

impl Promise {
    /// Whether it holds in a state.
    pub(crate) fn holds(self, space: &Space, system: &SystemState) -> bool {
        let verdict = &system.verdict;
        match self {
            Self::OneServer => one_server(&space.config, system),
            Self::OneMap => one_map(&space.config, system),
            Self::FencesGrow => !verdict.fence_shrank,
            Self::TakeoversRest => !verdict.unrested,
            Self::NobodyIsStuck => {
                !space.config.recovers
                    || recovery::recovers(&space.config, &space.known_recoveries, system)
            }
            Self::ShardsMoveOnce => shards_move_once(&space.config, system),
            Self::HoldsAreKept => !verdict.changed_during_hold,
            Self::OnlyParticipantsGain => !verdict.granted_to_nobody,
            Self::HeartbeatsLimit => heartbeats_limit(&space.config, system),
            Self::DroppedStayOut => Pod::ALL
                .into_iter()
                .all(|pod| !system.dropped[pod] || system.store.members[pod].is_none()),
            Self::ValuesGoForward => !verdict.value_went_back,
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
    pub(crate) fn new(config: &Config, promises: &[Promise]) -> Self {
        let promises = promises.iter().map(|promise| (*promise, AtomicBool::new(false)));
        Self {
            config: config.clone(),
            tally: Tally::default(),
            known_recoveries: KnownRecoveries::default(),
            promises: promises.collect(),
        }
    }

    /// Whether a promise holds, or was broken by an earlier state. The checker would report the last of many states
    /// that break it, and the first one has the shortest path.
    fn first(&self, promise: Promise, system: &SystemState) -> bool {
        let Some((_, broken)) = self.promises.iter().find(|(other, _)| *other == promise) else {
            return true;
        };
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
        self.tally.count(&self.config, last, action);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let property = |promise: Promise| Property::always(promise.name(), promise.condition());
        self.promises.iter().map(|(promise, _)| property(*promise)).collect()
    }
}

fn one_server(config: &Config, system: &SystemState) -> bool {
    config
        .every_shard()
        .all(|shard| config.every_pod().filter(|pod| system.serves(*pod, shard)).count() <= 1)
}

/// Every fault that ends a membership may cost one more move.
fn shards_move_once(config: &Config, system: &SystemState) -> bool {
    let Faults { expiries, drains, leaves, drops, .. } = config.faults;
    let most = 1 + expiries + drains + leaves + drops;
    config.every_shard().all(|shard| system.moves[shard] <= most)
}

fn heartbeats_limit(config: &Config, system: &SystemState) -> bool {
    config.heartbeat == 0
        || config.every_pod().all(|pod| {
            let state = &system.pods[pod];
            config.every_shard().all(|shard| state.told(shard) <= state.heartbeat)
        })
}

fn one_map(config: &Config, system: &SystemState) -> bool {
    let mut served = config
        .every_pod()
        .filter(|pod| config.every_shard().any(|shard| system.serves(*pod, shard)))
        .map(|pod| config.map(pod));
    let first = served.next();
    served.all(|map| Some(map) == first)
}
