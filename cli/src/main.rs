//! The `cairn` command, also installed as the kubectl plugin `kubectl-cairn`.

use std::process::ExitCode;

fn main() -> ExitCode {
    cairn_cli::entry::run(&std::env::args_os().collect::<Vec<_>>()).into()
}
