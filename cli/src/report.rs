//! What a command has to say, and how it ends. Commands return it; only `entry` prints.

use cairn_kit::exit::Exit;

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
