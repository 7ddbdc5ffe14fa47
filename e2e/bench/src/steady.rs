//! Measures held claims while nothing happens: every pod sends a keepalive and a read every V/3.
//!
//! Every pod has a connection of its own, as in a cluster: pings and keepalive streams are most of the cost.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cairn_herd::figures::Figures;
use cairn_herd::herd::Herd;
use tempfile::TempDir;
use thiserror::Error;
use tokio::time::{sleep, timeout};

use crate::args::SteadyArgs;
use crate::claims::{MeasureError, Site, count};
use crate::cpu;

/// How long it may take until a thousand connections are open and every pod has a name.
const START_LIMIT: Duration = Duration::from_mins(2);

/// Longer than the time between renewals: the first renewals of all pods come at once, later ones are spread.
const SETTLE: Duration = Duration::from_secs(15);

/// The cost of held claims.
#[derive(Clone, Debug)]
pub struct Steady {
    /// How many pods held a name at the end.
    pub held: usize,
    /// How often a pod lost its name.
    pub losses: usize,
    /// The length of the measurement.
    pub span: Duration,
    /// Raft entries per second.
    pub writes: f64,
    /// CPU of etcd, in percent of one core.
    pub etcd_cpu: f64,
    /// Resident memory of etcd, in MiB.
    pub etcd_memory: f64,
    /// CPU of all pods together, in percent of one core.
    pub pods_cpu: f64,
    /// The cost of one real sidecar, when a binary was given.
    pub sidecar: Option<Sidecar>,
}

/// The cost of one sidecar process.
#[derive(Clone, Copy, Debug)]
pub struct Sidecar {
    /// Milliseconds of CPU per minute.
    pub cpu: f64,
    /// Resident memory in KiB.
    pub memory: u64,
}

/// Why held claims could not be measured.
#[derive(Debug, Error)]
pub enum SteadyError {
    /// The herd or its etcd failed.
    #[error("could not measure held claims")]
    Measure(#[from] MeasureError),
    /// Not every pod got a name.
    #[error("only {held} of {pods} pods had a name within {START_LIMIT:?}")]
    Short {
        /// How many pods had a name.
        held: usize,
        /// The number of pods.
        pods: usize,
    },
    /// The sidecar could not be started.
    #[error("could not run the sidecar; build it with `cargo build --release -p cairn-sidecar`")]
    Sidecar(#[source] std::io::Error),
    /// The sidecar did not claim a name.
    #[error("the sidecar had no name within {START_LIMIT:?}")]
    SidecarSilent,
}

/// A running sidecar. It is killed when this is dropped.
struct Running {
    process: Child,
    dir: TempDir,
}

/// Lets the pods claim, and measures while they hold their names.
pub async fn measure(args: &SteadyArgs) -> Result<Steady, SteadyError> {
    eprintln!("{} held claims, one connection each", args.pods);
    let site = Site::new(1, args.pods).await?;
    let env = site.env(Herd::of(args.pods)).await?;
    let mut claimants = env.start();
    if !claimants.finish(START_LIMIT).await {
        let held = Figures::of(claimants.results()).held;
        return Err(SteadyError::Short { held, pods: args.pods });
    }
    let sidecar = match (&args.sidecar, site.members.urls().first()) {
        (Some(binary), Some(url)) => Some(Running::start(binary, url).await?),
        _ => None,
    };
    sleep(SETTLE).await;
    let own = std::process::id();
    let used = || (cpu::used(own), sidecar.as_ref().map_or(Duration::ZERO, Running::used));
    let (before, used_before) = (site.members.sample().await.map_err(MeasureError::from)?, used());
    let span = Duration::from_secs(args.seconds.max(1));
    sleep(span).await;
    let (used_after, after) = (used(), site.members.sample().await.map_err(MeasureError::from)?);
    let figures = Figures::of(claimants.results());
    claimants.stop().await;
    let per_second = |amount: f64| amount / span.as_secs_f64();
    let spent = |after: Duration, before: Duration| after.saturating_sub(before).as_secs_f64();
    Ok(Steady {
        held: figures.held,
        losses: figures.losses,
        span,
        writes: per_second(after.entries - before.entries),
        etcd_cpu: 100.0 * per_second(after.cpu - before.cpu),
        etcd_memory: after.memory / count(1024 * 1024),
        pods_cpu: 100.0 * per_second(spent(used_after.0, used_before.0)),
        sidecar: sidecar.as_ref().map(|sidecar| Sidecar {
            cpu: 60_000.0 * per_second(spent(used_after.1, used_before.1)),
            memory: cpu::resident(sidecar.process.id()),
        }),
    })
}

// === impl Running ===

impl Running {
    async fn start(binary: &Path, url: &str) -> Result<Self, SteadyError> {
        let dir = TempDir::new().map_err(SteadyError::Sidecar)?;
        let process = Command::new(binary)
            .args(["--etcd", url, "--pool", "mountains", "--new-store", "--dir"])
            .arg(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(SteadyError::Sidecar)?;
        let running = Self { process, dir };
        let name = running.dir.path().join("name");
        let named = async {
            while !name.exists() {
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(START_LIMIT, named).await.map_err(|_| SteadyError::SidecarSilent)?;
        Ok(running)
    }

    fn used(&self) -> Duration {
        cpu::used(self.process.id())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when the process has already ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
