//! The load: pods that are created, claim, and lose their annotations.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use cairn_core::claim::{Holder, SlotRecord};
use cairn_core::keys::ClaimPath;
use cairn_core::lease::ClaimRequest;
use cairn_core::pool::{PoolName, Scope};
use cairn_core::time::BootInstant;
use cairn_kit::clock;
use cairn_store::Store;
use cairn_store::etcd::Etcd;
use futures::StreamExt as _;
use futures::stream;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt as _};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::MirrorError;
use super::lags::Lags;
use super::pods::{self, namespace, pool};
use super::scene::Scene;

/// Claims are kept for the whole run without renewals.
const LEASE: Duration = Duration::from_hours(1);

/// Requests at a time where the speed is not what is measured.
const AT_ONCE: usize = 16;

/// A pod, and when it claimed, or lost its annotation.
pub(super) type Since = (String, BootInstant);

/// Makes pods and their claims.
pub(super) struct Load {
    client: Client,
    store: Arc<Store<Etcd>>,
    specs: BTreeMap<PoolName, i64>,
}

/// A pod as it was created.
pub(super) struct Created {
    number: usize,
    name: String,
    uid: String,
}

// === impl Load ===

impl Load {
    pub(super) fn of(scene: &Scene) -> Self {
        let (client, store) = (scene.client.clone(), Arc::clone(&scene.store));
        Self { client, store, specs: scene.specs.clone() }
    }

    /// Creates so many pods in a second. Each claims as soon as it exists.
    pub(super) async fn create_and_claim(
        self: &Arc<Self>,
        numbers: Range<usize>,
        rate: u32,
    ) -> Result<Vec<Since>, MirrorError> {
        let mut ticks = interval(Duration::from_secs(1) / rate.max(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut tasks, mut claimed) = (JoinSet::new(), Vec::new());
        for number in numbers {
            ticks.tick().await;
            // Slower than asked for, rather than more and more at once.
            while tasks.len() >= 4 * AT_ONCE {
                claimed.extend(tasks.join_next().await.transpose()?.transpose()?);
            }
            let load = Arc::clone(self);
            tasks.spawn(async move {
                let pod = load.create_one(number).await?;
                load.claim(pod).await
            });
        }
        while let Some(done) = tasks.join_next().await {
            claimed.push(done??);
        }
        Ok(claimed)
    }

    /// Creates pods that do not claim yet.
    pub(super) async fn create(&self, numbers: Range<usize>) -> Result<Vec<Created>, MirrorError> {
        let creating = stream::iter(numbers).map(|number| self.create_one(number));
        creating.buffer_unordered(AT_ONCE).collect::<Vec<_>>().await.into_iter().collect()
    }

    /// All of them claim. Answers also how long etcd took.
    pub(super) async fn claim_at_once(
        self: &Arc<Self>,
        pods: Vec<Created>,
    ) -> Result<(Vec<Since>, Lags), MirrorError> {
        let mut tasks = JoinSet::new();
        for pod in pods {
            let load = Arc::clone(self);
            tasks.spawn(async move {
                let claimed = load.claim(pod).await?;
                let took = clock::now().boot.since(claimed.1);
                Ok::<_, MirrorError>((claimed, took))
            });
        }
        let claimed: Result<Vec<_>, _> = tasks.join_all().await.into_iter().collect();
        let (claimed, took) = claimed?.into_iter().unzip();
        Ok((claimed, Lags::new(took)))
    }

    /// Removes the claims' annotations from pods.
    pub(super) async fn remove(&self, numbers: Range<usize>) -> Result<Vec<Since>, MirrorError> {
        let removing = stream::iter(numbers).map(|number| self.remove_one(number));
        removing.buffer_unordered(AT_ONCE).collect::<Vec<_>>().await.into_iter().collect()
    }

    async fn remove_one(&self, number: usize) -> Result<Since, MirrorError> {
        let pool = pool(number);
        let keys = [
            format!("claim.cairn.dev/{pool}"),
            format!("claim.cairn.dev/{pool}.prefix"),
            format!("claim.cairn.dev/{pool}.fence"),
            "cairn.dev/status".to_owned(),
        ];
        let gone: BTreeMap<String, Option<String>> =
            keys.into_iter().map(|key| (key, None)).collect();
        let patch = Patch::Merge(json!({"metadata": {"annotations": gone}}));
        let (at, pod) = (clock::now().boot, pods::name(number));
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &namespace(number));
        pods.patch_metadata(&pod, &PatchParams::default(), &patch).await.map_err(Box::new)?;
        Ok((pod, at))
    }

    async fn create_one(&self, number: usize) -> Result<Created, MirrorError> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &namespace(number));
        let pod = pods::injected(number, &pool(number));
        let pod = pods.create(&PostParams::default(), &pod).await.map_err(Box::new)?;
        Ok(Created { number, name: pod.name_any(), uid: pod.uid().unwrap_or_default() })
    }

    /// What a sidecar does that finds its pool without a queue: a lease, and T1.
    async fn claim(&self, pod: Created) -> Result<Since, MirrorError> {
        let Created { number, name, uid } = pod;
        let pool: PoolName = pool(number).parse()?;
        let (namespace, now) = (namespace(number), clock::now());
        let lease = self.store.grant(now.boot, LEASE).await?.lease;
        let node = pods::node(number);
        let holder =
            Holder { namespace: namespace.clone(), pod: name.clone(), uid, node, incarnation: 1 };
        let record = SlotRecord {
            holder,
            nonce: format!("nonce-{number}"),
            since: now.wall,
            validity_ms: 30_000,
            quarantine_ms: 15_000,
        };
        let spec = self.specs.get(&pool).copied().unwrap_or_default();
        let path = ClaimPath::new(pool, Scope::Cluster, &namespace, None);
        let key = Some(pods::number_in_pool(number).to_string());
        let request = ClaimRequest { key, spec, ..ClaimRequest::unread(path, record, lease) };
        let at = clock::now().boot;
        match self.store.claim(&request).await?.won() {
            Some(_) => Ok((name, at)),
            None => Err(MirrorError::Refused(name)),
        }
    }
}
