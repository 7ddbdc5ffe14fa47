//! Failures of the harness itself. They are not violations by the product.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

/// Why a history could not be made.
#[derive(Debug, Error)]
pub enum Failure {
    /// Network namespaces need root.
    #[error("fault histories make network namespaces, which needs root; run them as root")]
    NotRoot,
    /// There is no etcd binary.
    #[error("there is no etcd at {}; run `e2e/cluster/cluster build etcd`, or set CAIRN_ETCD", .0.display())]
    NoEtcd(PathBuf),
    /// A command failed.
    #[error("`{command}` failed: {output}")]
    Command {
        /// Program and arguments.
        command: String,
        /// Its standard error.
        output: String,
    },
    /// A call of the operating system failed.
    #[error("{what}")]
    System {
        /// What was tried.
        what: String,
        /// The error.
        #[source]
        source: io::Error,
    },
    /// A request to etcd failed.
    #[error("{what} failed")]
    Etcd {
        /// The request.
        what: &'static str,
        /// The error.
        #[source]
        source: Box<etcd_client::Error>,
    },
    /// A call of the store failed.
    #[error("{what} failed: {}", source.report())]
    Store {
        /// The call.
        what: &'static str,
        /// The error.
        source: cairn_store::Error,
    },
    /// A condition was not met before the deadline.
    #[error("{what}: not within {within:?}; {last}")]
    Deadline {
        /// The condition.
        what: String,
        /// The time until the deadline.
        within: Duration,
        /// What was seen last instead.
        last: String,
    },
    /// A certificate could not be made.
    #[error("a certificate could not be made")]
    Certificate(#[from] cairn_test_etcd::PkiError),
    /// A pool of the harness's own that is not valid.
    #[error("a pool of the harness is not valid")]
    Pool(#[from] cairn_core::pool::PoolError),
    /// A group of the harness's own that is not valid.
    #[error("a group of the harness is not valid")]
    Group(#[from] cairn_core::group::GroupError),
}

// === impl Failure ===

impl Failure {
    /// An error of the system.
    pub fn system(what: impl Into<String>, source: io::Error) -> Self {
        Self::System { what: what.into(), source }
    }

    /// An error of etcd.
    pub fn etcd(what: &'static str, source: etcd_client::Error) -> Self {
        Self::Etcd { what, source: Box::new(source) }
    }
}
