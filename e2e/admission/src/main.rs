//! `cairn-admission`: the webhook as the tests start it, and the benchmark of admission.

use std::ffi::OsString;
use std::process::ExitCode;

use cairn_test_admission::command;

fn main() -> ExitCode {
    command::run(&std::env::args_os().collect::<Vec<OsString>>())
}
