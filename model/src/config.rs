//! The bounds of one check: how many pods and names, how long things last, what may go wrong.

use crate::action::Action;
use crate::key::{Pod, Pool};
use crate::rule::Rule;
use crate::spec::Spec;

/// One check's bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each says whether one part of the system is there"
)]
pub struct Config {
    /// For each pod the pools of its annotation, in the annotation's order.
    pub pods: Vec<Vec<u8>>,
    /// For each pool its spec, and the edits of it that may come.
    pub pools: Vec<Vec<Spec>>,
    /// How long the quarantine lasts after a release by a process whose app has ended.
    pub release_quarantine: u8,
    /// How long a freeze lasts.
    pub freeze_ticks: u8,
    /// Ranks below this watch the queue and may overtake abandoned tickets.
    pub near: u8,
    /// Whether a pod that lost its lease wants its old name and no other (`Keep`).
    pub keep: bool,
    /// Whether a pod's volume keeps the claim for the next process.
    pub saved_claims: bool,
    /// Whether grants and the two halves of a renewal take time, each by itself. A renewal without delay
    /// gives the latest deadline that is possible, so this adds little but states.
    pub split: bool,
    /// Whether holders emit timestamps from reserved clocks.
    pub clock: bool,
    /// By how many ticks each pod's wall clock is ahead.
    pub skew: Vec<u8>,
    /// Whether revisions start anew in a store that was wiped or restored.
    pub revisions_regress: bool,
    /// What may go wrong, and how often in all.
    pub faults: Faults,
    /// The steps before the search starts.
    pub(crate) prelude: Vec<Action>,
    /// The rule that is left out.
    pub without: Option<Rule>,
}

/// How often something may happen in one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Faults {
    /// A process dies; its app runs on until the deadline.
    pub crashes: u8,
    /// A pod whose process died gets another one.
    pub restarts: u8,
    /// A process is paused or cut off until its lease expires.
    pub stalls: u8,
    /// A pod gets another process although the first one runs.
    pub twins: u8,
    /// An answer does not come in time: the request or its answer is lost, or the request lands late.
    pub timeouts: u8,
    /// A request reaches the store twice.
    pub duplicates: u8,
    /// A pod ends: a holder releases.
    pub releases: u8,
    /// A process ends in good order while its app lives on: its container is restarted in place.
    pub interrupts: u8,
    /// An administrator releases a slot by force.
    pub force_releases: u8,
    /// A pool's spec is edited.
    pub edits: u8,
    /// A controller that does not compare puts the same spec again.
    pub repeated_puts: u8,
    /// A pool is frozen.
    pub freezes: u8,
    /// The store is wiped.
    pub wipes: u8,
    /// The store is replaced by an earlier snapshot.
    pub restores: u8,
    /// A waiter's watch breaks without an error.
    pub broken_watches: u8,
    /// A pod's clock misses a tick.
    pub slow: u8,
    /// The store's clock counts a tick twice.
    pub fast: u8,
    /// A pod's machine sleeps through a tick.
    pub sleeps: u8,
}

// === impl Config ===

impl Config {
    /// Pods that all want a name of one pool, and nothing that goes wrong.
    pub fn new(pods: usize, spec: Spec) -> Self {
        Self {
            pods: vec![vec![0]; pods],
            pools: vec![vec![spec]],
            release_quarantine: 1,
            freeze_ticks: spec.ttl,
            near: 16,
            keep: false,
            saved_claims: false,
            split: false,
            clock: false,
            skew: Vec::new(),
            revisions_regress: false,
            faults: Faults::default(),
            prelude: Vec::new(),
            without: None,
        }
    }

    /// The same with these faults.
    #[must_use]
    pub fn with(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// The same without a rule.
    #[must_use]
    pub fn without(mut self, rule: Rule) -> Self {
        self.without = Some(rule);
        self
    }

    pub(crate) fn keeps(&self, rule: Rule) -> bool {
        self.without != Some(rule)
    }

    pub(crate) fn every_pod(&self) -> impl Iterator<Item = Pod> + use<> {
        0..u8::try_from(self.pods.len()).unwrap_or(u8::MAX)
    }

    /// A spec of a pool: the first one, or the one after so many edits.
    pub(crate) fn spec(&self, pool: Pool, edits: u8) -> Option<Spec> {
        let spec = self.pools.get(usize::from(pool))?.get(usize::from(edits)).copied()?;
        let ttl = spec.validity + spec.quarantine;
        Some(if self.keeps(Rule::LeaseOutlastsDrift) { spec } else { Spec { ttl, ..spec } })
    }

    /// The longest V: ages beyond it are all the same.
    pub(crate) fn oldest(&self) -> u8 {
        self.specs().map(|spec| spec.validity).max().unwrap_or_default()
    }

    pub(crate) fn most_names(&self) -> u8 {
        self.specs().map(|spec| spec.names).max().unwrap_or_default()
    }

    /// A pod's wall clock, relative to the present.
    pub(crate) fn wall(&self, pod: u8) -> i8 {
        self.skew.get(usize::from(pod)).map_or(0, |skew| skew.cast_signed())
    }

    fn specs(&self) -> impl Iterator<Item = &Spec> {
        self.pools.iter().flatten()
    }
}
