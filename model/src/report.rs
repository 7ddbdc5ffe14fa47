//! Runs the checker, and says what it saw.

use std::fmt;

use stateright::{Checker, HasDiscoveries, Model, Path};

use crate::action::Action;
use crate::config::Config;
use crate::property::{Promise, Space};
use crate::recovery;
use crate::world::World;

/// What a check saw.
#[derive(Clone, Debug)]
pub struct Report {
    /// Distinct states.
    pub states: usize,
    /// Steps taken, also into states seen before.
    pub steps: usize,
    /// The longest of the shortest ways to a state.
    pub depth: usize,
    /// Whether there was nothing left to visit.
    pub complete: bool,
    /// Every promise that was broken, the shortest way each.
    pub counterexamples: Vec<Counterexample>,
}

/// How a promise was broken.
#[derive(Clone, Debug)]
pub struct Counterexample {
    /// Which one.
    pub promise: Promise,
    /// The shortest way, step by step.
    pub path: Vec<String>,
}

/// Visits every state, breadth first, on one thread, until a promise is broken, or up to `limit` states.
pub fn check(config: &Config, limit: Option<usize>) -> Report {
    let space = Space { config: config.clone(), fine: recovery::Memory::default() };
    let mut builder = space.checker().threads(1).finish_when(HasDiscoveries::AnyFailures);
    if let Some(limit) = limit {
        builder = builder.target_state_count(limit);
    }
    let checker = builder.spawn_bfs().join();
    let mut found = checker.discoveries();
    let counterexamples: Vec<Counterexample> = Promise::ALL
        .into_iter()
        .filter_map(|promise| {
            let path = found.remove(promise.name())?;
            Some(Counterexample { promise, path: tell(path) })
        })
        .collect();
    Report {
        states: checker.unique_state_count(),
        steps: checker.state_count(),
        depth: checker.max_depth(),
        complete: limit.is_none_or(|limit| checker.state_count() < limit)
            && counterexamples.is_empty(),
        counterexamples,
    }
}

/// A path in words: each step with the request that it is about.
fn tell(path: Path<World, Action>) -> Vec<String> {
    path.into_vec().into_iter().filter_map(|(world, action)| Some(world.tell(action?))).collect()
}

// === impl World ===

impl World {
    fn tell(&self, action: Action) -> String {
        let request = match action {
            Action::Deliver(pod, place)
            | Action::LoseAnswer(pod, place)
            | Action::GiveUp(pod, place)
            | Action::Duplicate(pod, place) => self
                .process(pod, place)
                .and_then(|process| process.call.as_ref())
                .map(|call| format!("{:?}", call.request)),
            Action::Land(stray) => self.strays.get(stray).map(|stray| {
                format!("of pod {}.{} {:?}", stray.caller.pod, stray.caller.nonce, stray.request)
            }),
            _ => None,
        };
        match request {
            Some(request) => format!("{action}: {request}"),
            None => action.to_string(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { states, steps, depth, .. } = self;
        write!(f, "{states} states, {steps} steps, depth {depth}")?;
        if !self.complete && self.counterexamples.is_empty() {
            write!(f, ", not all")?;
        }
        for counterexample in &self.counterexamples {
            write!(f, "\n{counterexample}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broken in {} steps: {}", self.path.len(), self.promise.name())?;
        for step in &self.path {
            write!(f, "\n    {step}")?;
        }
        Ok(())
    }
}
