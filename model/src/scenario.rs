//! The bounds that are checked: one scenario per kind of fault, small ones for every run, larger ones by a flag.
//!
//! Each names the milestones that its small bounds must reach. A scenario in which its fault cannot
//! happen any more fails.

use crate::config::{Config, Faults};
use crate::milestone::Milestone;
use crate::spec::Spec;

mod pods;
mod upkeep;

pub(crate) use pods::clocks;
pub(crate) use upkeep::given_on;

/// A named pair of bounds.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// What may go wrong.
    pub about: &'static str,
    /// Bounds that take seconds.
    pub small: Config,
    /// Bounds that take minutes.
    pub large: Config,
    /// The milestones that the small bounds must reach.
    pub passes: &'static [Milestone],
}

/// The shortest times that keep the protocol's proportions: S = V + Q, and two renewals fit into V.
pub const SPEC: Spec = Spec { names: 1, width: 0, validity: 2, quarantine: 1, ttl: 3 };

/// The same for clocks that differ by a tick on either side: S = V + Q + 2 · drift.
pub const DRIFTING: Spec = Spec { ttl: 5, ..SPEC };

pub(crate) const NONE: Faults = Faults {
    crashes: 0,
    restarts: 0,
    stalls: 0,
    twins: 0,
    timeouts: 0,
    duplicates: 0,
    releases: 0,
    interrupts: 0,
    force_releases: 0,
    edits: 0,
    repeated_puts: 0,
    freezes: 0,
    wipes: 0,
    restores: 0,
    broken_watches: 0,
    slow: 0,
    fast: 0,
    sleeps: 0,
};

/// All of them.
pub fn all() -> Vec<Scenario> {
    let mut all = pods::all();
    all.extend(upkeep::all());
    all
}

/// The one of this name.
pub fn by_name(name: &str) -> Option<Scenario> {
    all().into_iter().find(|scenario| scenario.name == name)
}

/// `pods` pods that want a name of a pool with `names` names.
pub fn pods(pods: usize, names: u8) -> Config {
    Config::new(pods, Spec { names, ..SPEC })
}
