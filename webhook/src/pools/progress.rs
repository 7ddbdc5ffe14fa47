//! How far each pool has come in etcd.

use std::collections::BTreeMap;
use std::fmt;

use cairn_core::pool::PoolName;
use cairn_store::shape::Shape;
use cairn_store::{ClusterId, Error};

/// By pool. Pools about which there is nothing to say are not in it.
pub type Progress = BTreeMap<PoolName, PoolStage>;

/// What became of one pool in one round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PoolStage {
    /// etcd has the spec.
    Defined,
    /// The object's finalizer has to be put first.
    Unguarded,
    /// etcd has another shape of an earlier pool of this name, which is closed and still in use.
    OtherShape(Shape),
    /// The object is being deleted; the pool is closed and still in use.
    Ending,
    /// The object is being deleted; nothing is left in etcd.
    Ended,
    /// etcd did not answer.
    Unreachable,
    /// An etcd answered that is not the known cluster.
    OtherCluster {
        /// The known cluster.
        known: ClusterId,
        /// The cluster that answered.
        found: ClusterId,
    },
    /// etcd answered that it will not have it; its words.
    Refused(String),
}

// === impl PoolStage ===

/// As log lines have it.
impl fmt::Display for PoolStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Defined => f.write_str("defined"),
            Self::Unguarded => f.write_str("without a finalizer yet"),
            Self::OtherShape(_) => f.write_str("an earlier pool of another shape is in use"),
            Self::Ending => f.write_str("closed, and still in use"),
            Self::Ended => f.write_str("removed"),
            Self::Unreachable => f.write_str("etcd does not answer"),
            Self::OtherCluster { found, .. } => write!(f, "etcd is another cluster, {found}"),
            Self::Refused(message) => write!(f, "refused: {message}"),
        }
    }
}

impl PoolStage {
    /// What an error means for a pool.
    pub fn of(error: &Error) -> Self {
        match error.other_cluster() {
            Some((known, found)) => Self::OtherCluster { known, found },
            None if error.is_transient() => Self::Unreachable,
            None => Self::Refused(error.report()),
        }
    }

    /// Whether time, or the end of a claim, takes the pool further, without any change of its object.
    pub fn is_pending(&self) -> bool {
        matches!(self, Self::OtherShape(_) | Self::Ending)
    }
}
