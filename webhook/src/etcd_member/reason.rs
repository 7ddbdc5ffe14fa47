//! Why a member does not start yet, as a message that says what to do.
//!
//! The message is logged, and published as an Event of the pod.

use thiserror::Error;

use super::record::HexId;

/// Why a member waits. Each round decides anew.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Reason {
    /// Nobody has formed the cluster yet.
    #[error("waiting for the first member to form the cluster")]
    NoCluster,
    /// Nobody takes this member in.
    #[error("this member has no data, and no other member answers; waiting for {missing}{}", also_lost(.lost))]
    NoPeer {
        /// The members that may come back.
        missing: String,
        /// Those that have lost their data too.
        lost: String,
    },
    /// Every member is empty and another one begins.
    #[error("all members have lost their data; waiting for {first} to form the cluster anew")]
    Reforming {
        /// The member with the lowest number.
        first: String,
    },
    /// etcd takes one learner at a time.
    #[error("waiting until {name}, which joins at the moment, is a full member")]
    OtherLearner {
        /// The learner.
        name: String,
    },
    /// The StatefulSet is too small for the cluster.
    #[error(
        "the etcd cluster has {members} members ({names}), and etcd.replicas={replicas} is less than a \
         majority of them; set etcd.replicas={members}"
    )]
    NoMajority {
        /// How many belong to the cluster.
        members: usize,
        /// Which.
        names: String,
        /// How many are to run.
        replicas: u32,
    },
    /// The volume is another cluster's.
    #[error(
        "the volume holds data of etcd cluster {found}, but the cluster of this installation is \
         {recorded}; to let this member join it, delete the volume claim and the pod"
    )]
    ForeignVolume {
        /// Whose data it is.
        found: HexId,
        /// Ours.
        recorded: HexId,
    },
    /// The volume is that of a member that was replaced or removed.
    #[error(
        "the volume holds data of etcd member {found}, which belongs to the cluster no more; to let \
         this member join anew, delete the volume claim and the pod"
    )]
    FormerMember {
        /// Whose data it is.
        found: HexId,
    },
    /// Another etcd answers under the name of a member.
    #[error(
        "{endpoint} belongs to etcd cluster {found}, but the cluster of this installation is {recorded}"
    )]
    ForeignPeer {
        /// Who answered.
        endpoint: String,
        /// Its cluster.
        found: HexId,
        /// Ours.
        recorded: HexId,
    },
    /// A request failed; it is tried again.
    #[error("{0}; trying again")]
    Failed(String),
}

// === impl Reason ===

impl Reason {
    /// Whether only a person can end the wait.
    pub fn needs_help(&self) -> bool {
        matches!(
            self,
            Self::NoMajority { .. }
                | Self::ForeignVolume { .. }
                | Self::FormerMember { .. }
                | Self::ForeignPeer { .. }
        )
    }
}

fn also_lost(names: &str) -> String {
    if names.is_empty() {
        return String::new();
    }
    format!(
        " (without data: {names}). When their data is lost as well, delete their volume claims and \
         pods: then etcd begins anew, and every claim is forgotten"
    )
}
