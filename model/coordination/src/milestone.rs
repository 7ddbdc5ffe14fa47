//! Milestones: the steps that a check must reach.
//!
//! A promise that holds in every state says little when nothing happened that could break it. So every write that is
//! carried out is classified, and each scenario names the milestones that it must reach.
//! Not for: judging. A milestone is no error.

use cairn_model_check::names;

use crate::action::Action;
use crate::config::Config;
use crate::system::SystemState;
use crate::write::{Reason, Write, WriteKind};

names! {
    /// A kind of step.
    Milestone;

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
    /// The milestone of a step, if it carries a write out.
    pub(crate) fn reached(config: &Config, before: &SystemState, action: Action) -> Option<Self> {
        let (Action::Land(index) | Action::LandAtKnown(index) | Action::LandUnanswered(index)) =
            action
        else {
            return None;
        };
        let in_flight = before.writes.get(index)?;
        let holds = before.store.compare(config, &in_flight.write).holds();
        Some(if holds { Self::of(&in_flight.write) } else { Self::Refused })
    }

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
