//! The bounds of one check: how many pods and names, how long things last, what may go wrong.

use crate::action::Action;
use crate::key::{Pod, Pool};
use crate::rule::Rule;
use crate::spec::Spec;

/// One check's bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each says whether one part of the world is there"
)]
pub struct Config {
    /// For each pod the pools of its annotation, in the annotation's order.
    pub pods: Vec<Vec<u8>>,
    /// For each pool its spec, and the edits of it that may come.
    pub pools: Vec<Vec<Spec>>,
    /// How long a name rests after a clean release.
    pub clean_rest: u8,
    /// How long a hold lasts.
    pub hold: u8,
    /// Ranks below this watch the queue and may overtake what is abandoned.
    pub near: u8,
    /// Whether a pod that lost its lease wants its old name and no other (`Keep`).
    pub keep: bool,
    /// Whether a pod's volume tells a new process which names the app was told.
    pub marks: bool,
    /// Whether grants and the two halves of a renewal take time, each on its own way. A renewal at
    /// once gives the latest deadline that its landing allows, so this adds little but states.
    pub split: bool,
    /// Whether holders emit timestamps from reserved clocks.
    pub clock: bool,
    /// By how many ticks each pod's wall clock is ahead.
    pub skew: Vec<u8>,
    /// Whether revisions start anew in a store that was wiped or restored.
    pub revisions_regress: bool,
    /// What may go wrong, and how often in all.
    pub faults: Faults,
    /// Steps that are taken before anything is left to chance.
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
    /// A process lets its lease run out: it is paused, or cut off, for that long.
    pub stalls: u8,
    /// A pod gets another process although the first one runs.
    pub twins: u8,
    /// An answer does not come in time: the request is lost, late, or its answer is.
    pub timeouts: u8,
    /// A request reaches the store twice.
    pub duplicates: u8,
    /// A pod ends: a holder releases.
    pub releases: u8,
    /// A process ends in good order while its app lives on: its container is restarted in place.
    pub interrupts: u8,
    /// An administrator takes a slot away.
    pub forces: u8,
    /// A pool's spec is edited.
    pub edits: u8,
    /// A controller that does not compare puts the same spec again.
    pub reputs: u8,
    /// A hold is laid on a pool.
    pub holds: u8,
    /// The store comes back empty.
    pub wipes: u8,
    /// The store comes back as it was at some earlier moment.
    pub restores: u8,
    /// A waiter's watch breaks, and it does not notice.
    pub deaf: u8,
    /// A pod's clock misses a tick.
    pub slow: u8,
    /// The store's clock counts one too many.
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
            clean_rest: 1,
            hold: spec.ttl,
            near: 16,
            keep: false,
            marks: false,
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
