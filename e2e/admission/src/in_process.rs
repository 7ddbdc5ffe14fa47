//! Cairn's admission in this process, with the pools that ship with Cairn and those of the corpus.

use std::sync::Arc;

use cairn_core::pool::{Pool, PoolError, PoolName};
use cairn_webhook::admission::Admission;
use cairn_webhook::admission::metrics::Metrics;
use cairn_webhook::admission::settings::Settings;
use cairn_webhook::env_mode::{EnvMode, EnvSupport};
use cairn_webhook::installation::verdict::Verdict;
use cairn_webhook::namespaces::Namespaces;
use cairn_webhook::pools::catalog::{Catalog, CatalogEntry};
use prometheus_client::registry::Registry;
use serde_json::Value;
use thiserror::Error;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use crate::corpus::{self, CorpusError};
use crate::review::{self, Answer, AnswerError};

/// The namespace of all pods.
pub const NAMESPACE: &str = "shop";

/// Admission with a clock that stands still until something waits: a pool that does not exist costs no time.
#[derive(Debug)]
pub struct InProcess {
    admission: Admission,
    runtime: Runtime,
}

/// Why admission could not be set up.
#[derive(Debug, Error)]
pub enum SetupError {
    /// The corpus.
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    /// One of its pools.
    #[error("a pool of the corpus is not valid")]
    Pool(#[from] PoolError),
    /// The runtime.
    #[error("could not start a runtime")]
    Runtime(#[from] std::io::Error),
}

// === impl InProcess ===

impl InProcess {
    /// In a cluster that takes variables from files, or not.
    pub fn new(files: bool) -> Result<Self, SetupError> {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build()?;
        Ok(Self { admission: admission(files, catalog()?), runtime })
    }

    /// The bytes of the answer to the bytes of a review.
    pub fn post(&self, body: &[u8]) -> Vec<u8> {
        self.runtime.block_on(self.admission.mutate(body))
    }

    /// The answer about the creation of a pod.
    pub fn create(&self, pod: &Value) -> Result<Answer, AnswerError> {
        review::answer(&self.post(&review::body(pod, NAMESPACE, true)), pod)
    }
}

/// Admission with these pools.
pub fn admission(files: bool, catalog: Catalog) -> Admission {
    Admission {
        settings: Settings {
            image: "registry.example.com/cairn-sidecar:1".to_owned(),
            pull_policy: None,
            agent: "https://cairn-webhook.cairn-system.svc:8443".to_owned(),
            outbound_ports: vec![2379, 8443],
            etcd_cluster_id: None,
            etcd_prefix: cairn_store::KeyPrefix::default(),
            log_level: cairn_kit::log::LogFilter::default(),
            container: Arc::default(),
            dns: cairn_webhook::admission::settings::DnsNeed::Search,
        },
        trust: watch::channel(Arc::default()).1,
        installation: watch::channel(Verdict::Open).1,
        catalog: watch::channel(Arc::new(catalog)).1,
        namespaces: Namespaces::default(),
        env: EnvSupport::new(files.then_some(EnvMode::File)),
        metrics: Metrics::register(&mut Registry::default()),
    }
}

/// The pools that ship with Cairn and those of the corpus.
pub fn catalog() -> Result<Catalog, SetupError> {
    let mut pools: Vec<Pool> = Pool::builtin_names().iter().filter_map(Pool::builtin).collect();
    for object in corpus::pools()? {
        let name: PoolName = object["metadata"]["name"].as_str().unwrap_or_default().parse()?;
        pools.push(Pool::from_json(name, object["spec"].to_string().as_bytes())?);
    }
    let ready = |pool: Pool| (pool.name.clone(), CatalogEntry::Ready(Arc::new(pool)));
    Ok(pools.into_iter().map(ready).collect())
}
