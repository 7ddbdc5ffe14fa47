//! Why a step of a test failed. Printed by the test runner through `Debug`, so that is a sentence.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

/// Why a step failed.
#[derive(Error)]
pub enum Failure {
    /// The program is not there or cannot run.
    #[error("cannot start {program}")]
    Start {
        /// What was to run.
        program: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The program ran and was not content.
    #[error("'{command}' ended with {code:?}: {stderr}")]
    Command {
        /// Program and arguments.
        command: String,
        /// The exit code; none after a signal.
        code: Option<i32>,
        /// What it said.
        stderr: String,
    },
    /// A condition was not met in time.
    #[error("after {} s still not: {what}; last seen: {last}", within.as_secs())]
    Deadline {
        /// The condition.
        what: String,
        /// How long it was given.
        within: Duration,
        /// What was there instead.
        last: String,
    },
    /// A file could not be used.
    #[error("cannot use {}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Something was not as it must be.
    #[error("{0}")]
    Unexpected(String),
}

impl Failure {
    /// For findings that are a sentence of their own.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self::Unexpected(sentence.into())
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
