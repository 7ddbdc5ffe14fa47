//! Wiring: binds what a configuration asks for, runs it, and says how it ended.
//!
//! [`build`] binds and [`Bound::run`] runs, so that tests do the same with port 0 and a driver of
//! their own. In a pod nothing ends before the first success: a sidecar that exits once before it
//! can wedge the pod, and only a running one can tell the probe what is wrong.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cairn_core::claim::Holder;
use cairn_kit::serve;
use thiserror::Error;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{sleep, timeout};
use tracing::{error, info, warn};

use crate::app_probes::AppProbes;
use crate::applied::{Applied, Watch};
use crate::claim::{Outcome, Seam};
use crate::clock::Clock;
use crate::config::Config;
use crate::ids::Ids;
use crate::instance::{self, InstanceError};
use crate::metrics::{self, ClaimMetrics, Metrics};
use crate::publish::tree::{Tree, TreeError};
use crate::publish::{Publisher, report};
use crate::server::Serving;
use crate::shutdown::Shutdown;
use crate::snapshot::Snapshot;
use crate::{admin, api};

/// A pod's sidecar has to be gone a second after its SIGTERM; this leaves time to clean up.
const DRAIN_TIME: Duration = Duration::from_millis(850);
/// How long a pod's sidecar waits before it tries again what failed.
const RETRY_PERIOD: Duration = Duration::from_secs(5);

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Asked to, and everything was given back.
    Clean = 0,
    /// It could not go on.
    Failed = 1,
    /// Wrong flags.
    Usage = 2,
    /// A younger sidecar took over.
    Fenced = 3,
}

/// Everything that is bound and ready to run.
#[derive(Debug)]
pub struct Bound {
    config: Arc<Config>,
    clock: Arc<dyn Clock>,
    holder: Holder,
    snapshots: watch::Sender<Arc<Snapshot>>,
    publisher: Publisher,
    applied: Watch,
    ids: Ids,
    metrics: (Metrics, ClaimMetrics),
    probes: AppProbes,
    socket: UnixListener,
    api: Option<TcpListener>,
    admin: Option<TcpListener>,
}

