//! What can go wrong with the harness itself; never a finding about the product.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

/// Why a history could not be made.
#[derive(Debug, Error)]
pub enum Failure {
    /// Namespaces need privileges.
    #[error("fault histories make network namespaces, which only root may; run them as root")]
    NotRoot,
    /// No etcd.
    #[error("there is no etcd at {}; run `e2e/cluster/cluster build etcd`, or set CAIRN_ETCD", .0.display())]
    NoEtcd(PathBuf),
    /// A command of the system.
    #[error("`{command}` failed: {output}")]
    Command {
        /// What was run.
        command: String,
        /// What it said.
        output: String,
    },
    /// A process, a file or a thread.
    #[error("{what}")]
    System {
        /// What was tried.
        what: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A call to etcd.
    #[error("{what} failed")]
    Etcd {
        /// What was asked.
        what: &'static str,
        /// What it said.
        #[source]
        source: Box<etcd_client::Error>,
    },
    /// A call to the store.
    #[error("{what} failed: {}", source.report())]
    Store {
        /// What was asked.
        what: &'static str,
        /// What it said.
        source: cairn_store::Error,
    },
    /// A condition did not come true.
    #[error("{what}: not within {within:?}; {last}")]
    Deadline {
        /// What was waited for.
        what: String,
        /// How long.
        within: Duration,
        /// What was there instead.
        last: String,
    },
    /// A pool of the harness's own that is not valid.
    #[error("a pool of the harness is not valid")]
    Pool(#[from] cairn_core::pool::PoolError),
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
