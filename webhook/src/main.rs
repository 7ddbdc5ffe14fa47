//! The control plane of Cairn: admission, pools, the claims mirror and certificates.

use std::process::ExitCode;

fn main() -> ExitCode {
    cairn_webhook::entry::run(&std::env::args_os().collect::<Vec<_>>()).into()
}
