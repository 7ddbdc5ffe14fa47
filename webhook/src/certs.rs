//! The serving certificate, and what verifies it: for the API server and for sidecars.
//!
//! Two modes: certificates of our own authority, which all replicas share through one Secret ([`rotation`]), or a
//! Secret that somebody else fills ([`own`]). Watches report every change of the Secret and of the webhook
//! configurations, and each change is looked at as a whole. A failure is logged and tried again; the served leaf stays.
//!
//! Ready means: every live `caBundle` verifies what is served, as the API server would.

use std::sync::Arc;
use std::time::Duration;

use cairn_core::time::UnixMillis;
use cairn_kit::clock;
use cairn_kit::errors::report;
use futures::future::join;
use kube::Client;
use thiserror::Error;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::ready::Ready;
use crate::tls::Leaf;
use args::CertificateArgs;
use builtin::{BuiltIn, BuiltInError};
use configurations::{ConfigurationError, Configurations};
use live::Live;
use metrics::Metrics;
use own::{Own, OwnError};
use secret::SharedSecret;
use site::{Outcome, Site};
use trust_bundle::TrustBundle;
use trusted::Trusted;
use watches::Watches;

pub mod args;
pub mod authority;
pub mod builtin;
pub mod certificate;
pub mod configurations;
pub mod live;
pub mod lives;
pub mod metrics;
pub mod mint;
pub mod own;
pub mod publish;
pub mod record;
pub mod rotation;
pub mod secret;
pub mod site;
pub mod stored;
pub mod trust_bundle;
pub mod trusted;
pub mod verify;
pub mod watches;

/// The period after a failure, above all during the start.
const RETRY: Duration = Duration::from_secs(1);
/// The least pause between two turns, so that another controller that fights about a field costs little.
const SPACING: Duration = Duration::from_millis(100);
/// A turn is a dozen requests at most. A connection that has died in silence must not stop renewals.
const TURN: Duration = Duration::from_secs(10);
/// The steps of one turn. A start takes five; more mean that others keep changing what is read.
const STEPS: usize = 16;

/// The objects that certificates are about.
#[derive(Clone, Debug)]
pub struct Names {
    /// Our namespace.
    pub namespace: String,
    /// The Service that the API server and sidecars call.
    pub service: String,
    /// The `MutatingWebhookConfiguration`.
    pub webhook_config: String,
    /// The `ValidatingWebhookConfiguration`.
    pub pool_webhook_config: String,
}

/// The certificates of this replica.
pub struct Certificates {
    watches: Watches,
    keeper: Keeper,
}

struct Keeper {
    site: Site,
    source: Source,
    trusted: Trusted,
    /// What the configurations carried when they were read last.
    live: Live,
    failure: String,
}

#[derive(Debug)]
enum Source {
    BuiltIn(BuiltIn),
    Own(Own),
}

#[derive(Debug, Error)]
enum CertsError {
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    #[error(transparent)]
    BuiltIn(#[from] BuiltInError),
    #[error(transparent)]
    Own(#[from] OwnError),
    #[error("the API server did not answer within {TURN:?}")]
    Timeout,
}

// === impl Certificates ===

impl Certificates {
    /// Of this replica, and the bundle that verifies its Service, PEM: empty until it is known.
    pub fn new(
        client: Client,
        names: Names,
        args: &CertificateArgs,
        leaf: Arc<Leaf>,
        ready: Ready,
        metrics: Metrics,
    ) -> (Self, watch::Receiver<Arc<TrustBundle>>) {
        let Names { namespace, service, webhook_config, pool_webhook_config } = names;
        let own = args.serving_secret.as_ref().filter(|name| !name.is_empty());
        let watches = Watches {
            client: client.clone(),
            secret: own.unwrap_or(&args.secret).clone(),
            mutating: webhook_config.clone(),
            validating: pool_webhook_config.clone(),
            namespace,
        };
        let secret = SharedSecret::new(client.clone(), &watches.namespace, &watches.secret);
        let lives = args.certificate_lives;
        let names = site::names(&service, &watches.namespace, &args.cluster_domain);
        let source = match own {
            Some(_) => {
                let name = names.first().cloned().unwrap_or_default();
                Source::Own(Own::new(secret, name, lives, !args.leave_ca_bundle))
            }
            None => Source::BuiltIn(BuiltIn::new(secret, lives)),
        };
        let (trust, bundle) = watch::channel(Arc::default());
        let configurations = Configurations::new(client, webhook_config, pool_webhook_config);
        let site = Site { configurations, names, leaf, served: None, trust, metrics };
        let (live, failure) = (Live::default(), String::new());
        let trusted = Trusted::new(ready);
        let keeper = Keeper { site, source, trusted, live, failure };
        (Self { watches, keeper }, bundle)
    }

    /// Maintains them for ever. Not ready while the API server does not trust what is served.
    pub async fn run(self) {
        let Self { watches, mut keeper } = self;
        let changed = Notify::new();
        Box::pin(join(watches.follow(&changed), keeper.run(&changed))).await;
    }
}

// === impl Keeper ===

impl Keeper {
    async fn run(&mut self, changed: &Notify) {
        loop {
            let turn = timeout(TURN, self.turn()).await;
            let pause = match turn.unwrap_or(Err(CertsError::Timeout)) {
                Ok(until) => {
                    self.failure.clear();
                    // By the wall clock, which also counts the sleep of a machine.
                    let left = until.0.saturating_sub(clock::now().wall.0);
                    Duration::from_millis(u64::try_from(left).unwrap_or(0))
                }
                Err(error) => {
                    self.report(&report(&error));
                    self.show();
                    RETRY
                }
            };
            sleep(SPACING).await;
            // Whether something has changed or time has passed: the next turn looks at everything.
            let _ = timeout(pause, changed.notified()).await;
        }
    }

    /// Carries out steps until there is nothing left to do, and says until when.
    async fn turn(&mut self) -> Result<UnixMillis, CertsError> {
        for _ in 0..STEPS {
            let found = self.site.configurations.read().await?;
            self.live = found.live();
            self.show();
            let now = clock::now().wall;
            let outcome = match &mut self.source {
                Source::BuiltIn(source) => source.step(&found, &mut self.site, now).await?,
                Source::Own(source) => source.step(&found, &mut self.site, now).await?,
            };
            if let Outcome::Rest(until) = outcome {
                return Ok(until);
            }
        }
        Ok(clock::now().wall)
    }

    fn show(&mut self) {
        self.trusted.show(self.site.check(&self.live, clock::now().wall));
    }

    /// Logs the first failure of a series.
    fn report(&mut self, line: &str) {
        if self.failure == line {
            return;
        }
        warn!("certificates: {line}");
        line.clone_into(&mut self.failure);
        if self.site.served.is_none() {
            info!("no certificate is served yet; this is tried again every {RETRY:?}");
        }
    }
}
