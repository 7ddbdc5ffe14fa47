//! Snowflake-style IDs: milliseconds since an epoch, a node ID, a sequence number within the millisecond.
//!
//! [`Minter`] is pure: clock readings and bounds are passed in as values. Invariants: its IDs strictly grow, and their
//! timestamps lie within the given bounds. When the sequence numbers of a millisecond are used up, or the clock was set
//! back, it goes on after its last ID, as long as the bounds allow: no ID repeats and minting does not stall. Not for
//! deciding whether the pod still holds the node ID: the claim's deadline says that.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

use crate::time::UnixMillis;

/// Bits of an ID, so that it is a positive number in the signed 64-bit integers of databases.
const BITS: u32 = 63;

/// The widespread layout: milliseconds of 69 years, 1,024 nodes, 4,096 IDs per node and millisecond.
pub const DEFAULT_LAYOUT: &str = "41/10/12";

/// The default epoch of the IDs: with 41 bits of milliseconds it lasts until 2089.
pub const DEFAULT_EPOCH: &str = "2020-01-01T00:00:00Z";

/// How many bits of an ID are timestamp, node and sequence number, and the epoch of the timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    timestamp: u32,
    node: u32,
    sequence: u32,
    epoch: UnixMillis,
}

/// Why a layout was refused; each message says what to write instead.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum LayoutError {
    /// Not three numbers.
    #[error(
        "'{0}' is not a layout; write the bits of timestamp, node and sequence, like {DEFAULT_LAYOUT}"
    )]
    Malformed(String),
    /// The bits are not 63, or a part has none.
    #[error(
        "'{layout}' has {sum} bits; give each part at least 1 and all together {BITS}, like {DEFAULT_LAYOUT}"
    )]
    Sum {
        /// As written.
        layout: String,
        /// The sum of its bits.
        sum: u32,
    },
    /// The pool has numbers that do not fit into the bits of the node.
    #[error(
        "the layout {layout} holds node IDs up to {}, but pool '{pool}' goes up to {largest}; \
         give the node {needed} bits",
        layout.largest_node()
    )]
    Nodes {
        /// The layout.
        layout: Layout,
        /// The pool.
        pool: String,
        /// Its largest number.
        largest: u32,
        /// How many bits the largest number needs.
        needed: u32,
    },
    /// Not a time.
    #[error("'{0}' is not a time; write it like {DEFAULT_EPOCH}")]
    Epoch(String),
}

/// Mints the IDs of one claim.
#[derive(Clone, Debug)]
pub struct Minter {
    layout: Layout,
    node: u32,
    next: Position,
}

/// IDs that can be minted now: consecutive positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    first: Position,
    count: u32,
    /// The timestamp of the last one.
    pub end: UnixMillis,
}

/// A millisecond and a sequence number in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Position {
    millis: i64,
    sequence: i64,
}

/// Why nothing was minted.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum MintError {
    /// The first timestamp that may be used is in the future.
    #[error("the first timestamp that this claim may use is {} ms away", .0.as_millis())]
    Wait(Duration),
    /// The last timestamp that may be used has passed.
    #[error(
        "the time reserved for this node ID is used up; more is reserved as soon as etcd can be written to"
    )]
    UsedUp,
    /// The clock is before the layout's epoch.
    #[error(
        "the clock reads {now}, which is before the IDs' epoch {epoch}; set the clock, or an earlier \
         epoch: ids.epoch of another pool, or --id-epoch"
    )]
    BeforeEpoch {
        /// The clock.
        now: UnixMillis,
        /// The epoch.
        epoch: UnixMillis,
    },
    /// The timestamp does not fit into the bits of the layout.
    #[error(
        "{0} bits of milliseconds since the IDs' epoch are over; use another pool with a later ids.epoch, or \
         a later --id-epoch"
    )]
    OutOfBits(u32),
}

// === impl Layout ===

