//! The way on which a promise was broken: in words, and to be taken again.

use std::fmt;

use stateright::Path;

use crate::action::Action;
use crate::config::Config;
use crate::milestone::Step;
use crate::property::{Promise, Space};
use crate::world::World;

/// How a promise was broken.
#[derive(Clone, Debug)]
pub struct Counterexample {
    /// Which one.
    pub promise: Promise,
    /// The shortest way, step by step.
    pub path: Vec<String>,
    actions: Vec<Action>,
}

// === impl Counterexample ===

impl Counterexample {
    pub(crate) fn new(config: &Config, promise: Promise, path: Path<World, Action>) -> Self {
        let actions = path.into_actions();
        let mut world = World::new(config);
        let mut told = Vec::new();
        for action in &actions {
            let next = world.after(config, *action);
            told.push(tell(&world, *action, &next));
            world = next;
        }
        Self { promise, path: told, actions }
    }

    /// Takes the way again: whether every step of it is possible, and the promise holds until the last
    /// one breaks it.
    pub fn replays(&self, config: &Config) -> bool {
        let space = Space::new(config);
        let mut world = World::new(config);
        for action in &self.actions {
            let mut possible = Vec::new();
            world.enabled(config, &mut possible);
            if !possible.contains(action) || !self.promise.holds(&space, &world) {
                return false;
            }
            world = world.after(config, *action);
        }
        !self.promise.holds(&space, &world)
    }
}

/// A step in words: the request that it is about, what came of it, and which names are in use after it.
fn tell(before: &World, action: Action, after: &World) -> String {
    let mut text = action.to_string();
    let request = match action {
        Action::Deliver(pod, place)
        | Action::LoseAnswer(pod, place)
        | Action::GiveUp(pod, place)
        | Action::Duplicate(pod, place) => before
            .process(pod, place)
            .and_then(|process| process.call.as_ref())
            .map(|call| call.request.to_string()),
        Action::Land(stray) => before.strays.get(stray).map(|stray| {
            format!("pod {}.{}'s {}", stray.caller.pod, stray.caller.nonce, stray.request)
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
