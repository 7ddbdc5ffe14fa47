//! A sidecar whose directory is locked and whose listeners are bound.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use cairn_core::claim::Holder;
use cairn_core::contract::flag;
use cairn_core::lease::EndReason;
use cairn_kit::clock::Clock;
use cairn_kit::exit::Exit;
use cairn_kit::serve::{self, BindError};
use cairn_kit::shutdown::Shutdown;
use thiserror::Error;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_blocking};
use tracing::{Instrument as _, info, info_span, warn};

use super::end;
use crate::app_probes::AppProbes;
use crate::applied::Watch;
use crate::claim::Deps;
use crate::config::Config;
use crate::coordination::files::remove_of_other_boot;
use crate::coordination::publisher::CoordinationPublisher;
use crate::coordination::{self, Coordination, Link, Own};
use crate::ids::Ids;
use crate::instance::{self, InstanceError};
use crate::metrics::{self, ClaimMetrics, Metrics};
use crate::publish::Publisher;
use crate::publish::tree::{Tree, TreeError};
use crate::server::Serving;
use crate::snapshot::{Gate, Snapshot};
use crate::{admin, api};

/// A sidecar that is ready to run.
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
    coordination: Option<Coordinating>,
    socket: UnixListener,
    api: Option<TcpListener>,
    /// The same on `::1`, where some programs look for `localhost` first.
    api_v6: Option<TcpListener>,
    admin: Option<TcpListener>,
}

/// The three ends of coordination.
#[derive(Debug)]
struct Coordinating {
    shown: Coordination,
    link: Link,
    publisher: CoordinationPublisher,
}

/// Why a sidecar cannot start.
#[derive(Debug, Error)]
pub enum BuildError {
    /// The directory cannot be used.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The holder's UID cannot be read or kept.
    #[error(transparent)]
    Instance(#[from] InstanceError),
    /// The socket cannot be bound.
    #[error("cannot make the socket in {}", dir.display())]
    Socket {
        /// The directory.
        dir: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A port cannot be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The runtime ends before the work.
    #[error("start was cut off")]
    Task(#[from] tokio::task::JoinError),
}

/// Locks the directory and binds every listener.
pub async fn build(config: Arc<Config>, clock: Arc<dyn Clock>) -> Result<Bound, BuildError> {
    let locked = Arc::clone(&config);
    let (tree, uid) = spawn_blocking(move || lock_dir(&locked)).await??;
    let socket = api::bind_socket(&config.dir)
        .map_err(|source| BuildError::Socket { dir: config.dir.clone(), source })?;
    let api = config.api.map(|address| serve::bind(flag::API, address)).transpose()?;
    let api_v6 = config.api_v6.and_then(|address| serve::bind(flag::API, address).ok());
    let admin = config.admin.map(|address| serve::bind(flag::ADMIN, address)).transpose()?;
    let holder = Holder {
        namespace: config.namespace.clone(),
        pod: config.pod.clone(),
        uid,
        node: config.node.clone(),
        incarnation: 0,
    };
    let mut starting = Snapshot::starting(&config.pools, config.group_text(), &holder);
    let coordination = config.coordination.clone().map(|wanted| {
        starting.coordination = Some(Gate::waiting("group: asking etcd for the group"));
        let own = Own { uid: holder.uid.clone(), config: wanted };
        let (shown, link, outlet) = coordination::channel(own);
        Coordinating { shown, link, publisher: CoordinationPublisher::new(&config.dir, outlet) }
    });
    let (snapshots, first) = watch::channel(Arc::new(starting));
    let first = Arc::clone(&first.borrow());
    let gate_file = config.gate_file.clone();
    let ids = Ids::new(&config, &holder.uid, Arc::clone(&clock), snapshots.subscribe());
    let pod = config.in_pod.then(|| holder.uid.clone());
    let (publisher, applied) = Publisher::new(tree, gate_file, pod, Arc::clone(&clock), &first);
    let coordinated = coordination.as_ref().map(|ends| ends.shown.clone());
    let metrics = metrics::build(Arc::clone(&clock), coordinated);
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
        coordination,
        socket,
        api,
        api_v6,
        admin,
    })
}

// === impl Bound ===

impl Bound {
    /// The address of the API, if it listens on one besides the socket.
    pub fn api_address(&self) -> Option<SocketAddr> {
        self.api.as_ref()?.local_addr().ok()
    }

