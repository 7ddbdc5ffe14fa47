//! The transactions of coordination (`docs/coordination.md`, Transactions): members, owners of shards and the leader
//! of one group.
//!
//! [`Coordination`] is what one member's session needs: it carries out the actions of
//! `cairn_core::coordination::session::Machine`. [`Store`] has what administrators and the webhook need.
//!
//! Invariants: every write compares the value of the epoch, so that nothing is written into a store without one, nor
//! late into another one; no key of a shard or of the leadership has a lease.
//!
//! Not for: decisions, deadlines and repetitions. A write with an unclear result is an error here; the machine sends it
//! again unchanged.

use std::sync::Arc;

use cairn_core::coordination::path::GroupPath;

use crate::store::Store;

mod administer;
mod decode;
mod define;
mod perform;
mod read;
mod renew;
mod watch;
mod write;

pub use administer::Cleaned;
pub use perform::Performed;
pub use watch::Watch;

/// One group, as one pod uses it.
#[derive(Debug)]
pub struct Coordination<K> {
    store: Arc<Store<K>>,
    path: GroupPath,
    /// The pod's UID.
    uid: String,
}

// === impl Coordination ===

impl<K> Coordination<K> {
    /// A group, as the pod with this UID uses it.
    pub fn new(store: Arc<Store<K>>, path: GroupPath, uid: impl Into<String>) -> Self {
        Self { store, path, uid: uid.into() }
    }

    /// The group.
    pub fn path(&self) -> &GroupPath {
        &self.path
    }
}

impl<K> Clone for Coordination<K> {
    fn clone(&self) -> Self {
        Self { store: Arc::clone(&self.store), path: self.path.clone(), uid: self.uid.clone() }
    }
}
