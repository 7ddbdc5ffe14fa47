//! `cairn-bench`: measures the cost of claims and of coordination, prints it, and writes the page of the documentation.

use std::process::ExitCode;

use cairn_bench::app;
use cairn_bench::args::Args;
use cairn_bench::report;
use clap::Parser as _;
use tokio::runtime::Builder;

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    match runtime.block_on(app::run(&args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("cairn-bench: {}", report::line(error));
    ExitCode::FAILURE
}
