//! The claimed part of a claim's identity.

use crate::claim::Fence;
use crate::time::{BootInstant, UnixMillis};

/// The claimed part of an [`super::Identity`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The name as users see it.
    pub name: String,
    /// Its index in the pool's list; `None` once it was removed from the pool.
    pub index: Option<usize>,
    /// The metrics prefix.
    pub prefix: String,
    /// The fence.
    pub fence: Fence,
    /// Since when the claim is held.
    pub since: UnixMillis,
    /// The deadline by the wall clock: for people only.
    pub valid_until: UnixMillis,
    /// The deadline by `CLOCK_BOOTTIME`: for programs, because no wall clock is needed for it.
    pub valid_until_boottime: BootInstant,
    /// Reserve pools: the first timestamp that may be emitted.
    pub not_before: Option<UnixMillis>,
    /// Reserve pools: the last timestamp that may be emitted.
    pub not_after: Option<UnixMillis>,
}
