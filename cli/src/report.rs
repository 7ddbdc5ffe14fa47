//! What a command has to say, and how it ends. Commands return it; only `entry` prints.

use std::process::ExitCode;

/// How `cairn` ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// All is well.
    #[default]
    Fine,
    /// Something was refused or failed.
    Failed,
    /// Wrong usage, or a file that cannot be read.
    Usage,
}

/// What a command has to say.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// For standard output.
    pub text: String,
    /// Sentences for standard error.
    pub trouble: Vec<String>,
    /// How to end.
    pub exit: Exit,
}

// === impl Report ===

impl Report {
    /// One sentence, and nothing was done.
    pub fn refused(sentence: impl Into<String>) -> Self {
        Self { trouble: vec![sentence.into()], exit: Exit::Failed, ..Self::default() }
    }
}

// === impl Exit ===

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Fine => Self::SUCCESS,
            Exit::Failed => Self::FAILURE,
            Exit::Usage => Self::from(2),
        }
    }
}
