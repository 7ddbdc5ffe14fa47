//! The path to a broken promise: as text, and to be replayed.

use std::fmt;

use stateright::Path;

use crate::action::Action;
use crate::config::Config;
use crate::milestone::Step;
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
            steps.push(describe(&system, *action, &next));
            system = next;
        }
        Self { promise, path: steps, actions }
    }

    /// Replays the path. True when every step is possible, and the promise holds until the last
    /// one breaks it.
    pub fn replays(&self, config: &Config) -> bool {
        let space = Space::new(config);
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

/// A step as text: its request, its milestones, and the names that are in use after it.
fn describe(before: &SystemState, action: Action, after: &SystemState) -> String {
    let mut text = action.to_string();
    let request = match action {
        Action::Deliver(pod, index)
        | Action::LoseAnswer(pod, index)
        | Action::GiveUp(pod, index)
        | Action::Duplicate(pod, index) => before
            .process(pod, index)
            .and_then(|process| process.call.as_ref())
            .map(|call| call.request.to_string()),
        Action::Land(late) => before.late_requests.get(late).map(|late| {
            format!("pod {}.{}'s {}", late.caller.pod, late.caller.nonce, late.request)
        }),
        _ => None,
    };
    text.extend(request.map(|request| format!(": {request}")));
    let mut milestones = Vec::new();
    Step { before, action, after }.milestones(&mut |milestone| {
        milestones.push(milestone.to_string());
    });
    if !milestones.is_empty() {
        text.push_str(" = ");
        text.push_str(&milestones.join(", "));
    }
    let uses: Vec<String> = (0..)
        .zip(&after.pods)
        .flat_map(|(pod, state)| state.beliefs.iter().map(move |belief| (pod, belief)))
        .filter(|(_, belief)| belief.holds())
        .map(|(pod, belief): (u8, _)| {
            format!("pod {pod}: name {}/{} for {} more", belief.pool, belief.name, belief.left)
        })
        .collect();
    if !uses.is_empty() {
        text.extend(["  [", &uses.join("; "), "]"]);
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
