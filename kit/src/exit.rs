//! How a program ends: its exit codes, and its last words.

use std::io::{self, Write as _};
use std::process::ExitCode;

/// How a program ends. The worst one wins where several things end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// It was asked to end, or has done everything that it was asked for.
    #[default]
    Clean = 0,
    /// Something failed or was refused.
    Failed = 1,
    /// Wrong flags, or a file that cannot be read. The same code as clap's.
    Usage = 2,
    /// A younger sidecar of the same pod took over.
    Fenced = 3,
}

/// Tells whoever started `program` why it ends.
pub fn complain(program: &str, message: &str) {
    // Nobody reads it when standard error is closed, and there is nobody else to tell.
    let _ = writeln!(io::stderr(), "{program}: {message}");
}

// === impl Exit ===

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
