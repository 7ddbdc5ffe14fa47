//! The serving certificate: one authority for all replicas, a leaf for each.
//!
//! A periodic check renews the leaf by the wall clock, which also counts the sleep of a machine. It also reads the
//! Secret again and repairs `caBundle`. A failure is logged and tried again: the served leaf stays valid for days.

use std::sync::Arc;
use std::time::Duration;

use cairn_kit::clock;
use cairn_kit::errors::report;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use kube::Client;
use prometheus_client::metrics::gauge::Gauge;
use thiserror::Error;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::ready::Block;
use crate::tls::Leaf;
use mint::{MintError, Minted};
use register::RegisterError;
use secret::{SecretError, Trust};

pub mod mint;
pub mod register;
pub mod secret;

/// The period of the check, in which a replaced authority or a changed `caBundle` is noticed.
const TICK: Duration = Duration::from_secs(20);
/// The period after a failure, above all during the start.
const RETRY: Duration = Duration::from_secs(1);

/// The certificates of this replica.
pub struct Certificates {
    /// The API server.
    pub client: Client,
    /// Our namespace.
    pub namespace: String,
    /// The Service that the API server calls.
    pub service: String,
    /// The Secret with the authority.
    pub secret: String,
    /// The `MutatingWebhookConfiguration`.
    pub webhook_config: String,
    /// The `ValidatingWebhookConfiguration`.
    pub pool_webhook_config: String,
    /// Receives new leaves.
    pub leaf: Arc<Leaf>,
    /// When the served leaf ends, in Unix seconds.
    pub not_after: Gauge,
}

#[derive(Debug, Error)]
enum CertsError {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Mint(#[from] MintError),
    #[error(transparent)]
    Register(#[from] RegisterError),
}

/// The present authority and leaf.
#[derive(Debug, Default)]
struct State {
    trust: Option<Trust>,
    minted: Option<Minted>,
}

// === impl Certificates ===

impl Certificates {
    /// Maintains them for ever; `block` is lifted once the API server trusts the leaf.
    pub async fn run(self, block: Block) {
        let mut block = Some(block);
        let mut state = State::default();
        loop {
            let pause = match self.tick(&mut state).await {
                Ok(()) => {
                    block.take();
                    TICK
                }
                Err(error) => {
                    warn!("certificates: {}", report(&error));
                    RETRY
                }
            };
            sleep(pause).await;
        }
    }

    async fn tick(&self, state: &mut State) -> Result<(), CertsError> {
        let now = clock::now().wall;
        let known = state.trust.as_ref();
        let trust =
            secret::load_or_create(&self.client, &self.namespace, &self.secret, known, now).await?;
        // The API server trusts the new authority before its leaf is served; until then the old leaf is trusted.
        let bundle = &trust.bundle;
        register::ensure::<MutatingWebhookConfiguration>(
            &self.client,
            &self.webhook_config,
            bundle,
        )
        .await?;
        register::ensure::<ValidatingWebhookConfiguration>(
            &self.client,
            &self.pool_webhook_config,
            bundle,
        )
        .await?;
        let same_authority =
            known.is_some_and(|known| known.authority.certificate == trust.authority.certificate);
        let fresh = state.minted.as_ref().is_some_and(|minted| now < minted.renew_at);
        if !(same_authority && fresh) {
            let minted = mint::leaf(&trust.authority, &self.names(), now)?;
            self.leaf.replace(minted.key.clone());
            self.not_after.set(minted.not_after.0 / 1000);
            info!(until = %minted.not_after, "serving a new certificate");
            state.minted = Some(minted);
        }
        state.trust = Some(trust);
        Ok(())
    }

    fn names(&self) -> Vec<String> {
        let name = format!("{}.{}", self.service, self.namespace);
        vec![format!("{name}.svc"), format!("{name}.svc.cluster.local"), name, self.service.clone()]
    }
}
