//! Wiring: what is bound, what runs, and in which order it ends.
//!
//! Readiness does not wait for etcd: admission needs the pools' objects, the namespaces and a
//! certificate that the API server trusts. A task that ends by itself ends the process, so that
//! nothing is lost in silence.

use std::sync::Arc;
use std::time::Duration;

use cairn_kit::exit::Exit;
use cairn_kit::serve::{self, BindError};
use cairn_kit::shutdown::{self, Shutdown, Trigger};
use cairn_store::etcd::{Connection, Etcd};
use cairn_store::{ClusterId, ExpectedCluster};
use kube::Client;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::{Instrument as _, error, info, info_span};

use crate::admission::{self, Admission};
use crate::args::{Args, ArgsError};
use crate::certs::Certificates;
use crate::config_map::ConfigMapError;
use crate::env_mode::EnvSupport;
use crate::installation::record;
use crate::installation::verdict::Verdict;
use crate::installation::{self, Installation, Site};
use crate::leader::{self, Candidate};
use crate::namespaces::Namespaces;
use crate::ready::Ready;
use crate::server::Servers;
use crate::tls::{Leaf, Tls};
use crate::{admin, mirror, pools};

/// Endpoints take this long to drop a pod that is not ready any more; until then the API server calls it.
const LAME_DUCK: Duration = Duration::from_secs(3);

/// Everything that is bound and ready to run.
#[derive(Debug)]
pub struct Bound {
    tasks: JoinSet<&'static str>,
    admission: TcpListener,
    admin: TcpListener,
    ready: Ready,
    routes: Routes,
    tls: Tls,
    servers: Servers,
    stop: Trigger,
}

#[derive(Debug)]
struct Routes {
    admission: axum::Router,
    admin: axum::Router,
}

