//! The program of `make demo`: shows three pods with three names, before and after a rollout.
//!
//! The Makefile starts the cluster and imports the images before.

use std::process::ExitCode;

use cairn_e2e::demo;

fn main() -> ExitCode {
    let cluster = std::env::args().nth(1).unwrap_or_else(|| "demo".to_owned());
    match demo::show(&cluster) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("demo: {failure:?}");
            ExitCode::FAILURE
        }
    }
}
