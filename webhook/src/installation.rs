//! Checks that the Kubernetes cluster and the key prefix in etcd belong to this installation of Cairn.
//!
//! The installation is recorded in Kubernetes, on the CRD of pools, and in etcd, below the key prefix. If either names
//! another installation, this one writes nothing, reports it and is not ready. A second release in one Kubernetes
//! cluster also sets its webhooks to `Ignore`. While etcd does not answer, the verdict is open. Only the first
//! installation waits for it before it is ready, so that `helm install --wait` returns when pods get names: a webhook
//! that was installed before must admit pods while etcd is away.
//!
//! Not for: which of the replicas writes; see [`crate::leader`].

use std::sync::Arc;
use std::time::Duration;

use cairn_kit::errors::report;
use cairn_store::Store;
use cairn_store::etcd::Etcd;
use cairn_store::installation::Ownership;
use k8s_openapi::api::core::v1::Namespace;
use kube::runtime::events::{Event, EventType};
use kube::{Api, Client};
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{error, info, warn};

use crate::config_map::ConfigMapError;
use crate::events;
use crate::ready::{Block, Ready};
use crd::Release;
use identity::Identity;
use verdict::{Verdict, judge};

pub mod aside;
pub mod crd;
pub mod identity;
pub mod record;
pub mod verdict;

/// The period of the check: an annotation may be removed, or etcd wiped.
const TICK: Duration = Duration::from_secs(30);
/// The period until the verdict is known, and while it is against us.
const RETRY: Duration = Duration::from_secs(2);

/// Every Kubernetes cluster has this namespace; its UID identifies the cluster.
const KUBE_SYSTEM: &str = "kube-system";
/// The name of the readiness block.
pub const BLOCK: &str = "installation";
/// The reporting controller, in the form that the API requires.
const CONTROLLER: &str = "cairn.dev/installation";

/// The periodic check.
pub struct Installation {
    /// The API server.
    pub client: Client,
    /// etcd, under our prefix.
    pub etcd: Arc<Etcd>,
    /// The objects of this installation.
    pub site: Site,
    /// Receives the verdict.
    pub verdict: watch::Sender<Verdict>,
    /// Blocked while the verdict is against us.
    pub ready: Ready,
}

/// The names of this installation's objects.
#[derive(Clone, Debug)]
pub struct Site {
    /// The namespace.
    pub namespace: String,
    /// The release: the name of its Service.
    pub release: String,
    /// The pod of this replica, for Events.
    pub pod: String,
    /// The `ConfigMap` with the record.
    pub record: String,
    /// The key prefix.
    pub prefix: String,
    /// The webhook configurations: mutating, validating.
    pub webhook_configs: [String; 2],
}

