//! The promises that hold in every state (docs/coordination.md, Promises).

use cairn_model_check::{Broken, Tally, promises};
use stateright::{Model, Property};

use crate::action::Action;
use crate::config::{Config, Faults};
use crate::describe::describe;
use crate::milestone::Milestone;
use crate::place::Pod;
use crate::recovery::{self, KnownRecoveries};
use crate::system::SystemState;

promises! {
    /// What the protocol promises.
    Promise;

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
pub struct Space {
    config: Config,
    tally: Tally<Milestone>,
    known_recoveries: KnownRecoveries,
    broken: Broken<Promise>,
}

// === impl Promise ===

impl Promise {
    /// Whether it holds in a state.
    fn holds(self, space: &Space, system: &SystemState) -> bool {
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

// === impl Space ===

impl cairn_model_check::Space for Space {
    type Config = Config;
    type Promise = Promise;
    type Milestone = Milestone;

    fn new(config: &Config, promises: &[Promise]) -> Self {
        Self {
            config: config.clone(),
            tally: Tally::default(),
            known_recoveries: KnownRecoveries::default(),
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
        describe(&self.config, before, *action, after)
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
        if let Some(milestone) = Milestone::reached(&self.config, last, action) {
            self.tally.count(milestone);
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        self.broken.promises().map(cairn_model_check::Promise::property).collect()
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
