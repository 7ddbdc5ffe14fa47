//! Why a part of the plane does not run.

use std::io;
use std::path::PathBuf;

use cairn_test_etcd::{PkiError, TestEtcdError};
use thiserror::Error;

/// Why a part of the plane does not run.
#[derive(Debug, Error)]
pub enum Failure {
    /// A binary is missing.
    #[error("there is no {}; run `{how}`", path.display())]
    Missing {
        /// Where it was expected.
        path: PathBuf,
        /// How to make it.
        how: &'static str,
    },
    /// A file or process failed.
    #[error("could not {what}")]
    Io {
        /// The attempt.
        what: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A program ended with an error.
    #[error("{program} failed: {message}")]
    Program {
        /// The program and its arguments.
        program: String,
        /// What it printed.
        message: String,
    },
    /// Something did not happen in time.
    #[error("{what} did not happen in time; {log}")]
    Late {
        /// The event.
        what: String,
        /// The end of the log.
        log: String,
    },
    /// etcd.
    #[error(transparent)]
    Etcd(#[from] TestEtcdError),
    /// A certificate.
    #[error("could not make a certificate")]
    Certificate(#[from] PkiError),
}

// === impl Failure ===

impl Failure {
    /// A failure of an attempt.
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        |source| Self::Io { what, source }
    }
}
