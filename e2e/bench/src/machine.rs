//! A short description of the machine, which readers need in order to compare figures.

use std::fs;
use std::num::NonZero;
use std::thread::available_parallelism;

use crate::cpu::kib;

/// Cores, architecture, memory and operating system, as part of a sentence.
pub fn words() -> String {
    let cores = available_parallelism().map_or(1, NonZero::get);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let gib = kib(&memory, "MemTotal:").unwrap_or_default() / (1024 * 1024);
    format!("{cores} cores ({}), {gib} GiB of memory, Linux", std::env::consts::ARCH)
}
