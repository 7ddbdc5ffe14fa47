//! What can go wrong with a request to etcd, and what follows from it.
//!
//! Retry policy lives here and nowhere else: [`Error::class`] says whether a request was applied.
//! Only a failed compare means "taken"; no error does.

use std::time::Duration;

use thiserror::Error;

use crate::cluster::ClusterId;

/// A request that had no good answer.
#[derive(Debug, Error)]
pub enum Error {
    /// The endpoint is not a URL.
    #[error("etcd endpoint '{endpoint}' is not a URL; write it like http://127.0.0.1:2379")]
    Endpoint {
        /// As given.
        endpoint: String,
    },
    /// No endpoint at all.
    #[error("no etcd endpoint was given; write one like http://127.0.0.1:2379")]
    NoEndpoint,
    /// A TLS file could not be read.
    #[error("could not read {path}")]
    ReadTls {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The client could not be set up.
    #[error("could not set up the connection to {endpoint}")]
    Connect {
        /// The member.
        endpoint: String,
        /// Why.
        #[source]
        source: Box<etcd_client::Error>,
    },
    /// The member answered with an error, or the connection broke.
    #[error("{operation} failed at {endpoint}")]
    Call {
        /// What was asked.
        operation: &'static str,
        /// The member.
        endpoint: String,
        /// What follows.
        class: Class,
        /// What it said.
        #[source]
        source: Box<etcd_client::Error>,
    },
    /// No answer in time.
    #[error("{operation} had no answer from {endpoint} within {after:?}")]
    Timeout {
        /// What was asked.
        operation: &'static str,
        /// The member.
        endpoint: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// The member belongs to another cluster than the one that is known.
    #[error(
        "{endpoint} belongs to etcd cluster {found}, not to {known}{}; correct the list of etcd members, \
         or, if {found} replaces {known}, run cairn admin restored --replaces {known}{}",
        known_by(*.accepted_after), accepted_by_itself(*.accepted_after)
    )]
    OtherCluster {
        /// The member.
        endpoint: String,
        /// The cluster that is believed.
        known: ClusterId,
        /// The cluster of this answer.
        found: ClusterId,
        /// How long the known cluster must be silent before this one is believed; `None` for never.
        accepted_after: Option<Duration>,
    },
    /// No answer has said which cluster it comes from.
    #[error(
        "etcd does not say which cluster it is; connect to its members directly, not through a gateway"
    )]
    NoClusterId,
    /// The answer is not of the request's form.
    #[error("{operation} had an answer that does not fit the request")]
    Malformed {
        /// What was asked.
        operation: &'static str,
    },
    /// A record in the store is not readable.
    #[error("the record at {key} is not readable")]
    Record {
        /// Its key.
        key: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A fault that a test asked for.
    #[error("injected fault: {0:?}")]
    Injected(Class),
}

/// What follows from an error (PROTOCOL, "Errors are not taken").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Certainly not applied; the same request may be sent again.
    NotApplied,
    /// Certainly not applied, because the lease does not exist.
    LeaseGone,
    /// Certainly not applied, and sending it again will not help.
    Denied,
    /// Possibly applied, now or later: read back before anything else.
    Ambiguous,
}

impl Error {
    /// Whether and how the request was applied.
    pub fn class(&self) -> Class {
        match self {
            Self::Call { class, .. } | Self::Injected(class) => *class,
            // The other cluster may have done it; that is not ours to say.
            Self::Timeout { .. } | Self::OtherCluster { .. } => Class::Ambiguous,
            Self::Endpoint { .. }
            | Self::NoEndpoint
            | Self::ReadTls { .. }
            | Self::Connect { .. }
            | Self::NoClusterId
            | Self::Malformed { .. }
            | Self::Record { .. } => Class::Denied,
        }
    }

    /// Whether trying again, perhaps at another member, can help.
    pub fn is_transient(&self) -> bool {
        matches!(self.class(), Class::NotApplied | Class::Ambiguous)
    }

    /// Whether the lease is known to be gone.
    pub fn is_lease_gone(&self) -> bool {
        self.class() == Class::LeaseGone
    }

    /// The whole chain of causes in one line.
    pub fn report(&self) -> String {
        let mut line = self.to_string();
        if let Self::Call { source, .. } | Self::Connect { source, .. } = self {
            line.push_str(": ");
            line.push_str(&words(source));
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

/// Why the known cluster is the known one.
fn known_by(accepted_after: Option<Duration>) -> &'static str {
    match accepted_after {
        Some(_) => ", which answered before",
        None => ", which --etcd-cluster-id asks for",
    }
}

fn accepted_by_itself(accepted_after: Option<Duration>) -> String {
    accepted_after.map_or_else(String::new, |silence| {
        format!(" (otherwise it is accepted when {silence:?} have passed without an answer of the former one)")
    })
}

/// What an etcd error says to people. A status that the client made up prints as a dump of its
/// transport; the innermost cause is the one line of it that tells something. Answers of a server
/// have no cause.
fn words(error: &etcd_client::Error) -> String {
    let etcd_client::Error::GRpcStatus(status) = error else {
        return error.to_string();
    };
    let mut cause = std::error::Error::source(status);
    let mut line = status.message().to_owned();
    while let Some(error) = cause {
        line = error.to_string();
        cause = error.source();
    }
    line
}
