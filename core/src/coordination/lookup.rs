//! Which shard or member a key belongs to (docs/coordination.md, Lookup).
//!
//! [`shard_of`] divides keys into the shards of a map; [`ShardTable`] adds their owners, which the store fences. The
//! other three divide keys among members, for caches and the like: members with different pictures may answer
//! differently for a moment. Each is prepared once per picture and then asked for each key:
//!
//! | | a key belongs to | prepared | asked |
//! |---|---|---|---|
//! | [`Rendezvous`] | the members with the highest scores | one hash per member | all members |
//! | [`Ring`] | the next of 256 tokens of each member | 256 tokens per member | a binary search |
//! | [`Multiprobe`] | the member next to any of 21 probes | one token per member | 21 binary searches |
//!
//! All three know a member by its identity: [`super::member::MemberRecord::identity`]. Answers are indices into the
//! identities as given, so give them in a fixed order. What they compute is fixed for ever:
//! `docs/coordination/vectors.json`.
//!
//! Not for: whether the owner of a shard may still serve it. Only the owner knows.

pub mod hash;
mod multiprobe;
mod operation;
mod rendezvous;
mod ring;
mod shard;

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

pub use multiprobe::Multiprobe;
pub use operation::{Operation, OperationError, serving};
pub use rendezvous::Rendezvous;
pub use ring::Ring;
pub use shard::{KeyError, ShardTable, shard_of};

/// How the owners of a key are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// By the map: the owner of the key's shard.
    #[default]
    Map,
    /// By [`Ring`].
    Ring,
    /// By [`Rendezvous`].
    Rendezvous,
    /// By [`Multiprobe`].
    Multiprobe,
}

/// The text is not an algorithm.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("algorithm '{0}' is not known; write map, ring, rendezvous or multiprobe")]
pub struct AlgorithmError(String);

// === impl Algorithm ===

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 4] = [Self::Map, Self::Ring, Self::Rendezvous, Self::Multiprobe];

    /// As in requests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Map => "map",
            Self::Ring => "ring",
            Self::Rendezvous => "rendezvous",
            Self::Multiprobe => "multiprobe",
        }
    }
}

impl FromStr for Algorithm {
    type Err = AlgorithmError;

    fn from_str(text: &str) -> Result<Self, AlgorithmError> {
        let found = Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == text);
        found.ok_or_else(|| AlgorithmError(text.to_owned()))
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