/// Why the process cannot start.
#[derive(Debug, Error)]
pub enum BuildError {
    /// Flags that clap takes.
    #[error(transparent)]
    Usage(#[from] ArgsError),
    /// No way to the API server.
    #[error(
        "could not set up the connection to the API server; run inside a cluster or with a kubeconfig"
    )]
    Kube(#[source] kube::Error),
    /// Which etcd cluster is ours.
    #[error("could not read which etcd cluster belongs to this installation")]
    Installation(#[source] ConfigMapError),
    /// etcd's address or files.
    #[error("could not set up the connection to etcd")]
    Etcd(#[source] cairn_store::Error),
    /// TLS.
    #[error("could not set up TLS")]
    Tls(#[from] rustls::Error),
    /// A port.
    #[error(transparent)]
    Bind(#[from] BindError),
}

/// Binds every listener and starts the controllers.
pub async fn build(args: Args) -> Result<Bound, BuildError> {
    let mut settings = args.settings()?;
    let mut connection = args.etcd_connection()?;
    let client = Client::try_default().await.map_err(BuildError::Kube)?;
    if connection.cluster == ExpectedCluster::Any
        && let Some(known) = known_cluster(&client, &args).await?
    {
        connection.cluster = ExpectedCluster::Required(known);
        settings.etcd_cluster_id = Some(known);
    }
    let etcd = Arc::new(Etcd::open(&connection).await.map_err(BuildError::Etcd)?);
    let admission = serve::bind("--admission-listen", args.admission_listen)?;
    let admin = serve::bind("--admin-listen", args.admin_listen)?;
    log_bound(&args, &connection);

    let mut registry = Registry::with_prefix("cairn_webhook");
    let (ready, leaf) = (Ready::default(), Arc::new(Leaf::default()));
    let servers = Servers::new(serve::Metrics::register(&mut registry));
    let (stop, stopping) = shutdown::channel();
    let (catalog, seen_catalog) = watch::channel(Arc::default());
    let (counts, seen_counts) = watch::channel(Arc::default());
    let (leads, leading) = watch::channel(false);
    let (in_kubernetes, writes_kubernetes) = watch::channel(false);
    let (in_etcd, writes_etcd) = watch::channel(false);
    let (verdict, judged) = watch::channel(Verdict::default());
    let (namespaces, env) = (Namespaces::default(), EnvSupport::new(args.env_mode.into()));

    let handlers = Arc::new(Admission {
        settings,
        installation: judged.clone(),
        catalog: seen_catalog,
        namespaces: namespaces.clone(),
        env: env.clone(),
        metrics: admission::metrics::Metrics::register(
            registry.sub_registry_with_prefix("admission"),
        ),
    });
    let certificates = Certificates {
        client: client.clone(),
        namespace: args.namespace.clone(),
        service: args.service.clone(),
        secret: args.secret.clone(),
        webhook_config: args.webhook_config.clone(),
        pool_webhook_config: args.pool_webhook_config.clone(),
        leaf: Arc::clone(&leaf),
        not_after: certificate_gauge(&mut registry),
    };
    let deps = mirror::Deps {
        client: client.clone(),
        etcd: Arc::clone(&etcd),
        instance: args.pod_name.clone(),
        leader: writes_etcd.clone(),
        counts,
        metrics: mirror::Metrics::register(registry.sub_registry_with_prefix("mirror")),
        shutdown: stopping.clone(),
    };
    let homing = Arc::clone(&etcd);
    let installation = Installation {
        client: client.clone(),
        etcd: Arc::clone(&etcd),
        site: site(&args, connection.prefix.as_str()),
        verdict,
        ready: ready.clone(),
    };
    let controller = pools::controller::Deps {
        client: client.clone(),
        etcd,
        leader: writes_kubernetes,
        writes_etcd,
        counts: seen_counts,
        catalog,
        listed: ready.register("pools"),
    };
    let candidate = candidate(client.clone(), &args);
    let mut tasks = Tasks { set: JoinSet::new(), shutdown: stopping };
    tasks.start("certificates", certificates.run(ready.register("certificate")));
    tasks.start("installation", installation.run(ready.register(installation::BLOCK)));
    let first = Verdict::is_first_release;
    tasks.start("gate", installation::gate(leading.clone(), judged.clone(), first, in_kubernetes));
    tasks.start("etcd gate", installation::gate(leading, judged, Verdict::is_ours, in_etcd));
    tasks.start("home member", async move { homing.keep_home().await });
    tasks.start("namespaces", namespaces.run(client.clone(), ready.register("namespaces")));
    tasks.start("pools", pools::controller::run(controller));
    let (asked, listed) = (ready.register("environment"), ready.register("nodes"));
    tasks.start("environment", env.run(client, args.namespace, asked, listed));
    // These two end by themselves: they have something to finish.
    tasks.spawn("leader", leader::run(candidate, leads, tasks.shutdown.clone()));
    tasks.spawn("mirror", mirror::run(deps));

    Ok(Bound {
        tasks: tasks.set,
        admission,
        admin,
        routes: Routes {
            admission: admission::router(handlers),
            admin: admin::router(ready.clone(), registry),
        },
        ready,
        tls: Tls::new(leaf)?,
        servers,
        stop,
    })
}

// === impl Bound ===

impl Bound {
    /// Runs until asked to stop; a second request ends it without draining.
    pub async fn run(self, shutdown: Shutdown) -> Exit {
        let Self { mut tasks, admission, admin, ready, routes, tls, servers, stop } = self;
        // Answers until the process ends: the kubelet asks during the shutdown, too.
        tokio::spawn(servers.admin(routes.admin).run(admin));
        let (close, closing) = watch::channel(false);
        let server = servers.admission(routes.admission, tls);
        let mut serving = tokio::spawn(server.run_until(admission, closing));
        tokio::select! {
            () = shutdown.draining() => {}
            Some(ended) = tasks.join_next() => {
                error!(task = ended.unwrap_or("panicked"), "a task ended by itself");
                return Exit::Failed;
            }
            _ = &mut serving => {
                error!("the admission server ended by itself");
                return Exit::Failed;
            }
        }
        // Not ready first, then still answering, then closed: no call is lost in between.
        ready.register("shutdown").keep();
        let ending = async {
            stop.next();
            sleep(LAME_DUCK).await;
            close.send_replace(true);
            let _ = serving.await;
            while tasks.join_next().await.is_some() {}
        };
        tokio::select! {
            () = ending => {}
            () = shutdown.aborting() => {}
        }
        info!("stopped");
        Exit::Clean
    }
}

/// Tasks that run until shutdown.
struct Tasks {
    set: JoinSet<&'static str>,
    shutdown: Shutdown,
}

// === impl Tasks ===

impl Tasks {
    /// A task with nothing to finish: it is dropped when the shutdown begins.
    fn start(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let shutdown = self.shutdown.clone();
        self.spawn(name, async move {
            // One that has done all it can is not one that failed.
            let forever = async {
                task.await;
                std::future::pending::<()>().await;
            };
            shutdown.cut_short(forever).await;
        });
    }

    /// A task that ends by itself once the shutdown begins.
    fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let task = async move {
            task.await;
            name
        };
        self.set.spawn(task.instrument(info_span!("task", name)));
    }
}

fn log_bound(args: &Args, connection: &Connection) {
    info!(
        admission = %args.admission_listen,
        admin = %args.admin_listen,
        etcd = connection.endpoints.join(","),
        "bound"
    );
}

async fn known_cluster(client: &Client, args: &Args) -> Result<Option<ClusterId>, BuildError> {
    let etcd_record = args.etcd_record.as_deref();
    record::known_cluster(client, &args.namespace, etcd_record, &args.installation_record)
        .await
        .map_err(BuildError::Installation)
}

fn candidate(client: Client, args: &Args) -> Candidate {
    Candidate {
        client,
        namespace: args.namespace.clone(),
        lease: args.mirror_lease.clone(),
        identity: args.pod_name.clone(),
    }
}

fn site(args: &Args, prefix: &str) -> Site {
    Site {
        namespace: args.namespace.clone(),
        release: args.service.clone(),
        pod: args.pod_name.clone(),
        record: args.installation_record.clone(),
        prefix: prefix.to_owned(),
        webhook_configs: [args.webhook_config.clone(), args.pool_webhook_config.clone()],
    }
}

fn certificate_gauge(registry: &mut Registry) -> Gauge {
    let gauge = Gauge::default();
    registry.register_with_unit(
        "certificate_not_after",
        "End of the served certificate, in Unix time",
        Unit::Seconds,
        gauge.clone(),
    );
    gauge
}
