//! The state of each pool in etcd.

use std::collections::BTreeMap;
use std::fmt;

use cairn_core::pool::PoolName;
use cairn_store::shape::Shape;
use cairn_store::{ClusterId, Error};

/// By pool. Pools without a state are left out.
pub type Progress = BTreeMap<PoolName, PoolStage>;

/// The state of one pool after a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PoolStage {
    /// etcd has the spec.
    Defined,
    /// The object has no finalizer yet.
    Unguarded,
    /// etcd has an earlier pool of this name with another shape, which is closed and still in use.
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
    /// etcd refused the spec; its message.
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
    /// The state that follows from an error.
    pub fn of(error: &Error) -> Self {
        match error.other_cluster() {
            Some((known, found)) => Self::OtherCluster { known, found },
            None if error.is_transient() => Self::Unreachable,
            None => Self::Refused(error.report()),
        }
    }

    /// Whether the state can change by time or by the end of a claim, without a change of the object.
    pub fn is_pending(&self) -> bool {
        matches!(self, Self::OtherShape(_) | Self::Ending)
    }
}
