//! Keeps the Secret with the authorities: makes it, replaces issuers in time, and repairs it.
//!
//! Several processes do so at once, the webhook's replicas and a container beside each member of etcd. Every write is a
//! compare-and-swap by the resource version, and a lost compare reads again.

use std::sync::Arc;
use std::time::Duration;

use cairn_core::time::UnixMillis;
use cairn_kit::clock;
use cairn_kit::errors::report;
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Client;
use kube::api::{Api, PostParams, WatchParams};
use thiserror::Error;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::authorities::{Authorities, Data};
use super::decide::{DecideError, Step, decide};
use super::lives::Lives;

/// Attempts with a lost compare: each means that another process has written.
const ATTEMPTS: usize = 8;
/// The pause after a failure.
const RETRY: Duration = Duration::from_secs(1);
/// The pause between a change and the next read.
const SETTLE: Duration = Duration::from_millis(100);

/// Keeps one Secret.
#[derive(Clone)]
pub struct Keeper {
    secrets: Api<Secret>,
    namespace: String,
    name: String,
    lives: Lives,
    known: Option<Arc<Authorities>>,
    version: String,
}

/// Why there are no authorities at the moment.
#[derive(Debug, Error)]
pub enum KeeperError {
    /// Reading.
    #[error("could not read the Secret {name}")]
    Read {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: kube::Error,
    },
    /// Writing.
    #[error("could not write the Secret {name}")]
    Write {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: kube::Error,
    },
    /// It cannot be used.
    #[error(
        "the Secret {name} with etcd's authorities cannot be used; restore it, or replace it with what \
         cairn-webhook etcd-authorities prints and delete all pods of etcd"
    )]
    Decide {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: DecideError,
    },
    /// Every compare was lost.
    #[error("could not write the Secret {0}, because others kept changing it")]
    Contended(String),
}

// === impl Keeper ===

impl Keeper {
    /// Keeps the Secret of this name.
    pub fn new(client: Client, namespace: &str, name: &str, lives: Lives) -> Self {
        Self {
            secrets: Api::namespaced(client, namespace),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            lives,
            known: None,
            version: String::new(),
        }
    }

    /// The lives of the certificates.
    pub fn lives(&self) -> &Lives {
        &self.lives
    }

    /// Reads the Secret without changing anything; `None` when there is none.
    pub async fn read(&self) -> Result<Option<Authorities>, KeeperError> {
        let Some(secret) = self.find().await? else { return Ok(None) };
        let read = Authorities::read(&secret.data.unwrap_or_default());
        let name = || self.name.clone();
        read.map(Some).map_err(|flawed| KeeperError::Decide { name: name(), source: flawed.into() })
    }

    /// Keeps it for ever, and hands on the authorities at first and after each change.
    pub async fn run(mut self, mut publish: impl FnMut(&Arc<Authorities>)) {
        let mut said = String::new();
        loop {
            let before = self.known.clone();
            match self.tick(clock::now().wall).await {
                Ok(present) => {
                    said.clear();
                    if before.as_ref() != Some(&present) {
                        publish(&present);
                    }
                    self.changed(self.lives.pause()).await;
                }
                Err(error) => {
                    let line = report(&error);
                    if line != said {
                        warn!("{line}");
                        said = line;
                    }
                    sleep(RETRY).await;
                }
            }
        }
    }

    /// Reads the Secret, and makes, renews or repairs it where that is needed.
    pub async fn tick(&mut self, now: UnixMillis) -> Result<Arc<Authorities>, KeeperError> {
        for _ in 0..ATTEMPTS {
            let found = self.find().await?;
            let data = found.as_ref().map(|secret| secret.data.clone().unwrap_or_default());
            let step = decide(data.as_ref(), self.known.as_deref(), &self.lives, now)
                .map_err(|source| KeeperError::Decide { name: self.name.clone(), source })?;
            let (present, secret) = match step {
                Step::Use(present) => (present, found),
                Step::Write(present, why) => {
                    let Some(written) = self.write(found, present.data()).await? else { continue };
                    info!(secret = self.name, "{}", why.message());
                    (present, Some(written))
                }
            };
            let version = secret.and_then(|secret| secret.metadata.resource_version);
            self.version = version.unwrap_or_default();
            return Ok(self.learn(present));
        }
        Err(KeeperError::Contended(self.name.clone()))
    }

    async fn find(&self) -> Result<Option<Secret>, KeeperError> {
        let found = self.secrets.get_opt(&self.name).await;
        found.map_err(|source| KeeperError::Read { name: self.name.clone(), source })
    }

    fn learn(&mut self, present: Authorities) -> Arc<Authorities> {
        match &self.known {
            Some(known) if **known == present => Arc::clone(known),
            known => {
                if known.as_ref().is_some_and(|known| !known.same_roots(&present)) {
                    warn!(
                        secret = self.name,
                        "the roots of etcd's authorities were replaced; delete all pods of etcd, because etcd reads \
                         its roots only when it starts"
                    );
                }
                Arc::clone(self.known.insert(Arc::new(present)))
            }
        }
    }

    /// `None` after a lost compare.
    async fn write(&self, over: Option<Secret>, data: Data) -> Result<Option<Secret>, KeeperError> {
        let post = PostParams::default();
        let written = match over {
            None => self.secrets.create(&post, &self.secret(data)).await,
            Some(mut secret) => {
                // The resource version is the compare.
                secret.data = Some(data);
                self.secrets.replace(&self.name, &post, &secret).await
            }
        };
        match written {
            Ok(secret) => Ok(Some(secret)),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(None),
            Err(source) => Err(KeeperError::Write { name: self.name.clone(), source }),
        }
    }

    fn secret(&self, data: Data) -> Secret {
        let labels =
            [("app.kubernetes.io/part-of", "cairn"), ("app.kubernetes.io/component", "etcd")];
        let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
        Secret {
            metadata: ObjectMeta {
                namespace: Some(self.namespace.clone()),
                name: Some(self.name.clone()),
                labels: Some(labels.into_iter().collect()),
                ..ObjectMeta::default()
            },
            type_: Some("Opaque".to_owned()),
            data: Some(data),
            ..Secret::default()
        }
    }

    /// Waits until the Secret has changed since it was read, but not longer than `at_most`.
    async fn changed(&self, at_most: Duration) {
        let name = format!("metadata.name={}", self.name);
        let params = WatchParams::default().fields(&name).disable_bookmarks();
        let waiting = async {
            match self.secrets.watch(&params, &self.version).await {
                Ok(events) => {
                    std::pin::pin!(events).next().await;
                }
                // The next tick reads the Secret, and reports why that fails.
                Err(_) => sleep(at_most).await,
            }
        };
        let _ = timeout(at_most, waiting).await;
        // A watch that ends at once must not become a loop without a pause.
        sleep(SETTLE).await;
    }
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "keeper of the Secret {}/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests;
