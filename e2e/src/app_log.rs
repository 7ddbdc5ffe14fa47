//! What the containers `app` of a namespace have printed, in the node's log files.
//!
//! The files cover all restarts of a container up to its last line, also what `kubectl logs` no longer shows. They are
//! deleted with their pod, so read them while the pods exist.

use crate::Failure;
use crate::cluster::Cluster;

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The file, without its ending: one for each start of a container.
    pub file: &'a str,
    /// The name of the pod.
    pub pod: &'a str,
    /// RFC 3339 in UTC.
    pub stamp: &'a str,
    /// What the app printed.
    pub message: &'a str,
    /// All of the above.
    pub whole: &'a str,
}

/// The text of the files, with the lines in which grep finds the pattern. [`lines`] reads it.
pub fn read(cluster: &Cluster, namespace: &str, pattern: &str) -> Result<String, Failure> {
    // A file may be deleted while it is read, and at first no file exists: grep's exit code does not matter.
    let script = format!("grep -sH '{pattern}' /var/log/pods/{namespace}_*/app/*.log; true");
    cluster.node(&["sh", "-c", &script])?.ok()
}

/// The lines of such a text. A line that was only partly written is left out.
pub fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    text.lines().filter_map(|whole| {
        let (file, entry) = whole.split_once(".log:")?;
        let (stamp, message) = entry.split_once(" stdout F ")?;
        let pod = file.split('/').rev().nth(2)?.split('_').nth(1)?;
        Some(Line { file, pod, stamp, message, whole })
    })
}
