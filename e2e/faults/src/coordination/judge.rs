//! The judge: pure functions from a group's evidence to violations.

mod check;
mod manner;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fmt::Write as _;

pub use check::{gaps, judge, longest_gap, moves, restless};
pub use manner::{overruns, unconfirmed, uneven, values};

use super::journal::Evidence;
use crate::boottime::{self, Nanos};

/// What was violated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Two pods served one shard, or led, at one instant.
    Overlap,
    /// Shards of two maps were served at one instant.
    TwoMaps,
    /// A later server has no greater fence.
    FenceOrder,
    /// A later server began sooner than the margin after the deadline of the one before.
    Margin,
    /// What a pod served was not served again in the time that is promised.
    Gap,
    /// A stop that the app had not confirmed was handed over where a confirmation is required.
    Unconfirmed,
    /// A deadline was told beyond the app's last heartbeat and its time.
    Heartbeat,
    /// An older value of the leader has replaced a newer one.
    Value,
    /// In the end members do not serve as many shards as their weights say.
    Uneven,
    /// In the end something has no server, although members live.
    Starved,
    /// In the end etcd is still written to, or something changes its owner.
    NotQuiet,
    /// A process ended although nothing asked it to.
    Died,
}

/// A violation of what coordination promises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What was violated.
    pub kind: Kind,
    /// When.
    pub at: Nanos,
    /// The description.
    pub text: String,
}

// === impl Violation ===

impl Violation {
    /// A violation now.
    pub fn now(kind: Kind, text: impl Into<String>) -> Self {
        Self { kind, at: boottime::now(), text: text.into() }
    }

    /// What was done to the group around it.
    pub fn timeline(&self, evidence: &Evidence) -> String {
        let (before, after) = (15_000_000_000, 2_000_000_000);
        let from = self.at.saturating_sub(before);
        let notes = evidence.notes.iter();
        let near = notes.filter(|(at, _)| (from..self.at.saturating_add(after)).contains(at));
        near.fold(String::new(), |mut text, (at, note)| {
            let _ = writeln!(text, "    {at} {note}");
            text
        })
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {}: {}", self.kind, self.at, self.text)
    }
}
