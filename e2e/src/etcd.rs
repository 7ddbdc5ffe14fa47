//! The bundled etcd: reads its keys, freezes it and wipes it.

use crate::access::Access;
use crate::cluster::Cluster;
use crate::install::NAMESPACE;
use crate::json;
use crate::node::Process;
use crate::pod::Pod;
use crate::run::Output;
use crate::situation::Situation;
use crate::wait::{Seen, secs, until};
use crate::{Done, Failure, paths};

/// The pod of its first member.
pub const POD: &str = "cairn-etcd-0";

/// The first etcd is frozen for almost a minute. After a minute the kubelet restarts it.
pub static FROZEN: Situation = Situation::new("etcd is frozen past the deadline", |cluster| {
    Ok(Box::new(Etcd::of(cluster).freeze()?))
});

/// The bundled etcd of a cluster.
#[derive(Clone, Debug)]
pub struct Etcd {
    cluster: Cluster,
}

/// An etcd whose process is stopped with SIGSTOP. It goes on when this is dropped.
#[derive(Debug)]
pub struct Frozen(Process);

impl Etcd {
    /// The etcd of this cluster.
    pub fn of(cluster: &Cluster) -> Self {
        Self { cluster: cluster.clone() }
    }

    /// The flags with which `cairn` reaches it from the cluster's network.
    pub fn cairn_flags(&self) -> Result<Vec<String>, Failure> {
        let url = url(&self.cluster, POD)?;
        let access = Access::of(&self.cluster)?.cairn_flags();
        Ok([format!("--etcd={url}")].into_iter().chain(access).collect())
    }

    /// What `cairn` prints with these arguments, run in the cluster's network with its kubeconfig and `kubectl`.
    pub fn cairn(&self, args: &[&str]) -> Result<String, Failure> {
        let flags = self.cairn_flags()?;
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let program = paths::command_line()?;
        let program = program.to_string_lossy();
        self.cluster.enter(&[&[&*program], args, &flags].concat())?.ok()
    }

    /// The value of a key; `None` when the key does not exist or its value is empty.
    pub fn value(&self, key: &str) -> Result<Option<String>, Failure> {
        let printed = self.ctl(&["get", "--print-value-only", key])?;
        let value = printed.trim();
        Ok((!value.is_empty()).then(|| value.to_owned()))
    }

    /// Whether the slot is the pod's.
    pub fn is_held_by(&self, slot: &str, pod: &Pod<'_>) -> Result<bool, Failure> {
        let record = self.value(slot)?.unwrap_or_default();
        Ok(json::text(&pod.object()?, "/metadata/uid").is_some_and(|uid| record.contains(&uid)))
    }

    /// The keys below a prefix.
    pub fn keys(&self, prefix: &str) -> Result<Vec<String>, Failure> {
        let printed = self.ctl(&["get", "--prefix", "--keys-only", prefix])?;
        Ok(printed.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
    }

    /// Whether a key exists; its value may be empty.
    pub fn has(&self, key: &str) -> Result<bool, Failure> {
        Ok(self.ctl(&["get", "--keys-only", key])?.contains(key))
    }

    /// Deletes the pod of a one-member etcd without persistence, so that all of its data is lost, and waits for the
    /// next pod.
    pub fn wipe(&self) -> Done {
        let pod = self.cluster.get(&["-n", NAMESPACE, "pod", POD])?;
        let uid = json::text(&pod, "/metadata/uid").unwrap_or_default();
        self.cluster.kubectl(&["-n", NAMESPACE, "delete", "pod", POD])?.ok()?;
        until("another etcd pod is Ready", secs(60), || {
            let pod = self.cluster.get(&["-n", NAMESPACE, "pod", POD])?;
            let other = json::text(&pod, "/metadata/uid").is_some_and(|now| now != uid);
            Ok(if other && json::is_ready(&pod) {
                Seen::Yes(())
            } else {
                Seen::NotYet(json::text(&pod, "/status/phase").unwrap_or_default())
            })
        })
    }

    /// Stops its process with SIGSTOP: connections stay open, and etcd does not answer. After a minute the kubelet
    /// restarts it.
    pub fn freeze(&self) -> Result<Frozen, Failure> {
        let pod = self.cluster.get(&["-n", NAMESPACE, "pod", POD])?;
        let statuses = json::list(&pod, "/status/containerStatuses");
        let etcd =
            statuses.iter().find(|status| json::text(status, "/name").as_deref() == Some("etcd"));
        let id = etcd.and_then(|status| json::text(status, "/containerID")).unwrap_or_default();
        let process = Process::of_container(&self.cluster, id.trim_start_matches("containerd://"))?;
        process.signal("STOP")?;
        Ok(Frozen(process))
    }

    fn ctl(&self, args: &[&str]) -> Result<String, Failure> {
        etcdctl(&self.cluster, POD, args)?.ok()
    }
}

/// Runs `etcdctl` against one member, in the cluster's network.
pub fn etcdctl(cluster: &Cluster, pod: &str, args: &[&str]) -> Result<Output, Failure> {
    etcdctl_at(cluster, &url(cluster, pod)?, &Access::of(cluster)?.etcdctl_flags(), args)
}

/// Runs `etcdctl` in the cluster's network, with these flags about certificates.
pub fn etcdctl_at(
    cluster: &Cluster,
    url: &str,
    access: &[String],
    args: &[&str],
) -> Result<Output, Failure> {
    let endpoint = format!("--endpoints={url}");
    let access: Vec<&str> = access.iter().map(String::as_str).collect();
    cluster.enter(&[&["etcdctl", &endpoint][..], &access, args].concat())
}

/// The client URL of a member in the cluster's network.
pub fn url(cluster: &Cluster, pod: &str) -> Result<String, Failure> {
    let object = cluster.get(&["-n", NAMESPACE, "pod", pod])?;
    json::text(&object, "/status/podIP")
        .map(|address| format!("https://{address}:2379"))
        .ok_or_else(|| Failure::new(format!("pod {pod} has no address")))
}

impl Frozen {
    /// Continues its process.
    pub fn thaw(self) -> Done {
        self.0.signal("CONT")
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        // The next test needs etcd, also when an assertion of this one has failed. A second SIGCONT has no effect.
        if let Err(failure) = self.0.signal("CONT") {
            eprintln!("cannot continue etcd, it stays frozen: {failure:?}");
        }
    }
}
