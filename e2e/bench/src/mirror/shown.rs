//! Which pods show a claim as an annotation, and since when: a watch of all injected pods.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cairn_core::time::BootInstant;
use cairn_kit::clock;
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, PartialObjectMeta};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Client, ResourceExt as _};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::lags::Lags;
use super::{LIMIT, LOOK, MirrorError};

/// What annotations with claims begin with.
const CLAIM: &str = "claim.cairn.dev/";

/// The annotation of a claim, and since when it is on its pod, by the pod's name.
type Since = Arc<Mutex<HashMap<String, BootInstant>>>;

/// The watch.
#[derive(Debug)]
pub(super) struct Shown {
    since: Since,
    task: JoinHandle<()>,
}

// === impl Shown ===

impl Shown {
    /// Starts to watch.
    pub(super) fn watch(client: Client) -> Self {
        let since = Since::default();
        let seen = Arc::clone(&since);
        let task = tokio::spawn(async move {
            let pods: Api<PartialObjectMeta<Pod>> = Api::all(client);
            let config = Config::default().labels("cairn.dev/injected=true");
            let mut events = pin!(watcher(pods, config).default_backoff());
            while let Some(event) = events.next().await {
                if let Ok(Event::Apply(pod) | Event::InitApply(pod)) = event {
                    note(&mut lock(&seen), &pod);
                }
            }
        });
        Self { since, task }
    }

    /// From these instants until the pods show their claims. Waits until all do.
    pub(super) async fn lags(
        &self,
        what: &'static str,
        pods: &[(String, BootInstant)],
    ) -> Result<Lags, MirrorError> {
        let shown = |since: &HashMap<String, BootInstant>| {
            let lag = |(pod, from): &(String, BootInstant)| {
                since.get(pod).filter(|at| *at > from).map(|at| at.since(*from))
            };
            pods.iter().filter_map(lag).collect::<Vec<Duration>>()
        };
        self.wait(what, pods.len(), |since| shown(since).len()).await?;
        Ok(Lags::new(shown(&lock(&self.since))))
    }

    /// Waits until none of these pods shows a claim.
    pub(super) async fn gone(&self, pods: &[(String, BootInstant)]) -> Result<(), MirrorError> {
        let gone = |since: &HashMap<String, BootInstant>| {
            pods.iter().filter(|(pod, _)| !since.contains_key(pod)).count()
        };
        self.wait("the removal of annotations", pods.len(), gone).await
    }

    async fn wait(
        &self,
        what: &'static str,
        all: usize,
        done: impl Fn(&HashMap<String, BootInstant>) -> usize,
    ) -> Result<(), MirrorError> {
        let began = clock::now().boot;
        loop {
            let missing = all - done(&lock(&self.since));
            if missing == 0 {
                return Ok(());
            }
            if clock::now().boot.since(began) > LIMIT {
                return Err(MirrorError::Silent { what, missing });
            }
            sleep(LOOK).await;
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The API server sends every change, so that a removal is seen before the return.
fn note(since: &mut HashMap<String, BootInstant>, pod: &PartialObjectMeta<Pod>) {
    if pod.annotations().keys().any(|key| key.starts_with(CLAIM)) {
        since.entry(pod.name_any()).or_insert_with(|| clock::now().boot);
    } else {
        since.remove(&pod.name_any());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
