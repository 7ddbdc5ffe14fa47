//! Checks the coordination protocol, or shows what leaving one of its rules out breaks.

use std::process::ExitCode;

fn main() -> ExitCode {
    cairn_coordination_model::entry::run(std::env::args_os())
}
