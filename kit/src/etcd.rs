//! Where etcd is: flags, checks and messages that are the same in every binary.
//!
//! Invariant: what one binary accepts, every other one accepts. The webhook hands its members on to sidecars, and
//! people hand those of a sidecar to `cairn`. Flags win over their variables; an empty text is as good as none.
//! Not for: whether files can be read and members answer, which shows when the connection is used.

use cairn_store::etcd::{Connection, Tls, TlsFiles};
use cairn_store::{ClusterId, ExpectedCluster, KeyPrefix};

pub use self::args::{EtcdArgs, EtcdArgsError};
pub use self::endpoints::{Endpoints, EndpointsError, https_port};

mod args;
mod endpoints;

/// Which etcd cluster and which keys in it are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The one cluster to talk to.
    pub cluster: Option<ClusterId>,
    /// The prefix of all keys.
    pub prefix: KeyPrefix,
}

/// An etcd, and how to prove its identity and ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EtcdTarget {
    /// The members.
    pub endpoints: Endpoints,
    /// Files for TLS; present exactly when the members are `https`.
    pub tls: Option<TlsFiles>,
    /// The one cluster to talk to.
    pub cluster: Option<ClusterId>,
    /// The prefix of all keys.
    pub prefix: KeyPrefix,
}

// === impl EtcdTarget ===

impl EtcdTarget {
    /// A connection to it.
    pub fn connection(&self) -> Connection {
        Connection {
            tls: self.tls.clone().map(Tls::Files),
            prefix: self.prefix.clone(),
            cluster: self.cluster.map_or(ExpectedCluster::Any, ExpectedCluster::Required),
            ..Connection::new(self.endpoints.urls())
        }
    }
}

#[cfg(test)]
mod tests;
