//! A limit on the CPU time of processes, by a control group of Linux.
//!
//! Both versions of control groups are used as they are mounted by default. It needs root.

use std::path::{Path, PathBuf};
use std::{fs, io};

use thiserror::Error;

/// Version 2 has one hierarchy, version 1 one for each controller.
const VERSION_2: &str = "/sys/fs/cgroup";
const VERSION_1: &str = "/sys/fs/cgroup/cpu";

/// The kernel gives the quota anew after each period.
const PERIOD_US: u64 = 100_000;

/// Why there is no limit.
#[derive(Debug, Error)]
pub enum QuotaError {
    /// No controller.
    #[error("there is no control group of CPU time at {VERSION_2} or {VERSION_1}")]
    Missing,
    /// A file of the group could not be written.
    #[error("could not write {}; a CPU quota needs root", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The error.
        #[source]
        source: io::Error,
    },
}

/// A group of processes with a limit. Dropped, it gives them back to the group above.
#[derive(Debug)]
pub struct Quota {
    dir: PathBuf,
    second: bool,
    processes: Vec<u32>,
}

// === impl Quota ===

impl Quota {
    /// Puts these processes into a group of their own, without a limit yet.
    pub fn new(processes: Vec<u32>) -> Result<Self, QuotaError> {
        let controllers = Path::new(VERSION_2).join("cgroup.controllers");
        let controllers = fs::read_to_string(controllers).unwrap_or_default();
        let second = controllers.split_whitespace().any(|name| name == "cpu");
        let root = Path::new(if second { VERSION_2 } else { VERSION_1 });
        if !root.join("cgroup.procs").exists() {
            return Err(QuotaError::Missing);
        }
        if second {
            write(&root.join("cgroup.subtree_control"), "+cpu")?;
        }
        let dir = root.join(format!("cairn-bench-{}", std::process::id()));
        fs::create_dir_all(&dir)
            .map_err(|source| QuotaError::Write { path: dir.clone(), source })?;
        let quota = Self { dir, second, processes };
        for process in &quota.processes {
            write(&quota.dir.join("cgroup.procs"), &process.to_string())?;
        }
        Ok(quota)
    }

    /// Limits all of them together to so many thousandths of a CPU.
    pub fn limit(&self, milli_cpus: u64) -> Result<(), QuotaError> {
        let quota = PERIOD_US * milli_cpus / 1000;
        if self.second {
            return write(&self.dir.join("cpu.max"), &format!("{quota} {PERIOD_US}"));
        }
        write(&self.dir.join("cpu.cfs_period_us"), &PERIOD_US.to_string())?;
        write(&self.dir.join("cpu.cfs_quota_us"), &quota.to_string())
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        let Some(above) = self.dir.parent() else { return };
        for process in &self.processes {
            // It fails for a process that has ended.
            let _ = write(&above.join("cgroup.procs"), &process.to_string());
        }
        let _ = fs::remove_dir(&self.dir);
    }
}

fn write(path: &Path, text: &str) -> Result<(), QuotaError> {
    fs::write(path, text).map_err(|source| QuotaError::Write { path: path.to_owned(), source })
}
