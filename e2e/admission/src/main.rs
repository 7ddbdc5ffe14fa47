//! `cairn-admission`: the webhook as the tests start it, and the benchmark of admission.

use std::alloc::System;
use std::ffi::OsString;
use std::process::ExitCode;

use cairn_test_admission::command;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

/// Counts allocations for the benchmark.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> ExitCode {
    command::run(&std::env::args_os().collect::<Vec<OsString>>())
}
