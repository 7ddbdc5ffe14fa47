//! What becomes of a state when nothing goes wrong any more.
//!
//! From a state on, requests are answered in order, waiters read when they have a reason to, leases are
//! renewed in time, and whatever is still astray is lost. Once that repeats itself, nobody may want
//! a name while one is free. Time being relative, repetition is seen as an equal state.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::action::{Action, Drift};
use crate::config::{Config, Faults};
use crate::key::Pool;
use crate::process::Phase;
use crate::world::World;

/// Enough for every lease, hold and quarantine to run out several times over.
const TICKS: usize = 64;
/// Between two ticks: a bound on loops of requests, far above what any process needs.
const STEPS: usize = 200;

/// States from which everything went well, by fingerprint: most ways lead through the same few.
pub(crate) type Memory = Mutex<HashSet<u64>>;

/// Whether somebody waits for ever for a name that is free.
pub(crate) fn is_stuck(config: &Config, memory: &Memory, world: &World) -> bool {
    if !waits_quietly(world) {
        return false;
    }
    let mut now = world.clone();
    now.strays.clear();
    now.faults = Faults::default();
    let mut seen = Vec::new();
    for _ in 0..TICKS {
        if !settle(config, &mut now) {
            return true;
        }
        let print = fingerprint(&now);
        let over = wanted(&now).next().is_none();
        if over || lock(memory).contains(&print) {
            lock(memory).extend(seen);
            return false;
        }
        if seen.contains(&print) {
            let stuck = wanted(&now).any(|pool| now.free(config, pool) > 0);
            if !stuck {
                lock(memory).extend(seen);
            }
            return stuck;
        }
        seen.push(print);
        now = now.after(config, Action::Tick(Drift::None));
    }
    true
}

fn fingerprint(world: &World) -> u64 {
    let mut hasher = DefaultHasher::new();
    world.hash(&mut hasher);
    hasher.finish()
}

fn lock(memory: &Memory) -> MutexGuard<'_, HashSet<u64>> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does everything that can be done before the next tick; false when there is no end of it.
fn settle(config: &Config, now: &mut World) -> bool {
    for _ in 0..STEPS {
        let mut actions = Vec::new();
        now.benign(config, &mut actions);
        match actions.first() {
            Some(action) => *now = now.after(config, *action),
            None => return true,
        }
    }
    false
}

/// Every way into being stuck leads through a state in which somebody waits and asks nothing.
fn waits_quietly(world: &World) -> bool {
    world.processes().any(|(_, _, process)| {
        process.call.is_none()
            && process
                .current()
                .is_some_and(|claim| matches!(claim.phase, Phase::Waiting(_) | Phase::Regaining(_)))
    })
}

/// The pools in which somebody alive still wants a name.
fn wanted(world: &World) -> impl Iterator<Item = Pool> + '_ {
    world.processes().filter_map(|(_, _, process)| process.current().map(|claim| claim.pool))
}