impl Layout {
    /// Reads `timestamp/node/sequence` bits and an RFC 3339 time.
    pub fn parse(bits: &str, epoch: &str) -> Result<Self, LayoutError> {
        let malformed = || LayoutError::Malformed(bits.to_owned());
        let part = |text: &str| text.parse::<u8>().map(u32::from).map_err(|_| malformed());
        let parts: Vec<u32> = bits.split('/').map(part).collect::<Result<_, _>>()?;
        let [timestamp, node, sequence] = *parts.as_slice() else {
            return Err(malformed());
        };
        let sum = timestamp + node + sequence;
        if sum != BITS || parts.contains(&0) {
            return Err(LayoutError::Sum { layout: bits.to_owned(), sum });
        }
        let epoch = UnixMillis::parse(epoch).ok_or_else(|| LayoutError::Epoch(epoch.to_owned()))?;
        Ok(Self { timestamp, node, sequence, epoch })
    }

    /// Whether every node ID of a pool fits.
    pub fn check(&self, pool: &str, largest: u32) -> Result<(), LayoutError> {
        if u64::from(largest) <= self.largest_node() {
            return Ok(());
        }
        let needed = u32::BITS - largest.leading_zeros();
        Err(LayoutError::Nodes { layout: *self, pool: pool.to_owned(), largest, needed })
    }

    fn largest_node(&self) -> u64 {
        (1 << self.node) - 1
    }

    fn per_milli(&self) -> i64 {
        1 << self.sequence
    }

    fn compose(&self, node: u32, at: Position) -> u64 {
        let millis = at.millis.saturating_sub(self.epoch.0);
        let bits = (millis << (self.node + self.sequence))
            | (i64::from(node) << self.sequence)
            | at.sequence;
        bits.unsigned_abs()
    }
}

/// The form that [`Layout::parse`] reads.
impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.timestamp, self.node, self.sequence)
    }
}

// === impl Minter ===

impl Minter {
    /// A minter that uses no timestamp before `from`.
    pub fn new(layout: Layout, node: u32, from: UnixMillis) -> Self {
        Self { layout, node, next: Position { millis: from.0, sequence: 0 } }
    }

    /// How far the next ID's timestamp is ahead of a clock.
    pub fn ahead(&self, now: UnixMillis) -> Duration {
        Duration::from_millis(u64::try_from(self.next.millis.saturating_sub(now.0)).unwrap_or(0))
    }

    /// The IDs that [`Self::take`] would mint: `count` IDs from the clock's reading on, or after the last ID when that
    /// is later. An error when one of them is outside the bounds.
    pub fn plan(
        &self,
        now: UnixMillis,
        not_before: UnixMillis,
        not_after: UnixMillis,
        count: u32,
    ) -> Result<Batch, MintError> {
        let layout = &self.layout;
        let first = self.next.max(Position { millis: now.0, sequence: 0 });
        if first.millis < not_before.0 {
            let wait = not_before.0.saturating_sub(now.0);
            return Err(MintError::Wait(Duration::from_millis(wait.unsigned_abs())));
        }
        if first.millis < layout.epoch.0 {
            return Err(MintError::BeforeEpoch { now, epoch: layout.epoch });
        }
        let last = self.offset(first, i64::from(count.max(1)) - 1);
        if last.millis > not_after.0 {
            return Err(MintError::UsedUp);
        }
        if last.millis.saturating_sub(layout.epoch.0) >> layout.timestamp != 0 {
            return Err(MintError::OutOfBits(layout.timestamp));
        }
        Ok(Batch { first, count, end: UnixMillis(last.millis) })
    }

    /// Mints a batch. It must have been planned after the previous batch was taken.
    pub fn take(&mut self, batch: Batch) -> Vec<u64> {
        self.next = self.next.max(self.offset(batch.first, i64::from(batch.count)));
        (0..i64::from(batch.count))
            .map(|offset| self.layout.compose(self.node, self.offset(batch.first, offset)))
            .collect()
    }

    /// Plans and takes.
    pub fn mint(
        &mut self,
        now: UnixMillis,
        not_before: UnixMillis,
        not_after: UnixMillis,
        count: u32,
    ) -> Result<Vec<u64>, MintError> {
        let batch = self.plan(now, not_before, not_after, count)?;
        Ok(self.take(batch))
    }

    fn offset(&self, from: Position, count: i64) -> Position {
        let per_milli = self.layout.per_milli();
        // Milliseconds stay apart: with 61 bits of sequence, a position as one number would not fit.
        let sequence = from.sequence.saturating_add(count);
        Position {
            millis: from.millis.saturating_add(sequence / per_milli),
            sequence: sequence % per_milli,
        }
    }
}

#[cfg(test)]
mod tests;
