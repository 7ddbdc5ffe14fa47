//! `cairn-admission-allocations`: counts the allocations of the benchmark's handlers.
//!
//! A program of its own, because counting slows every allocation and would be seen in all times of the benchmark.

use std::alloc::System;
use std::process::ExitCode;

use cairn_test_admission::bench::alone;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> ExitCode {
    match alone::count() {
        Ok(counts) => {
            println!("{}", serde_json::json!(counts));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("cairn-admission-allocations: {}", cairn_kit::errors::report(&error));
            ExitCode::FAILURE
        }
    }
}
