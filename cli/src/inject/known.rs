//! What admission knows, without a cluster: the pools of files, and what the flags say.

use std::sync::Arc;

use cairn_core::pool::Pool;
use cairn_kit::clock;
use cairn_kit::log::LogFilter;
use cairn_store::KeyPrefix;
use cairn_webhook::admission::inject::Facts;
use cairn_webhook::admission::probe_token;
use cairn_webhook::admission::settings::{DnsNeed, Settings};
use cairn_webhook::env_mode::{EnvFacts, EnvMode, FileSupport};
use cairn_webhook::namespaces::NamespaceFacts;
use cairn_webhook::pools::catalog::{Catalog, CatalogEntry};

use crate::args::check::{AGENT, SIDECAR_IMAGE, Variables};

/// The ports of agent and etcd, which a mesh must leave alone.
const OUTBOUND: [u16; 2] = [8443, 2379];
/// The usual domain of a cluster's DNS.
const CLUSTER_DOMAIN: &str = "cluster.local";

/// What admission knows.
pub struct Known {
    /// What the chart sets.
    pub settings: Settings,
    /// The authorities that verify the agent, as an argument of the sidecar.
    pub agent_ca: String,
    catalog: Catalog,
    namespace: NamespaceFacts,
    env: EnvFacts,
}

// === impl Known ===

impl Known {
    /// The pools that ship with Cairn and these, by name; the chart's defaults.
    pub fn new(
        given: impl IntoIterator<Item = (String, Result<Pool, String>)>,
        variables: Variables,
    ) -> Self {
        let builtin = Pool::builtin_names().into_iter().filter_map(|name| Pool::builtin(&name));
        let builtin = builtin.map(|pool| (pool.name.clone(), CatalogEntry::Ready(Arc::new(pool))));
        let given = given.into_iter().filter_map(|(name, pool)| {
            let entry = match pool {
                Ok(pool) => CatalogEntry::Ready(Arc::new(pool)),
                Err(reason) => CatalogEntry::Broken(reason),
            };
            Some((name.parse().ok()?, entry))
        });
        let (mode, files) = match variables {
            Variables::File => (EnvMode::File, FileSupport::Assumed),
            Variables::Annotation => (EnvMode::Annotation, FileSupport::Refused),
            Variables::None => (EnvMode::None, FileSupport::Refused),
        };
        Self {
            settings: Settings {
                image: SIDECAR_IMAGE.to_owned(),
                pull_policy: Some("IfNotPresent".to_owned()),
                agent: AGENT.to_owned(),
                outbound_ports: OUTBOUND.to_vec(),
                etcd_cluster_id: None,
                etcd_prefix: KeyPrefix::default(),
                log_level: LogFilter::default(),
                container: Arc::default(),
                dns: Self::dns(AGENT),
            },
            catalog: builtin.chain(given).collect(),
            namespace: NamespaceFacts::default(),
            env: EnvFacts { default: Some(mode), files, nodes: Arc::default() },
            agent_ca: String::new(),
        }
    }

    /// What a pod must be able to look up to reach this agent.
    pub fn dns(agent: &str) -> DnsNeed {
        DnsNeed::of([agent], CLUSTER_DOMAIN)
    }

    /// The same for a pod of this namespace.
    pub fn facts<'a>(&'a self, namespace: &'a str) -> Facts<'a> {
        Facts {
            settings: &self.settings,
            etcd_cluster_id: self.settings.etcd_cluster_id,
            agent_ca: &self.agent_ca,
            catalog: &self.catalog,
            namespace,
            namespace_facts: &self.namespace,
            env: &self.env,
            probe_token,
            now: clock::now().wall,
        }
    }
}
