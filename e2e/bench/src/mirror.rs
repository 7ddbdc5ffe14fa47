//! Measures the claims mirror with ten thousand claims: a real webhook process with the chart's account, a real API
//! server, and a real etcd with TLS. There are no kubelets, so that nobody else writes to the pods.
//!
//! Pods are created as admission leaves them. Their claims are the sidecar's own transactions, without the sidecars:
//! ten thousand processes would measure this machine. How long an annotation takes is seen by a watch of pods.

use std::sync::Arc;
use std::time::Duration;

use cairn_core::pool::PoolError;
use cairn_kit::clock;
use cairn_plane::Failure;
use thiserror::Error;
use tokio::task::JoinError;
use tokio::time::sleep;

use crate::args::MirrorArgs;
use crate::cpu;
use crate::mirror::lags::Lags;
use crate::mirror::load::Load;
use crate::mirror::scene::Scene;

pub mod lags;
mod load;
pub mod page;
mod pods;
mod scene;
mod shown;

/// Longer than until the last write of a phase, and until another replica would lead.
const LIMIT: Duration = Duration::from_mins(3);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// The mirror counts claims, and writes Events, for some seconds after a phase.
const SETTLE: Duration = Duration::from_secs(10);

/// What was measured.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// The day of the run.
    pub date: String,
    /// The description of the machine.
    pub machine: String,
    /// How it was measured.
    pub args: MirrorArgs,
    /// Resident memory of the webhook before the first pod, in KiB.
    pub empty: u64,
    /// From a claim to its annotation, one pod after the other.
    pub steady: Lags,
    /// Pods that were created and claimed in each second, in fact.
    pub rate: f64,
    /// CPU of the webhook for each of these claims.
    pub cpu: Duration,
    /// Resident memory with all claims, in KiB.
    pub full: u64,
    /// Claims of a burst.
    pub burst: Lags,
    /// How long etcd took for these claims.
    pub answered: Lags,
    /// How often a write has waited for the limit of requests during the burst.
    pub limited: f64,
    /// From the removal of an annotation to its return.
    pub repaired: Lags,
    /// The largest resident memory until then, in KiB.
    pub peak: u64,
    /// From the start of another webhook until it had listed everything.
    pub ready: Duration,
    /// From that start until all annotations were back that were removed while no webhook ran.
    pub recovered: Duration,
    /// The largest resident memory of the other webhook, in KiB.
    pub restarted_peak: u64,
    /// Its resident memory at the end, in KiB.
    pub restarted: u64,
    /// Writes that failed.
    pub failures: f64,
}

/// Why the mirror could not be measured.
#[derive(Debug, Error)]
pub enum MirrorError {
    /// The API server, the webhook or their etcd.
    #[error("could not start what is measured")]
    Plane(#[from] Failure),
    /// The kubeconfig.
    #[error("could not read the kubeconfig")]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    /// The API server refused something, or did not answer.
    #[error("a request to the API server failed")]
    Kube(#[from] Box<kube::Error>),
    /// etcd refused something, or did not answer.
    #[error("a request to etcd failed")]
    Store(#[from] cairn_store::Error),
    /// A name that no pool can have.
    #[error("could not name a pool")]
    Pool(#[from] PoolError),
    /// A claim that lost against another one.
    #[error("the claim of pod {0} was refused, although nobody else claims its name")]
    Refused(String),
    /// A task of the benchmark.
    #[error("a task has panicked")]
    Task(#[from] JoinError),
    /// It did not happen.
    #[error("{what} has not happened within {LIMIT:?}: {missing} pods are left")]
    Silent {
        /// What was waited for.
        what: &'static str,
        /// How many pods lack it.
        missing: usize,
    },
}

/// Measures.
pub async fn measure(args: &MirrorArgs) -> Result<Figures, MirrorError> {
    let mut scene = Scene::start().await?;
    let mut figures = Figures {
        date: clock::now().wall.to_string().chars().take(10).collect(),
        machine: crate::machine::words(),
        args: args.clone(),
        ..Figures::default()
    };
    sleep(SETTLE).await;
    figures.empty = cpu::resident(scene.webhook.id());

    eprintln!("{} pods are created and claim, {} a second", args.claims, args.rate);
    let load = Arc::new(Load::of(&scene));
    let (before, began) = (cpu::used(scene.webhook.id()), clock::now().boot);
    let claimed = load.create_and_claim(0..args.claims, args.rate).await?;
    let took = clock::now().boot.since(began);
    figures.rate = crate::claims::count(args.claims) / took.as_secs_f64();
    figures.steady = scene.shown.lags("an annotation on every pod", &claimed).await?;
    sleep(SETTLE).await;
    let used = cpu::used(scene.webhook.id()).saturating_sub(before);
    figures.cpu = used / u32::try_from(args.claims.max(1)).unwrap_or(u32::MAX);
    figures.full = cpu::resident(scene.webhook.id());

    eprintln!("{} pods claim at once", args.burst);
    let pods = load.create(args.claims..args.claims + args.burst).await?;
    let limited = scene.limited();
    let (claimed, answered) = load.claim_at_once(pods).await?;
    figures.burst = scene.shown.lags("an annotation on every pod of the burst", &claimed).await?;
    figures.answered = answered;
    figures.limited = scene.limited() - limited;

    eprintln!("annotations are removed from {} pods", args.removed);
    let removed = load.remove(0..args.removed).await?;
    figures.repaired = scene.shown.lags("the return of an annotation", &removed).await?;
    sleep(SETTLE).await;
    figures.peak = cpu::peak(scene.webhook.id());
    figures.failures = scene.failures();
    eprintln!("until here:\n{}", page::everything(&figures).text());

    eprintln!("another webhook starts, and {} annotations are gone meanwhile", args.removed);
    scene.stop_webhook();
    let removed = load.remove(0..args.removed).await?;
    scene.shown.gone(&removed).await?;
    let began = scene.start_webhook()?;
    figures.ready = clock::now().boot.since(began);
    scene.shown.lags("the return of an annotation after the restart", &removed).await?;
    figures.recovered = clock::now().boot.since(began);
    sleep(SETTLE).await;
    figures.restarted = cpu::resident(scene.webhook.id());
    figures.restarted_peak = cpu::peak(scene.webhook.id());
    figures.failures += scene.failures();
    Ok(figures)
}
