//! Whether a state recovers once no more faults happen.
//!
//! From a state on, requests are answered in order, waiters read when they have a reason to, leases are
//! renewed in time, and late requests are lost. Once states repeat, no pod may want
//! a name while one is free. Time is relative, so a repetition is an equal state.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::action::{Action, Drift};
use crate::config::{Config, Faults};
use crate::key::Pool;
use crate::process::Phase;
use crate::system::SystemState;

/// Enough for every lease, freeze and quarantine to end several times.
const TICKS: usize = 64;
/// The most steps between two ticks: far more than any process needs.
const STEPS: usize = 200;

/// States that recover, by fingerprint. Most paths lead through the same few states.
pub(crate) type KnownRecoveries = Mutex<HashSet<u64>>;

/// Whether a pod waits for ever for a name that is free.
pub(crate) fn is_stuck(config: &Config, known: &KnownRecoveries, system: &SystemState) -> bool {
    if !waits_quietly(system) {
        return false;
    }
    let mut now = system.clone();
    now.late_requests.clear();
    now.faults = Faults::default();
    let mut seen = Vec::new();
    for _ in 0..TICKS {
        if !settle(config, &mut now) {
            return true;
        }
        let print = fingerprint(&now);
        let over = wanted(&now).next().is_none();
        if over || lock(known).contains(&print) {
            lock(known).extend(seen);
            return false;
        }
        if seen.contains(&print) {
            let stuck = wanted(&now).any(|pool| now.free(config, pool) > 0);
            if !stuck {
                lock(known).extend(seen);
            }
            return stuck;
        }
        seen.push(print);
        now = now.after(config, Action::Tick(Drift::None));
    }
    true
}

fn fingerprint(system: &SystemState) -> u64 {
    let mut hasher = DefaultHasher::new();
    system.hash(&mut hasher);
    hasher.finish()
}

fn lock(known: &KnownRecoveries) -> MutexGuard<'_, HashSet<u64>> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does all possible steps before the next tick. False when they do not end.
fn settle(config: &Config, now: &mut SystemState) -> bool {
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

/// Every path to a stuck state leads through a state in which a pod waits without a request in flight.
fn waits_quietly(system: &SystemState) -> bool {
    system.processes().any(|(_, _, process)| {
        process.call.is_none()
            && process
                .current()
                .is_some_and(|claim| matches!(claim.phase, Phase::Waiting(_) | Phase::Regaining(_)))
    })
}

/// The pools in which a running process still wants a name.
fn wanted(system: &SystemState) -> impl Iterator<Item = Pool> + '_ {
    system.processes().filter_map(|(_, _, process)| process.current().map(|claim| claim.pool))
}
