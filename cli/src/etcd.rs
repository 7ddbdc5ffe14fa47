//! Why etcd could not be read or written. Each error is one message that says what to do.

use cairn_core::keys;
use cairn_kit::etcd::EtcdArgsError;
use cairn_store::Class;
use thiserror::Error;

use crate::cluster::ClusterError;

/// Why etcd could not be read or written.
#[derive(Debug, Error)]
pub enum EtcdError {
    /// The flags are wrong.
    #[error(transparent)]
    Args(#[from] EtcdArgsError),
    /// The cluster gives no access to etcd.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The TLS files cannot be used.
    #[error("{}; correct the --etcd-cacert, --etcd-cert and --etcd-key flags", .0.report())]
    Setup(cairn_store::Error),
    /// The runtime cannot start.
    #[error("cannot start: {0}; free some memory or file descriptors and try again")]
    Runtime(std::io::Error),
    /// etcd denies access.
    #[error(
        "{}; give --etcd-cert and --etcd-key of a user who may read and write {}",
        .0.report(),
        keys::ROOT
    )]
    Denied(cairn_store::Error),
    /// The result of a write is unknown.
    #[error("{}; it may have been done all the same, look with cairn claims and try again", .0.report())]
    Unsure(cairn_store::Error),
    /// No member responded.
    #[error("{}; is etcd running at the --etcd address?", .0.report())]
    Unreachable(cairn_store::Error),
    /// No member responded through the API server.
    #[error("{}; it was asked through the API server, at {pods}: look with cairn check", .error.report())]
    Forwarded {
        /// What failed.
        error: cairn_store::Error,
        /// The members' pods.
        pods: String,
    },
}

// === impl EtcdError ===

impl EtcdError {
    /// Whether the flags are wrong.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Args(_) | Self::Setup(_) => true,
            Self::Cluster(error) => matches!(error, ClusterError::Config(_)),
            _ => false,
        }
    }
}

impl From<cairn_store::Error> for EtcdError {
    fn from(error: cairn_store::Error) -> Self {
        match error.class() {
            Class::Denied => Self::Denied(error),
            _ => Self::Unreachable(error),
        }
    }
}
