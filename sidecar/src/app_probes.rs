//! The apps' own probes, asked in the kubelet's place, so that the kubelet's probes of an app can
//! carry two verdicts: the claim's and the app's.
//!
//! One task per container with probes. The kubelet tells when a container was started: it asks
//! [`AppProbes::container_started`] at every start and at no other time. Whether a startup probe has
//! passed is kept in a file, because a restarted sidecar is not told of it again.
//! Pure rules: [`health`]. Sockets: [`ask`]. Not for the claim's verdict ([`crate::applied`]).

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cairn_core::app_probe;
use cairn_kit::clock::Clock;
use tokio::sync::Notify;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::sleep;
use tracing::{Instrument as _, info, info_span, warn};

use crate::metrics::AppProbeMetrics;
use crate::publish::file;

pub mod ask;
pub mod health;

use health::{Change, Due, Health};

/// What is asked, and who may say that a container was started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Each container's probes.
    pub probes: Vec<app_probe::AppProbes>,
    /// Where probes that name no host connect to.
    pub host: String,
    /// What the kubelet's probes carry; without one, everybody is believed.
    pub token: Option<String>,
}

/// The containers and what is known of them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct AppProbes(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    containers: BTreeMap<String, Container>,
    host: String,
    token: Option<String>,
    dir: PathBuf,
    clock: Arc<dyn Clock>,
    metrics: AppProbeMetrics,
}

#[derive(Debug)]
struct Container {
    health: Mutex<Health>,
    /// Tells the task that the container was started.
    news: Notify,
    /// Whether an earlier process saw the startup probe pass.
    kept: bool,
    /// One write of the mark at a time, in the order of the changes.
    mark: tokio::sync::Mutex<()>,
}

// === impl AppProbes ===

impl AppProbes {
    /// The containers of a configuration; `dir` keeps their marks. Blocks for a few small reads.
    pub fn new(
        settings: &Settings,
        dir: &Path,
        clock: Arc<dyn Clock>,
        metrics: AppProbeMetrics,
    ) -> Self {
        let container = |probes: &app_probe::AppProbes| {
            let name = probes.container.clone();
            let kept = dir.join(mark_name(&name)).exists();
            let container = Container {
                health: Mutex::new(Health::new(probes.clone())),
                news: Notify::new(),
                kept,
                mark: tokio::sync::Mutex::default(),
            };
            (name, container)
        };
        Self(Arc::new(Shared {
            containers: settings.probes.iter().map(container).collect(),
            host: settings.host.clone(),
            token: settings.token.clone(),
            dir: dir.to_owned(),
            clock,
            metrics,
        }))
    }

    /// Starts the tasks, which end with the set.
    pub fn spawn_into(&self, tasks: &mut JoinSet<()>) {
        for name in self.0.containers.keys() {
            let (shared, name) = (Arc::clone(&self.0), name.clone());
            let span = info_span!("app_probes", container = name);
            let asking = async move {
                if let Some(container) = shared.containers.get(&name) {
                    shared.watch(&name, container).await;
                }
            };
            tasks.spawn(asking.instrument(span));
        }
    }

    /// Whether a request carries the token of the kubelet's probes.
    pub fn is_kubelet(&self, token: Option<&[u8]>) -> bool {
        self.0.token.as_ref().is_none_or(|expected| token == Some(expected.as_bytes()))
    }

    /// The kubelet asks because it has just started the container. Returns when a restarted sidecar
    /// would know it, too.
    pub async fn container_started(&self, name: &str) -> io::Result<()> {
        let Some(container) = self.0.containers.get(name) else {
            return Ok(());
        };
        let has_startup = {
            let mut health = container.health();
            health.container_started(self.0.clock.now().boot);
            health.probes().startup.is_some()
        };
        container.news.notify_one();
        if has_startup {
            self.0.mark(name, container).await?;
        }
        Ok(())
    }

    /// The kubelet asks more than whether the container may start, so it runs.
    pub fn container_runs(&self, name: &str) {
        if let Some(container) = self.0.containers.get(name) {
            let mut health = container.health();
            if !health.is_known() {
                health.container_runs(self.0.clock.now().boot, container.kept);
                container.news.notify_one();
            }
        }
    }

    /// Whether the container's own probes let it go on.
    pub fn alive(&self, name: &str) -> Result<(), String> {
        self.0.containers.get(name).map_or(Ok(()), |container| container.health().alive())
    }

    /// Whether the container's own startup probe has passed.
    pub fn ready(&self, name: &str) -> Result<(), String> {
        self.0.containers.get(name).map_or(Ok(()), |container| container.health().ready())
    }
}

// === impl Shared ===

impl Shared {
    /// Asks the container's probes when they are due.
    async fn watch(&self, name: &str, container: &Container) {
        loop {
            let due = container.health().due();
            let asking = async {
                match due {
                    Some(due) => self.ask(name, container, &due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = asking => {}
                // What is asked meanwhile is about a run that has ended.
                () = container.news.notified() => {}
            }
        }
    }

    async fn ask(&self, name: &str, container: &Container, due: &Due) {
        sleep(due.at.since(self.clock.now().boot)).await;
        let Some(probe) = container.health().probe(due.kind).cloned() else {
            return;
        };
        let asked = self.clock.now().boot;
        let answer = ask::ask(&probe, &self.host).await;
        self.metrics.answered(name, due.kind, answer.is_ok());
        let now = self.clock.now().boot;
        let change = container.health().observe(due, asked, now, answer);
        match change {
            Some(Change::Started) => {
                info!("its startup probe has passed");
                if let Err(error) = self.mark(name, container).await {
                    warn!(%error, "a restart of this sidecar will ask its startup probe again");
                }
            }
            Some(Change::Failed(reason)) => {
                warn!(reason, "the kubelet is told to restart the container");
            }
            None => {}
        }
    }

    /// Brings the mark to what is known. Whoever comes later writes the newer knowledge.
    async fn mark(&self, name: &str, container: &Container) -> io::Result<()> {
        let _one_at_a_time = container.mark.lock().await;
        let started = container.health().ready().is_ok();
        let (dir, name) = (self.dir.clone(), mark_name(name));
        let written = spawn_blocking(move || {
            if started { file::write(&dir, &name, b"") } else { file::remove(&dir.join(&name)) }
        });
        written.await?.map_err(io::Error::other)
    }
}

// === impl Container ===

impl Container {
    fn health(&self) -> MutexGuard<'_, Health> {
        // Nothing panics while it is locked, and each change is complete.
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// In the published directory: the container's startup probe has passed.
fn mark_name(container: &str) -> String {
    format!(".started-{container}")
}