#[derive(Debug, Error)]
enum InstallationError {
    #[error("could not read the namespace {KUBE_SYSTEM}, which identifies the Kubernetes cluster")]
    KubeSystem(#[source] kube::Error),
    #[error("the namespace {KUBE_SYSTEM} has no UID")]
    NoUid,
    #[error(transparent)]
    Crd(#[from] crd::CrdError),
    #[error(transparent)]
    Record(#[from] ConfigMapError),
    #[error(transparent)]
    Aside(#[from] aside::AsideError),
}

// === impl Installation ===

impl Installation {
    /// Checks for ever. `block` is lifted once the CRD names this release, and etcd has answered at least once since
    /// Cairn was installed for the first time.
    pub async fn run(self, block: Block) {
        let mut block = Some(block);
        let mut said = String::new();
        loop {
            let pause = match self.tick().await {
                Ok(verdict) => {
                    let pause = if verdict.is_ours() { TICK } else { RETRY };
                    match &verdict {
                        Verdict::NotOurs(_) if block.is_none() => {
                            block = Some(self.ready.register(BLOCK));
                        }
                        Verdict::Ours(_) => block = None,
                        Verdict::Open if block.is_some() && self.is_recorded().await => {
                            block = None;
                        }
                        Verdict::Open | Verdict::NotOurs(_) | Verdict::Unknown => {}
                    }
                    self.show(verdict).await;
                    pause
                }
                Err(error) => {
                    let line = report(&error);
                    if line != said {
                        warn!("installation: {line}");
                        said = line;
                    }
                    RETRY
                }
            };
            sleep(pause).await;
        }
    }

    async fn tick(&self) -> Result<Verdict, InstallationError> {
        let ours = self.identity().await?;
        let release = crd::claim(&self.client, &ours).await?;
        aside::step(&self.client, &self.site.webhook_configs, release != Release::Ours).await?;
        let ownership = match release {
            Release::Ours => self.ownership(&ours).await,
            Release::Other(_) => None,
        };
        let verdict = judge(&ours, &release, ownership.as_ref(), &self.site.prefix);
        if let Verdict::Ours(cluster) = verdict {
            record::save(&self.client, &self.site, &ours, cluster).await?;
        }
        Ok(verdict)
    }

    /// Whether Cairn was installed before, so that etcd has answered once.
    async fn is_recorded(&self) -> bool {
        match record::exists(&self.client, &self.site).await {
            Ok(exists) => exists,
            Err(error) => {
                warn!("installation: {}", report(&error));
                false
            }
        }
    }

    async fn identity(&self) -> Result<Identity, InstallationError> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let found = namespaces.get(KUBE_SYSTEM).await.map_err(InstallationError::KubeSystem)?;
        let kubernetes = found.metadata.uid.ok_or(InstallationError::NoUid)?;
        Ok(Identity {
            kubernetes,
            namespace: self.site.namespace.clone(),
            release: self.site.release.clone(),
        })
    }

    /// The owner of the key prefix; `None` while etcd does not answer.
    async fn ownership(&self, ours: &Identity) -> Option<Ownership> {
        let store = Store::new(Arc::clone(&self.etcd));
        match store.record_installation(&ours.to_string()).await {
            Ok(ownership) => Some(ownership),
            Err(error) => {
                tracing::debug!("installation: {}", error.report());
                None
            }
        }
    }

    /// Publishes a changed verdict. `Open` does not replace an earlier verdict.
    async fn show(&self, verdict: Verdict) {
        let before = self.verdict.borrow().clone();
        if before == verdict || (verdict == Verdict::Open && before != Verdict::Unknown) {
            return;
        }
        match &verdict {
            Verdict::Unknown | Verdict::Open => {}
            Verdict::Ours(cluster) => {
                info!(etcd_cluster = %cluster, "this installation is the only one");
            }
            Verdict::NotOurs(message) => {
                error!("{message}");
                self.publish(message).await;
            }
        }
        self.verdict.send_replace(verdict);
    }

    async fn publish(&self, message: &str) {
        let event = Event {
            type_: EventType::Warning,
            reason: "NotInstalled".to_owned(),
            note: Some(message.to_owned()),
            action: "Install".to_owned(),
            secondary: None,
        };
        let pod = events::pod(&self.site.namespace, &self.site.pod, None);
        events::publish(&self.client, CONTROLLER, &self.site.pod, &event, &pod).await;
    }
}

/// Publishes whether this replica leads and the verdict allows it to write.
pub async fn gate(
    mut leading: watch::Receiver<bool>,
    mut verdict: watch::Receiver<Verdict>,
    allows: fn(&Verdict) -> bool,
    writes: watch::Sender<bool>,
) {
    loop {
        let open = *leading.borrow_and_update() && allows(&verdict.borrow_and_update());
        writes.send_if_modified(|writes| std::mem::replace(writes, open) != open);
        let changed = tokio::select! {
            changed = leading.changed() => changed,
            changed = verdict.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use cairn_store::ClusterId;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_leader_writes_to_etcd_only_while_it_is_ours() {
        let (leads, leading) = watch::channel(true);
        let (verdict, judged) = watch::channel(Verdict::Unknown);
        let (writes, mut writing) = watch::channel(false);
        tokio::spawn(gate(leading, judged, Verdict::is_ours, writes));
        verdict.send_replace(Verdict::Open);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!*writing.borrow(), "etcd has not said whose it is");
        verdict.send_replace(Verdict::Ours(ClusterId::new(1)));
        writing.wait_for(|writes| *writes).await.unwrap();
        verdict.send_replace(Verdict::NotOurs("another's".to_owned()));
        writing.wait_for(|writes| !*writes).await.unwrap();
        verdict.send_replace(Verdict::Ours(ClusterId::new(1)));
        writing.wait_for(|writes| *writes).await.unwrap();
        leads.send_replace(false);
        writing.wait_for(|writes| !*writes).await.unwrap();
    }
}
