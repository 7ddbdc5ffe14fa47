//! What a command is doing, as one line on standard error. Only a person at a terminal sees it, while it lasts.

use std::io::{self, IsTerminal as _, Write as _};

/// Removes the line.
const CLEAR: &str = "\r\u{1b}[K";

/// A line that is shown until this is dropped.
#[derive(Debug)]
pub struct Progress(bool);

// === impl Progress ===

impl Progress {
    /// Says what is being done.
    pub fn say(what: &str) -> Self {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let shown = io::stderr().is_terminal() && !dumb;
        if shown {
            let _ = write!(io::stderr(), "{CLEAR}{what} …");
        }
        Self(shown)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.0 {
            let _ = write!(io::stderr(), "{CLEAR}");
        }
    }
}
