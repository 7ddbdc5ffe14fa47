//! What a pod asks for.

use super::inherited::Inherited;
use crate::claim::{Fence, Holder};
use crate::clock::MintCheckpoint;
use crate::group::Group;
use crate::pool::PoolName;
use crate::prefix::Template;

/// What a pod asks for.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who asks. Its incarnation is found out, not given.
    pub holder: Holder,
    /// The workload's group.
    pub group: Option<Group>,
    /// The pools, in the user's order; the first is the one with the plain names.
    pub pools: Vec<PoolName>,
    /// The user's own prefix template.
    pub prefix: Option<Template>,
    /// Tells the attempts of this process from those of others under the same UID. It stays the same for the
    /// life of the process, so that an attempt that lands late is recognised as ours.
    pub nonce: String,
    /// What earlier processes of this holder have published. The app may still run with it.
    pub inherited: Vec<Inherited>,
    /// Where an earlier process of this holder has stopped emitting timestamps.
    pub mint_checkpoints: Vec<(PoolName, MintCheckpoint)>,
    /// Define built-in pools that are not in the store. True without Kubernetes, where no webhook does it.
    pub define_missing: bool,
    /// Runs in a pod, where a SIGTERM is no proof that the app has ended. A released name stays in quarantine
    /// until the app has certainly ended, and only this pod may claim it before.
    pub in_pod: bool,
    /// The user says that nobody holds a name of these pools from before. A pool that is defined here need
    /// not be frozen.
    pub new_store: bool,
}

// === impl Config ===

impl Config {
    /// What an earlier process of this holder has published about a pool.
    pub(super) fn inherited(&self, pool: &PoolName) -> Option<&Inherited> {
        self.inherited.iter().find(|inherited| inherited.pool == *pool)
    }

    /// Where an earlier process of this holder has stopped emitting timestamps under a claim.
    pub(super) fn mint_checkpoint(&self, pool: &PoolName, fence: Fence) -> Option<MintCheckpoint> {
        let about = |(of, point): &&(PoolName, MintCheckpoint)| of == pool && point.fence == fence;
        self.mint_checkpoints.iter().find(about).map(|(_, point)| *point)
    }
}
