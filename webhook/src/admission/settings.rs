//! What the operator decided about every sidecar.

use cairn_kit::log::LogFilter;
use cairn_store::{ClusterId, KeyPrefix};

/// The settings of every sidecar.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The sidecar's image.
    pub image: String,
    /// Its pull policy; `None` leaves it to Kubernetes.
    pub pull_policy: Option<String>,
    /// URL of the agent as sidecars reach it.
    pub agent: String,
    /// The authorities that verify the agent, as an argument of the sidecar.
    pub agent_ca: String,
    /// The ports to which sidecars connect: the agent's and etcd's.
    pub outbound_ports: Vec<u16>,
    /// The one etcd cluster that sidecars talk to.
    pub etcd_cluster_id: Option<ClusterId>,
    /// The prefix of all keys in etcd.
    pub etcd_prefix: KeyPrefix,
    /// The log filter of sidecars.
    pub log_level: LogFilter,
}
