//! Processes of containers on the node: signals, memory, files, and images.

use crate::cluster::Cluster;
use crate::wait::{Seen, secs, until};
use crate::{Done, Failure};

/// The first process of a container.
#[derive(Clone, Debug)]
pub struct Process {
    cluster: Cluster,
    /// Its pid in the node's pid namespace.
    pub pid: u32,
}

/// The resources that a process uses.
#[derive(Clone, Copy, Debug)]
pub struct Weight {
    /// Resident memory, including the pages of its binary.
    pub rss_kib: u64,
    /// The part of the resident memory that no other process can share: heap and stacks.
    pub private_kib: u64,
    /// The number of threads.
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

    /// The resources that it uses now.
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
        Ok(Weight {
            rss_kib: number("VmRSS:")?,
            private_kib: number("RssAnon:")?,
            threads: number("Threads:")?,
        })
    }

    /// The files below a folder of the container's file system, for containers without a shell. A link counts when its
    /// target exists.
    pub fn files(&self, folder: &str) -> Result<Vec<String>, Failure> {
        let path = format!("/proc/{}/root{folder}", self.pid);
        let find = ["find", "-L", &path, "-type", "f", "-printf", "%P\\n"];
        let found = self.cluster.node(&find)?.ok()?;
        Ok(found.lines().map(str::to_owned).collect())
    }
}

/// Adds a tag to an image, and waits until the kubelet can use it.
pub fn tag_image(cluster: &Cluster, image: &str, tag: &str) -> Done {
    cluster.node(&["ctr", "-n", "k8s.io", "images", "tag", "--force", image, tag])?.ok()?;
    // containerd's CRI plugin labels the images that it has registered.
    let filter = format!("name=={tag}");
    until(&format!("containerd has registered {tag}"), secs(20), || {
        let listed = cluster.node(&["ctr", "-n", "k8s.io", "images", "ls", &filter])?.ok()?;
        let noted = listed.contains("io.cri-containerd.image=managed");
        Ok(if noted { Seen::Yes(()) } else { Seen::NotYet(listed) })
    })
}

/// The size of an image in containerd's store.
pub fn image_bytes(cluster: &Cluster, image: &str) -> Result<u64, Failure> {
    let filter = format!("name=={image}");
    let listed = cluster.node(&["ctr", "-n", "k8s.io", "images", "ls", &filter])?.ok()?;
    let size = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let unit = words.iter().position(|word| matches!(*word, "KiB" | "MiB"))?;
        let number: f64 = words.get(unit.checked_sub(1)?)?.parse().ok()?;
        let factor = if words.get(unit) == Some(&"KiB") { 1024.0 } else { 1024.0 * 1024.0 };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a size")]
        Some((number * factor) as u64)
    };
    listed
        .lines()
        .nth(1)
        .and_then(size)
        .ok_or_else(|| Failure::new(format!("{image} is not there: {listed}")))
}
