//! Whose etcd and whose Kubernetes cluster this is: one installation of Cairn has both to itself.
//!
//! The installation is recorded in Kubernetes, on the CRD of pools, and in etcd, below the key
//! prefix. When either names another one, this one writes nothing, says so and is not ready; a second
//! release in one Kubernetes cluster also takes its webhooks out of the way of the first one's pods.
//! Nothing waits for etcd: as long as it does not answer, the question is open, and whoever would
//! write to it could not.
//!
//! Not for: which of the replicas writes; see [`crate::leader`].

use std::sync::Arc;
use std::time::Duration;

use cairn_kit::errors::report;
use cairn_store::Store;
use cairn_store::etcd::Etcd;
use cairn_store::installation::Ownership;
use k8s_openapi::api::core::v1::{Namespace, ObjectReference};
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Api, Client};
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{error, info, warn};

use crate::config_map::ConfigMapError;
use crate::ready::{Block, Ready};
use identity::Identity;
use verdict::{Release, Verdict, judge};

pub mod aside;
pub mod crd;
pub mod identity;
pub mod record;
pub mod verdict;

/// What was decided is looked at again this often: an annotation may be removed, an etcd wiped.
const TICK: Duration = Duration::from_secs(30);
/// Until it is decided, and while it is decided against us.
const RETRY: Duration = Duration::from_secs(2);

/// The namespace that every Kubernetes cluster has exactly once; its UID names the cluster.
const KUBE_SYSTEM: &str = "kube-system";
/// What readiness waits for.
pub const BLOCK: &str = "installation";
/// Who reports; the form that the API asks for.
const CONTROLLER: &str = "cairn.dev/installation";

/// What to keep an eye on.
pub struct Installation {
    /// The API server.
    pub client: Client,
    /// etcd, under our prefix.
    pub etcd: Arc<Etcd>,
    /// Where we are.
    pub site: Site,
    /// Where the verdict goes.
    pub verdict: watch::Sender<Verdict>,
    /// Blocked while the verdict is against us.
    pub ready: Ready,
}

/// Where this installation is, and what belongs to it.
#[derive(Clone, Debug)]
pub struct Site {
    /// The namespace.
    pub namespace: String,
    /// What this release calls itself: the name of its Service.
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
    /// Looks for ever. `block` is lifted once Kubernetes says that this is the only release.
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
                        Verdict::Open | Verdict::Ours(_) => block = None,
                        Verdict::NotOurs(_) | Verdict::Unknown => {}
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

    /// What etcd says; `None` while it says nothing.
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

    /// Publishes a verdict that has changed. An open question changes nothing that was decided.
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
                self.tell(message).await;
            }
        }
        self.verdict.send_replace(verdict);
    }

    async fn tell(&self, message: &str) {
        let reporter =
            Reporter { controller: CONTROLLER.to_owned(), instance: Some(self.site.pod.clone()) };
        let event = Event {
            type_: EventType::Warning,
            reason: "NotInstalled".to_owned(),
            note: Some(message.to_owned()),
            action: "Install".to_owned(),
            secondary: None,
        };
        let pod = ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            namespace: Some(self.site.namespace.clone()),
            name: Some(self.site.pod.clone()),
            ..ObjectReference::default()
        };
        let recorder = Recorder::new(self.client.clone(), reporter);
        if let Err(error) = recorder.publish(&event, &pod).await {
            tracing::debug!(%error, "an Event was not recorded");
        }
    }
}

/// True while this replica leads and the verdict allows it to write: `allows` says where.
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
