//! The program `cairn-sidecar`: claims an identity for one pod and publishes it to the app.

use std::process::ExitCode;

fn main() -> ExitCode {
    cairn_sidecar::entry::run(&std::env::args_os().collect::<Vec<_>>())
}
