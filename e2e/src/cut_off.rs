//! A pod that reaches no other pod: for the others, its node is lost.

use crate::cluster::Cluster;
use crate::json;
use crate::pod::Pod;
use crate::{Done, Failure};

/// Packets between this pod and others are dropped, also those of open connections, until this is dropped. The kubelet
/// reaches it all the while.
#[derive(Debug)]
pub struct CutOff {
    cluster: Cluster,
    ip: String,
}

impl CutOff {
    /// Cuts a pod off.
    pub fn from_other_pods(pod: &Pod<'_>) -> Result<Self, Failure> {
        let ip = json::text(&pod.object()?, "/status/podIP")
            .ok_or_else(|| Failure::new(format!("pod {} has no address", pod.name)))?;
        let cut = Self { cluster: pod.namespace().cluster.clone(), ip };
        cut.rules("-I")?;
        Ok(cut)
    }

    /// Inserts or deletes the rules of both directions.
    fn rules(&self, verb: &str) -> Done {
        for direction in ["-s", "-d"] {
            let rule = ["iptables", "-w", verb, "FORWARD", direction, &self.ip, "-j", "DROP"];
            self.cluster.node(&rule)?.ok()?;
        }
        Ok(())
    }
}

impl Drop for CutOff {
    fn drop(&mut self) {
        // Another pod will get this address.
        if let Err(failure) = self.rules("-D") {
            eprintln!("{} stays cut off: {failure:?}", self.ip);
        }
    }
}
