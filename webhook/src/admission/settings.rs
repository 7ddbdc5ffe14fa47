//! What the operator decided about every sidecar.

use std::sync::Arc;

use cairn_core::request::resources::Resources;
use cairn_kit::log::{LogFilter, LogFormat};
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
    /// The ports to which sidecars connect: the agent's and etcd's.
    pub outbound_ports: Vec<u16>,
    /// The one etcd cluster that sidecars talk to, if the operator named it.
    pub etcd_cluster_id: Option<ClusterId>,
    /// The prefix of all keys in etcd.
    pub etcd_prefix: KeyPrefix,
    /// The log filter of sidecars.
    pub log_level: LogFilter,
    /// What differs from the defaults of our container.
    pub container: Arc<ContainerSettings>,
    /// How the sidecar finds agent and etcd.
    pub dns: DnsNeed,
}

/// What the operator changed about our container.
#[derive(Clone, Debug, Default)]
pub struct ContainerSettings {
    /// The form of its log lines.
    pub log_format: LogFormat,
    /// Requests and limits.
    pub resources: Resources,
    /// Whether the container names no seccomp profile, because the cluster forbids it.
    pub no_seccomp_profile: bool,
    /// Secrets of the pod's namespace with which its image is pulled.
    pub pull_secrets: Vec<String>,
}

/// Which names the pod must resolve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DnsNeed {
    /// None that only the cluster's DNS knows.
    #[default]
    Any,
    /// Names of Services with the cluster's domain.
    ClusterDns,
    /// Names of Services without it, which need the search domains of the cluster.
    Search,
}

// === impl Settings ===

#[cfg(test)]
impl Settings {
    /// Those of an installation in namespace `cairn`, for tests.
    pub(crate) fn of_tests() -> Self {
        Self {
            image: "example.com/cairn-sidecar:1".into(),
            pull_policy: None,
            agent: "https://cairn-webhook.cairn.svc:8443".into(),
            outbound_ports: vec![2379, 8443],
            etcd_cluster_id: None,
            etcd_prefix: KeyPrefix::default(),
            log_level: LogFilter::default(),
            container: Arc::default(),
            dns: DnsNeed::Search,
        }
    }
}

// === impl DnsNeed ===

impl DnsNeed {
    /// What these URLs need in a cluster with this domain.
    pub fn of<'u>(urls: impl IntoIterator<Item = &'u str>, domain: &str) -> Self {
        let (short, full) = (".svc", format!(".svc.{domain}"));
        let mut need = Self::Any;
        for url in urls {
            let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
            let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
            if host.ends_with(short) {
                return Self::Search;
            }
            if host.trim_end_matches('.').ends_with(&full) {
                need = Self::ClusterDns;
            }
        }
        need
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_services_need_the_clusters_dns_and_short_ones_its_search_domains() {
        let need = |urls: &[&str]| DnsNeed::of(urls.iter().copied(), "cluster.local");
        let full = "https://cairn-webhook.cairn.svc.cluster.local:8443";
        assert_eq!(
            need(&["https://etcd.example.com:2379", "https://[fd00::1]:2379"]),
            DnsNeed::Any
        );
        assert_eq!(need(&["https://etcd.example.com:2379", full]), DnsNeed::ClusterDns);
        assert_eq!(need(&[full, "https://cairn-etcd.cairn.svc:2379"]), DnsNeed::Search);
    }
}
