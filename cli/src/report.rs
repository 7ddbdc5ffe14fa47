//! The output of a command. Commands return it, and only `entry` prints.

use cairn_kit::exit::Exit;

/// The output and the exit code of a command.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// For standard output.
    pub text: String,
    /// Messages for standard error.
    pub errors: Vec<String>,
    /// The exit code.
    pub exit: Exit,
}

// === impl Report ===

impl Report {
    /// One message; nothing was done.
    pub fn refused(message: impl Into<String>) -> Self {
        Self { errors: vec![message.into()], exit: Exit::Failed, ..Self::default() }
    }
}
