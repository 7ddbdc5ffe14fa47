//! The bounds that are checked with all rules. Each names the milestones that it must reach: a scenario in which its
//! fault cannot happen any more fails.

use crate::config::Config;
use crate::milestone::Milestone;

mod large;
mod small;

/// Named bounds.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// What may go wrong.
    pub about: &'static str,
    /// The bounds.
    pub config: Config,
    /// Whether they are small enough for every run of the tests.
    pub small: bool,
    /// The milestones that must be reached.
    pub passes: &'static [Milestone],
}

/// All of them.
pub fn all() -> Vec<Scenario> {
    let mut all = small::all();
    all.extend(large::all());
    all
}

/// The one of this name.
pub fn by_name(name: &str) -> Option<Scenario> {
    all().into_iter().find(|scenario| scenario.name == name)
}
