//! Runs the apps' own probes in place of the kubelet, so that the kubelet's probes of an app can depend on both the
//! claim and the app. The reasons are in `docs/pods.md`, "Stopping apps".
//!
//! There is one task for each container with probes. The kubelet asks the startup probe
//! ([`AppProbes::container_started`]) after each start of a container and at no other time. A file records that a
//! container's own startup probe has passed, because after a restart of the sidecar the kubelet does not report the
//! start again. [`health`] has the pure rules and [`ask`] the sockets. Not for the claims ([`crate::applied`]).

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

use crate::publish::file;

pub mod ask;
pub mod health;
pub mod metrics;

use health::{Change, Due, Health};
use metrics::AppProbeMetrics;

/// The probes, and the token of those who may report a start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Each container's probes.
    pub probes: Vec<app_probe::AppProbes>,
    /// The host of probes that name none.
    pub host: String,
    /// The token of the kubelet's probes. Without one, every request counts as the kubelet's.
    pub token: Option<String>,
}

/// The containers and their health. Clones share their state.
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
    restarted: Notify,
    /// Whether the startup probe has passed in an earlier process.
    had_passed: bool,
    /// Serialises the writes of the mark.
    mark: tokio::sync::Mutex<()>,
}

// === impl AppProbes ===

impl AppProbes {
    /// The configured containers; `dir` has their marks. Blocks for a few small reads.
    pub fn new(
        settings: &Settings,
        dir: &Path,
        clock: Arc<dyn Clock>,
        metrics: AppProbeMetrics,
    ) -> Self {
        let container = |probes: &app_probe::AppProbes| {
            let name = probes.container.clone();
            let had_passed = dir.join(mark_name(&name)).exists();
            let container = Container {
                health: Mutex::new(Health::new(probes.clone())),
                restarted: Notify::new(),
                had_passed,
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

    /// Spawns the tasks into a set, whose drop ends them.
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

    /// Records that the kubelet has started the container. When this returns, the mark agrees, so that a restarted
    /// sidecar knows it too.
    pub async fn container_started(&self, name: &str) -> io::Result<()> {
        let Some(container) = self.0.containers.get(name) else {
            return Ok(());
        };
        let has_startup = {
            let mut health = container.health();
            health.container_started(self.0.clock.now().boot);
            health.probes().startup.is_some()
        };
        container.restarted.notify_one();
        if has_startup {
            self.0.mark(name, container).await?;
        }
        Ok(())
    }

    /// Records that the container runs: the kubelet asks other probes only after its start.
    pub fn container_runs(&self, name: &str) {
        if let Some(container) = self.0.containers.get(name) {
            let mut health = container.health();
            if !health.is_known() {
                health.container_runs(self.0.clock.now().boot, container.had_passed);
                container.restarted.notify_one();
            }
        }
    }

    /// Whether the container's own probes let it continue.
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
    /// Runs the container's probes when they are due.
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
                // A probe in progress is about a run that has ended.
                () = container.restarted.notified() => {}
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
                info!("the startup probe has passed");
                if let Err(error) = self.mark(name, container).await {
                    let message =
                        "cannot write the mark; a restarted sidecar asks the startup probe again";
                    warn!(%error, message);
                }
            }
            Some(Change::Failed(reason)) => {
                warn!(
                    container = name,
                    reason, "the liveness probe fails; the kubelet restarts the container"
                );
            }
            None => {}
        }
    }

    /// Writes or removes the mark. The last call writes the newest state.
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
        // No code panics under the lock, and each change is complete.
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name of the file which records that a container's startup probe has passed.
fn mark_name(container: &str) -> String {
    format!(".started-{container}")
}