    /// What is published.
    pub fn applied(&self) -> Watch {
        self.applied.clone()
    }

    /// The address of the admin server, if it runs.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref()?.local_addr().ok()
    }

    /// Serves, publishes and drives until the driver ends or its time after the shutdown is over.
    pub async fn run<D, F>(self, driver: D, shutdown: Shutdown) -> Exit
    where
        D: Fn(Deps) -> F,
        F: Future<Output = EndReason>,
    {
        info!(
            pools = self.config.pool_list(),
            etcd = self.config.access.described(),
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
            coordination,
            socket,
            api,
            api_v6,
            admin,
        } = self;
        let (shown, link, published) = match coordination {
            Some(Coordinating { shown, link, publisher }) => {
                (Some(shown), Some(link), Some(publisher))
            }
            None => (None, None, None),
        };
        let mut serving = Serving::new(metrics.connections());
        let mut asking = JoinSet::new();
        let routes =
            api::router(applied.clone(), Some(ids.clone()), shown.clone(), metrics.api_guard());
        serving.socket(socket, routes.clone());
        for listener in api.into_iter().chain(api_v6) {
            serving.api(listener, routes.clone());
        }
        if let Some(listener) = admin {
            probes.spawn_into(&mut asking);
            serving.admin(listener, admin::router(applied, metrics, probes, shown));
        }
        let received = snapshots.subscribe();
        let (namespace, pod) = (&holder.namespace, &holder.pod);
        let span = info_span!("publish", %namespace, %pod);
        let publish = async move {
            publisher.run(received).await;
            publisher
        };
        let publishing = tokio::spawn(publish.instrument(span));
        let span = info_span!("coordinate", %namespace, %pod, group = config.group_text());
        let coordinating = published.map(|mut publisher| {
            let publish = async move {
                publisher.run().await;
                publisher
            };
            tokio::spawn(publish.instrument(span))
        });
        let span = info_span!("claim", %namespace, %pod, pools = config.pool_list());
        let deps = || Deps {
            config: Arc::clone(&config),
            holder: holder.clone(),
            clock: Arc::clone(&clock),
            snapshots: snapshots.clone(),
            ids: ids.clone(),
            coordination: link.clone(),
            metrics: counters.clone(),
            shutdown: shutdown.clone(),
        };
        let reason =
            end::drive(&driver, deps, &snapshots, config.in_pod, &shutdown).instrument(span).await;
        drop(snapshots);
        drop(link);
        if let Some(coordinating) = coordinating {
            end::settle_group(reason.as_ref(), coordinating.await.ok(), config.in_pod).await;
        }
        let exit = end::settle(reason, publishing.await.ok(), config.in_pod).await;
        // On a socket that is not served, clients would wait for their timeouts.
        let socket = api::socket_path(&config.dir);
        if let Err(error) = std::fs::remove_file(&socket) {
            warn!(%error, socket = %socket.display(), "socket stays");
        }
        serving.close().await;
        exit
    }
}

/// The locked directory, and the UID from the flags or the directory. Blocks.
fn lock_dir(config: &Config) -> Result<(Tree, String), BuildError> {
    let tree = Tree::open(&config.dir, &config.pools)?;
    if config.coordination.is_some() {
        remove_of_other_boot(tree.dir()).map_err(TreeError::Sweep)?;
    }
    let uid = match &config.instance {
        Some(uid) => uid.clone(),
        None => instance::load(tree.dir())?,
    };
    Ok((tree, uid))
}
