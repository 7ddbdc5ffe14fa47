//! The bounds of one check: how many pods and shards, how long things last, what may go wrong.

use crate::action::Action;
use crate::place::{Pod, Shard};
use crate::rule::Rule;

/// Q, in ticks.
pub(crate) const MARGIN: u8 = 1;

/// One check's bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each says whether one part of the system is there"
)]
pub struct Config {
    /// The number of pods, at most three.
    pub pods: u8,
    /// The number of shards, at most two.
    pub shards: u8,
    /// V, in ticks.
    pub validity: u8,
    /// By how many ticks clocks may differ within V.
    pub drift: u8,
    /// For each pod a number that stands for the map of its annotation. The first one is in force at first.
    pub maps: [u8; 3],
    /// Whether owners may free their shards (C7) though somebody is eligible.
    pub frees: bool,
    /// Whether a trivial plan decides who takes and gives what. Else whatever the rules allow may happen.
    pub plans: bool,
    /// The time within which the app promises a heartbeat, in ticks; 0: it promises none.
    pub heartbeat: u8,
    /// Whether a new epoch's hold is put in two steps.
    pub two_step_hold: bool,
    /// Whether renewals take time: sent, read, answered.
    pub split_renewals: bool,
    /// Whether [`crate::Promise::NobodyIsStuck`] is looked at. It takes much longer than the others.
    pub recovers: bool,
    /// What may go wrong, and how often in all.
    pub faults: Faults,
    /// The steps before the search starts.
    pub(crate) prelude: Vec<Action>,
    /// The rule that is left out.
    pub without: Option<Rule>,
}

/// How often something may happen in one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Faults {
    /// A process dies; its app runs on until the deadline that it was told.
    pub crashes: u8,
    /// A pod gets another process although the first one runs.
    pub twins: u8,
    /// A member's record vanishes: its lease has expired, or etcd has ended it early.
    pub expiries: u8,
    /// The answer to a write is lost.
    pub lost: u8,
    /// A write reaches the store twice.
    pub copies: u8,
    /// The store is wiped.
    pub wipes: u8,
    /// The store is replaced by an earlier snapshot.
    pub restores: u8,
    /// The epoch moves, for whatever reason.
    pub epochs: u8,
    /// A process's clock misses a tick.
    pub slow: u8,
    /// A process's clock counts a tick twice.
    pub fast: u8,
    /// A read of the shards is answered late.
    pub late_reads: u8,
    /// A confirmation is delivered a second time, late.
    pub late_confirmations: u8,
    /// A member drains.
    pub drains: u8,
    /// A member leaves.
    pub leaves: u8,
    /// An administrator drops a member.
    pub drops: u8,
    /// The leader puts a value.
    pub values: u8,
}

// === impl Config ===

impl Config {
    /// Pods that share shards, and nothing that goes wrong.
    pub fn new(pods: u8, shards: u8, validity: u8) -> Self {
        Self {
            pods,
            shards,
            validity,
            drift: 0,
            maps: [0; 3],
            frees: false,
            plans: false,
            heartbeat: 0,
            two_step_hold: false,
            split_renewals: false,
            recovers: false,
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
        Pod::ALL.into_iter().take(usize::from(self.pods))
    }

    pub(crate) fn every_shard(&self) -> impl Iterator<Item = Shard> + use<> {
        Shard::ALL.into_iter().take(usize::from(self.shards))
    }

    /// The map that a pod's record names.
    pub(crate) fn map(&self, pod: Pod) -> u8 {
        let [a, b, c] = self.maps;
        match pod {
            Pod::A => a,
            Pod::B => b,
            Pod::C => c,
        }
    }

    /// D, in ticks.
    pub(crate) fn takeover_delay(&self) -> u8 {
        let margin = if self.keeps(Rule::DelayIncludesMargin) { MARGIN } else { 0 };
        let drift = if self.keeps(Rule::DelayOutlastsDrift) { 2 * self.drift } else { 0 };
        self.validity + margin + drift
    }

    /// How long a hold lasts, in ticks.
    pub(crate) fn hold(&self) -> u8 {
        if self.keeps(Rule::HoldOutlastsDeadlines) {
            self.validity + MARGIN + 2 * self.drift
        } else {
            1
        }
    }

    /// Whether revisions may be met again: a store that was wiped or restored counts anew.
    pub(crate) fn goes_back(&self) -> bool {
        self.faults.wipes > 0 || self.faults.restores > 0
    }

    /// Whether the epoch may move.
    pub(crate) fn moves_epoch(&self) -> bool {
        self.goes_back() || self.faults.epochs > 0
    }
}
