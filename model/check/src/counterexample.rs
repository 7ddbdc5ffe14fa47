//! The path to a broken promise: as text, and to be replayed.

use std::fmt;

use stateright::Path;

use crate::space::Space;

/// How a promise was broken.
pub struct Counterexample<S: Space> {
    /// Which one.
    pub promise: S::Promise,
    /// The shortest path, step by step.
    pub path: Vec<String>,
    actions: Vec<S::Action>,
}

// === impl Counterexample ===

impl<S: Space> Counterexample<S> {
    pub(crate) fn new(space: &S, promise: S::Promise, path: Path<S::State, S::Action>) -> Self {
        let path = path.into_vec();
        let steps = path.iter().zip(path.iter().skip(1));
        let (path, actions) = steps
            .filter_map(|((before, action), (after, _))| {
                let action = action.as_ref()?;
                Some((space.describe(before, action, after), action.clone()))
            })
            .unzip();
        Self { promise, path, actions }
    }

    /// Replays the path. True when every step is possible, and the promise holds until the last one breaks it.
    pub fn replays(&self, config: &S::Config) -> bool {
        let space = S::new(config, &[self.promise]);
        let Some(mut state) = space.init_states().pop() else { return false };
        for action in &self.actions {
            let mut possible = Vec::new();
            space.actions(&state, &mut possible);
            if !possible.contains(action) || !space.holds(self.promise, &state) {
                return false;
            }
            let Some(next) = space.next_state(&state, action.clone()) else { return false };
            state = next;
        }
        !space.holds(self.promise, &state)
    }
}

impl<S: Space> fmt::Debug for Counterexample<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<S: Space> fmt::Display for Counterexample<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broken in {} steps: {}", self.path.len(), self.promise)?;
        for (number, step) in (1..).zip(&self.path) {
            write!(f, "\n  {number:2}. {step}")?;
        }
        Ok(())
    }
}
