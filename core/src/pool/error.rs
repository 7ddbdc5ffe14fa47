//! Why a pool is refused.

use std::time::Duration;

use thiserror::Error;

use crate::duration;
use crate::ids::LayoutError;
use crate::names::NamesError;
use crate::prefix::PrefixError;

/// An annotation key (`claim.cairn.dev/<pool>`) may have 63 characters after the slash; this leaves room for suffixes.
pub(super) const MAX_POOL_NAME_LEN: usize = 40;

/// Why a pool was refused; each message says what to write instead.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PoolError {
    /// Not a pool name.
    #[error(
        "pool name '{0}' is not valid; use 1 to {MAX_POOL_NAME_LEN} lower-case letters, digits and '-', \
         starting with a letter and not ending with '-'"
    )]
    Name(String),
    /// A published file has this name.
    #[error("pool name '{0}' is reserved for a file in the shared volume; choose another")]
    Reserved(String),
    /// The names are not usable.
    #[error("{0}")]
    Names(#[from] NamesError),
    /// The prefix template is not usable.
    #[error("{0}")]
    Prefix(#[from] PrefixError),
    /// Out of bounds.
    #[error("validity must be between 1s and 1h, not {}", duration::print(*.0))]
    Validity(Duration),
    /// Out of bounds.
    #[error("quarantine must be at most 1h, not {}", duration::print(*.0))]
    Quarantine(Duration),
    /// Time is reserved per node ID, and names are not node IDs.
    #[error("clock: Reserve needs numeric names; give names.range instead")]
    ReserveNeedsRange,
    /// IDs are minted within reserved time only.
    #[error("ids needs clock: Reserve, without which no IDs are minted; add it, or remove ids")]
    IdsNeedReserve,
    /// The layout or the epoch of IDs.
    #[error("ids.{field} {error}")]
    Ids {
        /// `layout` or `epoch`.
        field: &'static str,
        /// What is wrong with it.
        error: LayoutError,
    },
    /// Not JSON of a pool.
    #[error("not a pool spec: {0}")]
    Malformed(String),
    /// A field that a pool does not have.
    #[error("a pool's spec has no field '{field}'; {advice}")]
    UnknownField {
        /// Its path within the spec.
        field: String,
        /// What to write instead.
        advice: String,
    },
}
