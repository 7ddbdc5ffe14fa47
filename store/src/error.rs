//! What can go wrong with a request to etcd, and whether it was applied.
//!
//! [`Error::class`] is the only place that says whether a request may be repeated. Only a failed compare means that a
//! name is taken; no error does.

use std::time::Duration;

use thiserror::Error;

use crate::cluster::ClusterId;

/// A request that failed, or whose result is unknown.
#[derive(Debug, Error)]
pub enum Error {
    /// The endpoint is not a URL.
    #[error("etcd endpoint '{endpoint}' is not a URL; write it like http://127.0.0.1:2379")]
    Endpoint {
        /// The endpoint.
        endpoint: String,
    },
    /// No endpoint was given.
    #[error("no etcd endpoint was given; write one like http://127.0.0.1:2379")]
    NoEndpoint,
    /// There are no members yet.
    #[error("no access to etcd yet: {reason}")]
    NoAccess {
        /// Why.
        reason: String,
    },
    /// A TLS file could not be read.
    #[error("could not read {path}")]
    ReadTls {
        /// The file.
        path: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A part of the TLS set-up is missing or is not PEM.
    #[error("{what} has no certificate or key in PEM form, or not all of it")]
    NoPem {
        /// The file, or the part of the configuration.
        what: String,
    },
    /// The client could not be set up.
    #[error("could not set up the connection to {endpoint}")]
    Connect {
        /// The member.
        endpoint: String,
        /// The cause.
        #[source]
        source: Box<etcd_client::Error>,
    },
    /// The member answered with an error, or the connection broke.
    #[error("{operation} failed at {endpoint}")]
    Call {
        /// The operation.
        operation: &'static str,
        /// The member.
        endpoint: String,
        /// Whether it was applied.
        class: Class,
        /// Whether etcd has answered that it cannot keep up.
        overloaded: bool,
        /// The error of the client library.
        #[source]
        source: Box<etcd_client::Error>,
    },
    /// No answer in time.
    #[error("{operation} had no answer from {endpoint} within {after:?}")]
    Timeout {
        /// The operation.
        operation: &'static str,
        /// The member.
        endpoint: String,
        /// The time limit.
        after: Duration,
    },
    /// The member belongs to another cluster than the known one.
    #[error(
        "{endpoint} belongs to etcd cluster {found}, not to {known}{}; {}{}",
        known_by(*.accepted_after), known.advice_on(*.found), accepted_by_itself(*.accepted_after)
    )]
    OtherCluster {
        /// The member.
        endpoint: String,
        /// The known cluster.
        known: ClusterId,
        /// The cluster of this answer.
        found: ClusterId,
        /// How long the known cluster must be silent before this one is accepted; `None` for never.
        accepted_after: Option<Duration>,
    },
    /// etcd has ended a watch.
    #[error("etcd ended the watch at {endpoint}: {reason}")]
    WatchEnded {
        /// The member.
        endpoint: String,
        /// In etcd's words.
        reason: String,
    },
    /// The epoch has changed while a group was watched. What came since may be of either epoch.
    #[error("the epoch has changed; read the group again")]
    EpochChanged,
    /// etcd is too old to keep namespaces apart.
    #[error(
        "etcd {found} at {endpoint} does not check every permission of transactions and leases; use one of {needed} or \
         a later one, or switch the isolation of namespaces off"
    )]
    TooOld {
        /// The member.
        endpoint: String,
        /// Its version.
        found: String,
        /// The versions from which on it does.
        needed: String,
    },
    /// No answer has named its cluster.
    #[error(
        "etcd does not send its cluster id; connect to its members directly, not through a gateway"
    )]
    NoClusterId,
    /// The answer does not have the form that the request asks for.
    #[error("{operation} had an answer that does not fit the request")]
    Malformed {
        /// The operation.
        operation: &'static str,
    },
    /// A record in the store cannot be parsed.
    #[error("the record at {key} cannot be parsed")]
    Record {
        /// The key.
        key: String,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// A fault that a test has injected.
    #[error("injected fault: {0:?}")]
    Injected(Class),
}

/// Whether a request that failed was applied (`docs/protocol.md`, "Answers").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Certainly not applied. The same request may be sent again.
    NotApplied,
    /// Certainly not applied, because the lease does not exist.
    LeaseGone,
    /// Certainly not applied. Sending it again does not help.
    Denied,
    /// Possibly applied, now or later. Read back before anything else.
    Ambiguous,
}

impl Error {
    /// Whether and how the request was applied.
    pub fn class(&self) -> Class {
        match self {
            Self::Call { class, .. } | Self::Injected(class) => *class,
            // The other cluster may have applied it.
            Self::Timeout { .. } | Self::OtherCluster { .. } => Class::Ambiguous,
            Self::NoAccess { .. } | Self::EpochChanged => Class::NotApplied,
            Self::Endpoint { .. }
            | Self::NoEndpoint
            | Self::ReadTls { .. }
            | Self::NoPem { .. }
            | Self::Connect { .. }
            | Self::WatchEnded { .. }
            | Self::TooOld { .. }
            | Self::NoClusterId
            | Self::Malformed { .. }
            | Self::Record { .. } => Class::Denied,
        }
    }

    /// Whether trying again, perhaps at another member, can help.
    pub fn is_transient(&self) -> bool {
        matches!(self.class(), Class::NotApplied | Class::Ambiguous)
    }

    /// Whether etcd has answered that it cannot keep up: it is not away, and asking again costs it what others need.
    pub fn is_overload(&self) -> bool {
        matches!(self, Self::Call { overloaded: true, .. })
    }

    /// The known cluster and the one that answered in its place, when that is what is wrong.
    pub fn other_cluster(&self) -> Option<(ClusterId, ClusterId)> {
        match self {
            Self::OtherCluster { known, found, .. } => Some((*known, *found)),
            _ => None,
        }
    }

    /// Whether the lease is known to be gone.
    pub fn is_lease_gone(&self) -> bool {
        self.class() == Class::LeaseGone
    }

    /// The error and its causes in one line.
    pub fn report(&self) -> String {
        let mut line = self.to_string();
        if let Self::Call { source, .. } | Self::Connect { source, .. } = self {
            line.push_str(": ");
            line.push_str(&innermost(source));
            return line;
        }
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            let text = error.to_string();
            if !line.contains(&text) {
                line.push_str(": ");
                line.push_str(&text);
            }
            cause = error.source();
        }
        line
    }
}

/// Where the id of the known cluster comes from.
fn known_by(accepted_after: Option<Duration>) -> &'static str {
    match accepted_after {
        Some(_) => ", which answered before",
        None => ", which --etcd-cluster-id or Cairn's webhook names",
    }
}

fn accepted_by_itself(accepted_after: Option<Duration>) -> String {
    accepted_after.map_or_else(String::new, |silence| {
        format!(
            " (or wait: it is accepted after {silence:?} without an answer of the former cluster)"
        )
    })
}

/// The message of an etcd error. A status that the client library has made prints its whole transport; only its
/// innermost cause is useful. The status of a server has no cause.
fn innermost(error: &etcd_client::Error) -> String {
    let (mut line, mut cause) = match error {
        etcd_client::Error::GRpcStatus(status) => {
            (status.message().to_owned(), std::error::Error::source(status))
        }
        etcd_client::Error::TransportError(error) => {
            (error.to_string(), std::error::Error::source(error))
        }
        other => return other.to_string(),
    };
    while let Some(error) = cause {
        line = error.to_string();
        cause = error.source();
    }
    line
}
