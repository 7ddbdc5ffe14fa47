//! CPU time and memory of a process, read from `/proc`.

use std::fs;
use std::time::Duration;

/// CPU time of all threads of a process, in nanoseconds; zero when the process does not exist.
pub fn used(pid: u32) -> Duration {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Duration::ZERO;
    };
    let nanos = threads.flatten().filter_map(|thread| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

/// Resident memory of a process in KiB.
pub fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    kib(&status, "VmRSS:").unwrap_or_default()
}

/// The largest resident memory that a process has had, in KiB.
pub fn peak(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    kib(&status, "VmHWM:").unwrap_or_default()
}

/// The value of a line such as `VmRSS:     1234 kB`.
pub fn kib(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_and_memory_of_this_process_are_not_zero() {
        assert!(used(std::process::id()) > Duration::ZERO);
        assert!(resident(std::process::id()) > 0);
        assert!(peak(std::process::id()) > 0);
    }

    #[test]
    fn a_value_in_kib_is_found_by_its_name() {
        assert_eq!(kib("VmPeak:\t 9 kB\nVmRSS:\t   1234 kB\n", "VmRSS:"), Some(1234));
        assert_eq!(kib("", "VmRSS:"), None);
    }
}