/// Why nothing runs.
#[derive(Debug, Error)]
pub enum BuildError {
    /// The directory.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The holder's UID.
    #[error(transparent)]
    Instance(#[from] InstanceError),
    /// The socket.
    #[error("cannot make the socket in {}", dir.display())]
    Socket {
        /// The directory.
        dir: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A port.
    #[error("cannot listen on {address}; free it or choose another with {flag}")]
    Listen {
        /// Which flag.
        flag: &'static str,
        /// Which address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The runtime ends.
    #[error("start was cut off")]
    Task(#[from] tokio::task::JoinError),
}

/// Takes the directory over and binds every listener.
pub async fn build(config: Arc<Config>, clock: Arc<dyn Clock>) -> Result<Bound, BuildError> {
    let taking = Arc::clone(&config);
    let (tree, uid) = spawn_blocking(move || take_dir(&taking)).await??;
    let socket = api::bind_socket(&config.dir)
        .map_err(|source| BuildError::Socket { dir: config.dir.clone(), source })?;
    let api = listen("--api", config.api)?;
    let admin = listen("--admin", config.admin)?;
    let holder = Holder {
        namespace: config.namespace.clone(),
        pod: config.pod.clone(),
        uid,
        node: config.node.clone(),
        incarnation: 0,
    };
    let starting = Snapshot::starting(&config.pools, config.group_text(), &holder);
    let (snapshots, first) = watch::channel(Arc::new(starting));
    let first = Arc::clone(&first.borrow());
    let gate_file = config.gate_file.clone();
    let ids = Ids::new(&config, &holder.uid, Arc::clone(&clock), snapshots.subscribe());
    let pod = config.in_pod.then(|| holder.uid.clone());
    let (publisher, applied) = Publisher::new(tree, gate_file, pod, Arc::clone(&clock), &first);
    let metrics = metrics::build(Arc::clone(&clock));
    let probes =
        AppProbes::new(&config.app_probes, &config.dir, Arc::clone(&clock), metrics.0.app_probes());
    Ok(Bound {
        config,
        clock,
        holder,
        snapshots,
        publisher,
        applied,
        ids,
        metrics,
        probes,
        socket,
        api,
        admin,
    })
}

/// Runs a configuration until it ends; in a pod, tries again until the first success.
pub async fn run<D, F>(
    config: Arc<Config>,
    clock: Arc<dyn Clock>,
    driver: D,
    shutdown: Shutdown,
) -> Exit
where
    D: Fn(Seam) -> F,
    F: Future<Output = Outcome>,
{
    loop {
        let error = match build(Arc::clone(&config), Arc::clone(&clock)).await {
            Ok(bound) => return bound.run(&driver, shutdown).await,
            Err(error) => report(&error),
        };
        if !config.in_pod {
            error!("{error}");
            return Exit::Failed;
        }
        tokio::select! {
            () = explain(&config.dir, &error) => {}
            () = sleep(RETRY_PERIOD) => {}
            () = shutdown.draining() => return Exit::Failed,
        }
    }
}

/// Tells every probe of a directory's socket why there will be no claims; never returns.
pub async fn explain(dir: &Path, sentence: &str) {
    error!("{sentence}");
    let (_sender, applied) = watch::channel(Arc::new(Applied::failed(sentence)));
    let dir = dir.to_owned();
    let taken = spawn_blocking({
        let dir = dir.clone();
        move || Tree::open(&dir, &[])
    });
    match taken.await {
        Ok(Ok(_tree)) => match api::bind_socket(&dir) {
            Ok(socket) => {
                let mut serving = Serving::new(&serve::Metrics::default());
                serving.socket(socket, api::router(applied, None));
                std::future::pending::<()>().await;
            }
            Err(error) => warn!(%error, dir = %dir.display(), "no socket, so the probe stays mute"),
        },
        Ok(Err(error)) => warn!("{}; so the probe stays mute", report(&error)),
        Err(error) => warn!(%error, "no socket, so the probe stays mute"),
    }
    std::future::pending::<()>().await;
}

// === impl Exit ===

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

// === impl Bound ===

impl Bound {
    /// Where the API listens besides the socket.
    pub fn api_address(&self) -> Option<SocketAddr> {
        self.api.as_ref()?.local_addr().ok()
    }

    /// Where the admin server listens.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref()?.local_addr().ok()
    }

    /// Serves, publishes and drives until the driver ends or the shutdown cuts it off.
    pub async fn run<D, F>(self, driver: D, shutdown: Shutdown) -> Exit
    where
        D: Fn(Seam) -> F,
        F: Future<Output = Outcome>,
    {
        info!(
            pools = ?self.config.pools.iter().map(ToString::to_string).collect::<Vec<_>>(),
            etcd = ?self.config.etcd.endpoints,
            dir = %self.config.dir.display(),
            namespace = self.holder.namespace,
            group = self.config.group_text(),
            uid = self.holder.uid,
            api = self.api_address().map(tracing::field::display),
            admin = self.admin_address().map(tracing::field::display),
            "started"
        );
        let Self {
            config,
            clock,
            holder,
            snapshots,
            mut publisher,
            applied,
            ids,
            metrics: (metrics, counters),
            probes,
            socket,
            api,
            admin,
        } = self;
        let mut serving = Serving::new(metrics.connections());
        let mut asking = JoinSet::new();
        let routes = api::router(applied.clone(), Some(ids.clone()));
        serving.socket(socket, routes.clone());
        if let Some(listener) = api {
            serving.api(listener, routes);
        }
        if let Some(listener) = admin {
            probes.spawn_into(&mut asking);
            serving.admin(listener, admin::router(applied, metrics, probes));
        }
        let news = snapshots.subscribe();
        let publishing = tokio::spawn(async move {
            publisher.run(news).await;
            publisher
        });
        let seam = || Seam {
            config: Arc::clone(&config),
            holder: holder.clone(),
            clock: Arc::clone(&clock),
            snapshots: snapshots.clone(),
            ids: ids.clone(),
            metrics: counters.clone(),
            shutdown: shutdown.clone(),
        };
        let outcome = drive(&driver, seam, &snapshots, config.in_pod, &shutdown).await;
        drop(snapshots);
        let exit = settle(outcome, publishing.await.ok(), config.in_pod).await;
        // A socket that nobody serves would only make clients wait.
        let socket = api::socket_path(&config.dir);
        if let Err(error) = std::fs::remove_file(&socket) {
            warn!(%error, socket = %socket.display(), "socket stays");
        }
        serving.close().await;
        exit
    }
}

/// Runs the driver, again after a failure in a pod that had no success yet. `None` when it did not
/// end in time.
async fn drive<D, F>(
    driver: &D,
    seam: impl Fn() -> Seam,
    snapshots: &watch::Sender<Arc<Snapshot>>,
    in_pod: bool,
    shutdown: &Shutdown,
) -> Option<Outcome>
where
    D: Fn(Seam) -> F,
    F: Future<Output = Outcome>,
{
    loop {
        let cut_off = async {
            shutdown.draining().await;
            tokio::select! {
                () = sleep(DRAIN_TIME) => {}
                () = shutdown.aborting() => {}
            }
        };
        let outcome = tokio::select! {
            outcome = driver(seam()) => outcome,
            () = cut_off => return None,
        };
        let started = snapshots.borrow().started();
        match outcome {
            Outcome::Failed(sentence) if in_pod && !started && !shutdown.is_draining() => {
                error!("{sentence}");
                snapshots.send_modify(|snapshot| {
                    Arc::make_mut(snapshot).failure = Some(sentence);
                });
                // Cut short by a shutdown, for which the driver is asked once more: it may hold
                // something that has to be released.
                let _ = timeout(RETRY_PERIOD, shutdown.draining()).await;
            }
            outcome => return Some(outcome),
        }
    }
}

/// What is left of the files once the driver has ended, and the exit code.
///
/// In a pod the app may run on, and its sidecar with it: names of `Keep` pools stay with the app, and marks
/// stay for the next process, which takes the same names back.
async fn settle(outcome: Option<Outcome>, publisher: Option<Publisher>, in_pod: bool) -> Exit {
    let (exit, given_up) = match outcome {
        Some(Outcome::Released) => (Exit::Clean, true),
        Some(Outcome::Fenced(sentence)) => {
            error!("{sentence}");
            (Exit::Fenced, true)
        }
        // A restart adopts the claim, and its deadline is in the files.
        Some(Outcome::Failed(sentence)) => {
            error!("{sentence}");
            (Exit::Failed, false)
        }
        None => {
            warn!("the claims were not released in time; etcd frees them when their lease ends");
            (Exit::Failed, true)
        }
    };
    if let Some(publisher) = publisher.filter(|_| given_up) {
        let gone = if in_pod { publisher.withdraw().await } else { publisher.clear().await };
        if let Err(error) = gone {
            warn!("{}", report(&error));
        }
    }
    exit
}

/// The directory, and the UID given or kept in it. Blocks.
fn take_dir(config: &Config) -> Result<(Tree, String), BuildError> {
    let tree = Tree::open(&config.dir, &config.pools)?;
    let uid = match &config.instance {
        Some(uid) => uid.clone(),
        None => instance::load(tree.dir())?,
    };
    Ok((tree, uid))
}

fn listen(
    flag: &'static str,
    address: Option<SocketAddr>,
) -> Result<Option<TcpListener>, BuildError> {
    let Some(address) = address else {
        return Ok(None);
    };
    match serve::bind(address) {
        Ok(listener) => Ok(Some(listener)),
        Err(source) => Err(BuildError::Listen { flag, address, source }),
    }
}
