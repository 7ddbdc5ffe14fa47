//! The runs of an app, from a journal that the app itself writes into a volume that outlives its restarts: from when to
//! when it ran, and with which name in its environment.

use crate::Failure;
use crate::cluster::Cluster;
use crate::json;
pub use crate::manifest::JOURNAL as DIR;
use crate::pod::Pod;

/// A shell function that writes one line: start of the run, now (both seconds since boot), name.
pub const WRITE: &str = "read start _ </proc/uptime; \
     note() { read now _ </proc/uptime; echo \"$start $now $CAIRN_NAME\" >>/journal/runs; };";

/// One run of the app.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Seconds since boot.
    pub from: f64,
    /// When the app last wrote, in seconds since boot.
    pub until: f64,
    /// The name in its environment.
    pub name: String,
}

impl Run {
    /// The length in seconds.
    pub fn length(&self) -> f64 {
        self.until - self.from
    }
}

/// The runs of a pod's app so far, read on the node: the container may not be running.
pub fn runs(cluster: &Cluster, pod: &Pod<'_>) -> Result<Vec<Run>, Failure> {
    let uid = json::text(&pod.object()?, "/metadata/uid").unwrap_or_default();
    let path = format!("*/kubelet/pods/{uid}/volumes/kubernetes.io~empty-dir/journal/runs");
    // Snapshots of images come and go, and a folder that is gone is an error.
    let elsewhere = ["find", "/run/cairn", "-name", "containerd", "-prune"];
    let here = ["-o", "-path", &path, "-exec", "cat", "{}", "+"];
    let find = [&elsewhere[..], &here[..]].concat();
    let text = cluster.node(&find)?.ok()?;
    let mut runs: Vec<Run> = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [from, until, rest @ ..] = words.as_slice() else {
            // The line was incomplete when it was read.
            continue;
        };
        let (Ok(from), Ok(until)) = (from.parse(), until.parse()) else { continue };
        let name = rest.first().copied().unwrap_or_default().to_owned();
        match runs.last_mut() {
            #[expect(clippy::float_cmp, reason = "the same text was read")]
            Some(run) if run.from == from => run.until = until,
            _ => runs.push(Run { from, until, name }),
        }
    }
    Ok(runs)
}
