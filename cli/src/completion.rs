//! `cairn completion`: a script with which a shell completes command lines.

use clap::CommandFactory as _;
use clap_complete::generate;

use crate::args::{Args, CompletionArgs};
use crate::report::Report;

/// Runs the command; `program` is the file that the user calls.
pub fn run(args: &CompletionArgs, program: &str) -> Report {
    let mut script = Vec::new();
    generate(args.shell, &mut Args::command(), program, &mut script);
    Report { text: String::from_utf8_lossy(&script).into_owned(), ..Report::default() }
}
