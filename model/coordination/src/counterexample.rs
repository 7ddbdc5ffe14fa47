//! The path to a broken promise: as text, and to be replayed.

use std::fmt;

use stateright::Path;

use crate::action::Action;
use crate::config::Config;
use crate::place::{Pod, Shard};
use crate::property::{Promise, Space};
use crate::system::SystemState;

/// How a promise was broken.
#[derive(Clone, Debug)]
pub struct Counterexample {
    /// Which one.
    pub promise: Promise,
    /// The shortest path, step by step.
    pub path: Vec<String>,
    actions: Vec<Action>,
}

// === impl Counterexample ===

impl Counterexample {
    pub(crate) fn new(config: &Config, promise: Promise, path: Path<SystemState, Action>) -> Self {
        let actions = path.into_actions();
        let mut system = SystemState::new(config);
        let mut steps = Vec::new();
        for action in &actions {
            let next = system.after(config, *action);
            steps.push(describe(config, &system, *action, &next));
            system = next;
        }
        Self { promise, path: steps, actions }
    }

    /// Replays the path. True when every step is possible, and the promise holds until the last one breaks it.
    pub fn replays(&self, config: &Config) -> bool {
        let space = Space::new(config, &[self.promise]);
        let mut system = SystemState::new(config);
        for action in &self.actions {
            let mut possible = Vec::new();
            system.enabled(config, &mut possible);
            if !possible.contains(action) || !self.promise.holds(&space, &system) {
                return false;
            }
            system = system.after(config, *action);
        }
        !self.promise.holds(&space, &system)
    }
}

/// A step as text: its write, whether it was refused, and what is served after it.
fn describe(config: &Config, before: &SystemState, action: Action, after: &SystemState) -> String {
    let mut text = action.to_string();
    if let Action::Land(index)
    | Action::LandAtKnown(index)
    | Action::LandUnanswered(index)
    | Action::Copy(index) = action
        && let Some(in_flight) = before.writes.get(index)
    {
        let refused = !before.store.compare(config, &in_flight.write).holds();
        let write = &in_flight.write;
        text = format!("{write}: {}{text}", if refused { "refused, " } else { "" });
    }
    let uses: Vec<String> = Pod::ALL
        .into_iter()
        .flat_map(|pod| Shard::ALL.map(|shard| (pod, shard)))
        .filter(|(pod, shard)| after.serves(*pod, *shard))
        .map(|(pod, shard)| format!("{pod} serves {shard}"))
        .collect();
    if !uses.is_empty() {
        text.extend(["  [", &uses.join(", "), "]"]);
    }
    text
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broken in {} steps: {}", self.path.len(), self.promise)?;
        for (number, step) in (1..).zip(&self.path) {
            write!(f, "\n  {number:2}. {step}")?;
        }
        Ok(())
    }
}
