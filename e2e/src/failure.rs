//! Why a step of a test failed. The test runner prints it with `Debug`, so `Debug` prints the message.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

/// Why a step failed.
#[derive(Error)]
pub enum Failure {
    /// The program does not exist or cannot be run.
    #[error("cannot start {program}")]
    Start {
        /// The program.
        program: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The program ended with an error.
    #[error("'{command}' ended with {code:?}: {stderr}")]
    Command {
        /// Program and arguments.
        command: String,
        /// The exit code; `None` after a signal.
        code: Option<i32>,
        /// Its standard error.
        stderr: String,
    },
    /// A condition was not met before the deadline.
    #[error("not met within {} s: {what}; last seen: {last}", within.as_secs())]
    Deadline {
        /// The condition.
        what: String,
        /// The time until the deadline.
        within: Duration,
        /// What was seen last instead.
        last: String,
    },
    /// A file could not be read or written.
    #[error("cannot use {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// An unexpected state, described by its message.
    #[error("{0}")]
    Unexpected(String),
}

impl Failure {
    /// A failure with this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self::Unexpected(message.into())
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}
