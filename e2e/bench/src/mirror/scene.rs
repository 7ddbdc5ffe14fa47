//! What runs: an API server with the chart, etcd, the webhook, and the benchmark's own connections to both.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cairn_core::keys;
use cairn_core::pool::PoolName;
use cairn_core::time::BootInstant;
use cairn_kit::clock;
use cairn_plane::{ApiServer, Installation, Webhook};
use cairn_store::etcd::{ClientPem, Etcd, Tls, TlsPem};
use cairn_store::{Kv as _, Store};
use cairn_test_etcd::{Certificate, TestEtcd};
use kube::Client;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use tokio::time::sleep;

use super::pods::{NAMESPACES, POOLS, namespace};
use super::shown::Shown;
use super::{LIMIT, LOOK, MirrorError};

/// Until a request to etcd is given up: the machine is busy.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Twice in a row is rare.
const START_ATTEMPTS: u32 = 5;

/// Everything that runs. Fields are dropped in this order.
pub(super) struct Scene {
    pub(super) webhook: Webhook,
    pub(super) shown: Shown,
    pub(super) client: Client,
    pub(super) store: Arc<Store<Etcd>>,
    /// The mod revisions of the pools' specs in etcd.
    pub(super) specs: BTreeMap<PoolName, i64>,
    installed: Installation,
    etcd: TestEtcd,
    _server: ApiServer,
}

// === impl Scene ===

impl Scene {
    /// Starts everything, and waits until the mirror leads and the pools are in etcd.
    pub(super) async fn start() -> Result<Self, MirrorError> {
        let etcd = TestEtcd::start_tls(&[]).map_err(cairn_plane::Failure::from)?;
        let server = ApiServer::start()?;
        let installed = Installation::apply(&server, etcd.url())?;
        for number in 0..NAMESPACES {
            server.kubectl(&["create", "namespace", &namespace(number)])?;
        }
        for pool in POOLS {
            server.apply(&format!(
                "{{apiVersion: cairn.dev/v1alpha1, kind: Pool, metadata: {{name: {pool}}}, \
                 spec: {{scope: Cluster, names: {{range: {{from: 0, to: 8191}}}}}}}}"
            ))?;
        }
        let webhook = Webhook::start(&installed, &etcd)?;
        let file = Kubeconfig::read_from(server.admin())?;
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
        let client = Client::try_from(config).map_err(Box::new)?;
        let tls = Some(tls(&etcd.client("root").map_err(cairn_plane::Failure::from)?));
        let urls = [etcd.url().to_owned()];
        let store =
            Arc::new(Store::new(Etcd::connect(&urls, tls.as_ref(), REQUEST_TIMEOUT).await?));
        let shown = Shown::watch(client.clone());
        let mut scene = Self {
            webhook,
            shown,
            client,
            store,
            specs: BTreeMap::new(),
            installed,
            etcd,
            _server: server,
        };
        scene.wait_for_pools().await?;
        Ok(scene)
    }

    /// Ends the webhook without a goodbye, as a lost node would.
    pub(super) fn stop_webhook(&mut self) {
        self.webhook.kill();
    }

    /// Starts another webhook, and waits until it is ready. A connection of this process may take one of its ports
    /// before it listens, so a start that fails is tried again. The answer is when the last attempt began.
    pub(super) fn start_webhook(&mut self) -> Result<BootInstant, MirrorError> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let began = clock::now().boot;
            match Webhook::start(&self.installed, &self.etcd) {
                Ok(webhook) => {
                    self.webhook = webhook;
                    return Ok(began);
                }
                Err(error) if attempts < START_ATTEMPTS => eprintln!("once more: {error}"),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Writes of the mirror that failed.
    pub(super) fn failures(&self) -> f64 {
        self.webhook.metric("cairn_webhook_mirror_patch_failures_total").unwrap_or_default()
    }

    /// How often a write of the mirror has waited for the limit of requests.
    pub(super) fn limited(&self) -> f64 {
        self.webhook.metric("cairn_webhook_mirror_limited_total").unwrap_or_default()
    }

    async fn wait_for_pools(&mut self) -> Result<(), MirrorError> {
        let began = clock::now().boot;
        for name in POOLS {
            let pool: PoolName = name.parse()?;
            let revision = loop {
                // The webhook turns authentication on meanwhile, which ends some requests.
                if let Ok(Some(found)) = self.store.kv().get(keys::pool(&pool)).await {
                    break found.mod_revision;
                }
                if clock::now().boot.since(began) > LIMIT {
                    return Err(MirrorError::Silent { what: "a spec in etcd", missing: 0 });
                }
                sleep(LOOK).await;
            };
            self.specs.insert(pool, revision);
        }
        while self.webhook.metric("cairn_webhook_mirror_leading") != Some(1.0) {
            if clock::now().boot.since(began) > LIMIT {
                return Err(MirrorError::Silent { what: "a leading mirror", missing: 0 });
            }
            sleep(LOOK).await;
        }
        Ok(())
    }
}

fn tls(user: &Certificate) -> Tls {
    Tls::Pem(TlsPem {
        authorities: user.authorities.clone(),
        client: Some(ClientPem { chain: user.chain.clone(), key: user.key.clone() }),
    })
}
