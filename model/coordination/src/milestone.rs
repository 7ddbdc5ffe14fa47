//! Milestones: the steps that a check must reach.
//!
//! A promise that holds in every state says little when nothing happened that could break it. So every write that is
//! carried out is classified, and each scenario names the milestones that it must reach.
//! Not for: judging. A milestone is no error.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::action::Action;
use crate::config::Config;
use crate::system::SystemState;
use crate::write::{Reason, Write, WriteKind};

macro_rules! milestones {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A kind of step.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Milestone {
            $($(#[$doc])* $name,)*
        }

        impl Milestone {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
        }

        /// How often each was reached.
        #[derive(Debug)]
        pub(crate) struct Tally([AtomicU64; Milestone::ALL.len()]);
    };
}

milestones! {
    /// A process joined.
    Joined,
    /// A process resumed the session of an earlier one.
    Resumed,
    /// A free shard was claimed.
    Claimed,
    /// A shard was handed over after a confirmation.
    HandedOverConfirmed,
    /// A shard was handed over after its deadline and Q.
    HandedOverByTime,
    /// A shard was handed over to its own owner: a new fence.
    HandedOverToItself,
    /// A shard of an ended session was taken over after the takeover delay.
    TakenOverByDelay,
    /// A shard of an earlier session of the own pod was taken over at once.
    TakenOverFromOwnPod,
    /// A shard of another epoch was taken over at once.
    TakenOverFromDeadEpoch,
    /// A shard was freed by its owner.
    Freed,
    /// A shard was freed by a viewer.
    FreedByViewer,
    /// Another map was put.
    Resized,
    /// A member began to drain.
    Drained,
    /// A member left.
    Left,
    /// The leader's value was put.
    ValuePut,
    /// A compare failed.
    Refused,
}

// === impl Milestone ===

impl Milestone {
    fn of(write: &Write) -> Self {
        match write.kind {
            WriteKind::Join { .. } => Self::Joined,
            WriteKind::Resume { .. } => Self::Resumed,
            WriteKind::Drain => Self::Drained,
            WriteKind::Leave => Self::Left,
            WriteKind::Claim { .. } => Self::Claimed,
            WriteKind::HandOver { to, .. } if to == write.pod => Self::HandedOverToItself,
            WriteKind::HandOver { by_time: true, .. } => Self::HandedOverByTime,
            WriteKind::HandOver { .. } => Self::HandedOverConfirmed,
            WriteKind::TakeOver { reason, .. } => match reason {
                Reason::Delay => Self::TakenOverByDelay,
                Reason::DeadEpoch => Self::TakenOverFromDeadEpoch,
                Reason::OwnPod => Self::TakenOverFromOwnPod,
            },
            WriteKind::FreeEnded { .. } => Self::FreedByViewer,
            WriteKind::Free { .. } => Self::Freed,
            WriteKind::Resize { .. } => Self::Resized,
            WriteKind::PutValue { .. } => Self::ValuePut,
        }
    }
}

impl fmt::Display for Milestone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

// === impl Tally ===

impl Tally {
    /// Counts a step.
    pub(crate) fn count(&self, config: &Config, before: &SystemState, action: Action) {
        let (Action::Land(index) | Action::LandAtKnown(index) | Action::LandUnanswered(index)) =
            action
        else {
            return;
        };
        let Some(in_flight) = before.writes.get(index) else { return };
        let holds = before.store.compare(config, &in_flight.write).holds();
        let milestone = if holds { Milestone::of(&in_flight.write) } else { Milestone::Refused };
        if let Some(counter) = self.0.get(milestone as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The milestones that were reached, and how often.
    pub(crate) fn passed(&self) -> Vec<(Milestone, u64)> {
        let counts = self.0.iter().map(|counter| counter.load(Ordering::Relaxed));
        let all = Milestone::ALL.iter().copied().zip(counts);
        all.filter(|(_, times)| *times > 0).collect()
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; Milestone::ALL.len()])
    }
}
