//! Processes of containers, as the node sees them: to kill, freeze and weigh them.

use crate::cluster::Cluster;
use crate::{Done, Failure};

/// The process that a container runs, by the node's own numbering.
#[derive(Clone, Debug)]
pub struct Process {
    cluster: Cluster,
    /// Its number on the node.
    pub pid: u32,
}

/// What a process costs.
#[derive(Clone, Copy, Debug)]
pub struct Weight {
    /// Resident memory.
    pub rss_kib: u64,
    /// Threads.
    pub threads: u64,
}

impl Process {
    /// The process of the container with that id.
    pub fn of_container(cluster: &Cluster, id: &str) -> Result<Self, Failure> {
        let tasks = cluster.node(&["ctr", "-n", "k8s.io", "tasks", "ls"])?.ok()?;
        tasks
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .find_map(|words| match words.as_slice() {
                [task, pid, "RUNNING", ..] if *task == id => pid.parse().ok(),
                _ => None,
            })
            .map(|pid| Self { cluster: cluster.clone(), pid })
            .ok_or_else(|| Failure::new(format!("no process runs for container {id}")))
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: &str) -> Done {
        self.cluster.node(&["kill", "-s", signal, &self.pid.to_string()])?.ok().map(drop)
    }

    /// What it costs now.
    pub fn weight(&self) -> Result<Weight, Failure> {
        let path = format!("/proc/{}/status", self.pid);
        let status = self.cluster.node(&["cat", &path])?.ok()?;
        let number = |key: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(key))
                .and_then(|rest| rest.split_whitespace().next())
                .and_then(|number| number.parse().ok())
                .ok_or_else(|| Failure::new(format!("{path} has no {key}")))
        };
        Ok(Weight { rss_kib: number("VmRSS:")?, threads: number("Threads:")? })
    }
}
