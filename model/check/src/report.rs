//! Runs the checker and reports.

use std::fmt;
use std::time::{Duration, Instant};

use stateright::{Checker, HasDiscoveries};

use crate::counterexample::Counterexample;
use crate::space::{Promise as _, Space};

/// The result of a check.
pub struct Report<S: Space> {
    /// Distinct states.
    pub states: usize,
    /// Steps taken, also into states seen before.
    pub steps: usize,
    /// The longest of the shortest paths to a state.
    pub depth: usize,
    /// How long it took.
    pub took: Duration,
    /// Whether there was nothing left to visit.
    pub complete: bool,
    /// Every promise that was broken, with the shortest path to it.
    pub counterexamples: Vec<Counterexample<S>>,
    /// The milestones that were reached, and how often.
    pub passed: Vec<(S::Milestone, u64)>,
}

/// Visits every state, breadth first, until one of these promises is broken, or up to so many steps.
///
/// On one thread: so the path to a broken promise is a shortest one, and the same in every run.
#[expect(clippy::disallowed_methods, reason = "how long a check takes is no part of the model")]
pub fn check<S: Space>(
    config: &S::Config,
    promises: &[S::Promise],
    limit: Option<usize>,
) -> Report<S> {
    let start = Instant::now();
    let space = S::new(config, promises);
    let mut builder = space.checker().threads(1).finish_when(HasDiscoveries::AnyFailures);
    if let Some(limit) = limit {
        builder = builder.target_state_count(limit);
    }
    let checker = builder.spawn_bfs().join();
    let took = start.elapsed();
    // Before the discoveries: the search for their paths takes steps too.
    let passed = checker.model().tally().passed();
    let mut found = checker.discoveries();
    let counterexamples: Vec<_> = promises
        .iter()
        .filter_map(|promise| {
            let path = found.remove(promise.name())?;
            Some(Counterexample::new(checker.model(), *promise, path))
        })
        .collect();
    Report {
        states: checker.unique_state_count(),
        steps: checker.state_count(),
        depth: checker.max_depth(),
        took,
        complete: limit.is_none_or(|limit| checker.state_count() < limit)
            && counterexamples.is_empty(),
        counterexamples,
        passed,
    }
}

// === impl Report ===

impl<S: Space> Report<S> {
    /// Whether everything was visited and every promise held.
    pub fn holds(&self) -> bool {
        self.complete && self.counterexamples.is_empty()
    }

    /// The path on which a promise was broken.
    pub fn broken(&self, promise: S::Promise) -> Option<&Counterexample<S>> {
        self.counterexamples.iter().find(|counterexample| counterexample.promise == promise)
    }

    /// The milestones that were not reached.
    pub fn missed(&self, milestones: &[S::Milestone]) -> Vec<S::Milestone> {
        let passed =
            |milestone: &S::Milestone| self.passed.iter().any(|(other, _)| other == milestone);
        milestones.iter().copied().filter(|milestone| !passed(milestone)).collect()
    }

    /// In a few words.
    pub fn verdict(&self) -> &'static str {
        match (self.counterexamples.is_empty(), self.complete) {
            (true, true) => "every promise holds",
            (true, false) => "no promise broken so far; not all was visited",
            (false, _) => "BROKEN",
        }
    }
}

impl<S: Space> fmt::Debug for Report<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<S: Space> fmt::Display for Report<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { states, steps, depth, .. } = self;
        let seconds = self.took.as_secs_f64();
        let verdict = self.verdict();
        write!(f, "{states} states, {steps} steps, depth {depth}, {seconds:.1} s: {verdict}")?;
        for counterexample in &self.counterexamples {
            write!(f, "\n{counterexample}")?;
        }
        Ok(())
    }
}
