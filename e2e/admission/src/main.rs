//! `cairn-admission`: the webhook as the tests start it, with the arguments of `cairn-webhook`.

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    cairn_webhook::entry::run(&std::env::args_os().collect::<Vec<OsString>>()).into()
}
