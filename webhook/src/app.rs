//! Wiring: what is bound, what runs, and in which order it ends.
//!
//! Readiness does not wait for etcd: admission needs the pools' objects, the namespaces and a
//! certificate that the API server trusts. A task that ends by itself ends the process, so that
//! nothing is lost in silence.

use std::sync::Arc;
use std::time::Duration;

use cairn_kit::etcd::Endpoints;
use cairn_kit::exit::Exit;
use cairn_kit::serve::{self, BindError};
use cairn_kit::shutdown::{self, Shutdown, Trigger};
use cairn_store::ClusterId;
use kube::Client;
use prometheus_client::registry::Registry;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::{error, info};

use crate::admission::{self, Admission};
use crate::agent::caller::Reviewer;
use crate::agent::credentials::Credentials;
use crate::agent::{self, Agent};
use crate::args::{Args, ArgsError};
use crate::certs::{self, Certificates};
use crate::config_map::ConfigMapError;
use crate::env_mode::EnvSupport;
use crate::etcd_ca;
use crate::installation::record;
use crate::installation::verdict::Verdict;
use crate::installation::{self, Installation, Site};
use crate::leader::{self, Candidate};
use crate::mirror::limit::Limits;
use crate::namespaces::Namespaces;
use crate::ready::Ready;
use crate::server::Servers;
use crate::tls::{Leaf, Tls};
use crate::{admin, mirror, missed, pools};
use reach::Reach;
use tasks::Tasks;

mod reach;
mod tasks;

/// Endpoints take this long to drop a pod that is not ready any more; until then the API server calls it.
const LAME_DUCK: Duration = Duration::from_secs(3);

/// Everything that is bound and ready to run.
#[derive(Debug)]
pub struct Bound {
    tasks: JoinSet<&'static str>,
    admission: TcpListener,
    agent: TcpListener,
    admin: TcpListener,
    ready: Ready,
    routes: Routes,
    tls: [Tls; 2],
    servers: Servers,
    stop: Trigger,
}

#[derive(Debug)]
struct Routes {
    admission: axum::Router,
    agent: axum::Router,
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
#[expect(
    clippy::too_many_lines,
    reason = "a list of what there is, in the order in which it depends on each other"
)]
pub async fn build(args: Args) -> Result<Bound, BuildError> {
    let access = args.etcd_access()?;
    let mut settings = args.settings(&access)?;
    let endpoints = args.sidecar_endpoints(&access)?;
    let life = args.certificate_life()?;
    let client = Client::try_default().await.map_err(BuildError::Kube)?;
    if settings.etcd_cluster_id.is_none() {
        settings.etcd_cluster_id = known_cluster(&client, &args).await?;
    }
    let reach =
        Reach::open(access, settings.etcd_cluster_id, &args.pod_name, (life, args.lives.lives()))
            .await;
    let reach = reach.map_err(BuildError::Etcd)?;
    let etcd = Arc::clone(&reach.etcd);
    let admission = serve::bind("--admission-listen", args.admission_listen)?;
    let agent = serve::bind("--agent-listen", args.agent_listen)?;
    let admin = serve::bind("--admin-listen", args.admin_listen)?;
    log_bound(&args, &endpoints);

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
    let (certificates, trusted) = Certificates::new(
        client.clone(),
        certificate_names(&args),
        &args.certificates,
        Arc::clone(&leaf),
        ready.clone(),
        certs::metrics::Metrics::register(&mut registry),
    );
    let (namespaces, env) = (Namespaces::default(), EnvSupport::new(args.env_mode.into()));
    let cleans = writes_etcd.clone();
    let of_etcd = etcd_ca::metrics::Metrics::register(registry.sub_registry_with_prefix("etcd"));
    let users = reach.users(seen_catalog.clone(), namespaces.clone());
    let prefix = settings.etcd_prefix.clone();
    let enrolling = Agent {
        reviewer: Reviewer::new(client.clone()),
        rates: agent::rates::Rates::default(),
        access: users.clone(),
        credentials: Credentials { endpoints: endpoints.urls().to_vec(), source: reach.source() },
        installation: judged.clone(),
        trust: trusted.clone(),
        prefix: prefix.clone(),
        metrics: agent::metrics::Metrics::register(registry.sub_registry_with_prefix("agent")),
    };

    let handlers = Arc::new(Admission {
        settings,
        installation: judged.clone(),
        trust: trusted,
        catalog: seen_catalog,
        namespaces: namespaces.clone(),
        env: env.clone(),
        metrics: admission::metrics::Metrics::register(
            registry.sub_registry_with_prefix("admission"),
        ),
    });
    let deps = mirror::Deps {
        client: client.clone(),
        etcd: Arc::clone(&etcd),
        instance: args.pod_name.clone(),
        leader: writes_etcd.clone(),
        counts,
        limits: Limits { requests: args.mirror.mirror_requests_per_second },
        metrics: mirror::Metrics::register(registry.sub_registry_with_prefix("mirror")),
        shutdown: stopping.clone(),
    };
    let missed = missed::Deps {
        client: client.clone(),
        instance: args.pod_name.clone(),
        leader: writes_kubernetes.clone(),
        metrics: missed::metrics::Metrics::register(&mut registry),
    };
    let homing = Arc::clone(&etcd);
    let installation = Installation {
        client: client.clone(),
        etcd: Arc::clone(&etcd),
        site: site(&args, prefix.as_str()),
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
    reach.start(&mut tasks, &client, users, of_etcd, (judged.clone(), cleans));
    tasks.start("certificates", certificates.run());
    tasks.start("installation", installation.run(ready.register(installation::BLOCK)));
    let first = Verdict::is_first_release;
    tasks.start("gate", installation::gate(leading.clone(), judged.clone(), first, in_kubernetes));
    tasks.start("etcd gate", installation::gate(leading, judged, Verdict::is_ours, in_etcd));
    tasks.start("home member", async move { homing.keep_home().await });
    tasks.start("namespaces", namespaces.run(client.clone(), ready.register("namespaces")));
    tasks.start("missed pods", missed::run(missed));
    tasks.start("pools", pools::controller::run(controller));
    let (asked, listed) = (ready.register("environment"), ready.register("nodes"));
    tasks.start("environment", env.run(client, args.namespace, asked, listed));
    // These two end by themselves: they have something to finish.
    tasks.spawn("leader", leader::run(candidate, leads, tasks.shutdown.clone()));
    tasks.spawn("mirror", mirror::run(deps));

    Ok(Bound {
        tasks: tasks.set,
        admission,
        agent,
        admin,
        routes: Routes {
            admission: admission::router(handlers),
            agent: agent::router(enrolling),
            admin: admin::router(ready.clone(), registry),
        },
        ready,
        tls: [Tls::http1(Arc::clone(&leaf))?, Tls::http2(leaf)?],
        servers,
        stop,
    })
}

// === impl Bound ===

impl Bound {
    /// Runs until asked to stop; a second request ends it without draining.
    pub async fn run(self, shutdown: Shutdown) -> Exit {
        let Self { mut tasks, admission, agent, admin, ready, routes, tls, servers, stop } = self;
        // Answers until the process ends: the kubelet asks during the shutdown, too.
        tokio::spawn(servers.admin(routes.admin).run(admin));
        let (close, closing) = watch::channel(false);
        let [of_admission, of_agent] = tls;
        let admitting = servers.admission(routes.admission, of_admission);
        let enrolling = servers.agent(routes.agent, of_agent);
        let mut serving = tokio::spawn(async move {
            let admitting = admitting.run_until(admission, closing.clone());
            tokio::join!(admitting, enrolling.run_until(agent, closing));
        });
        tokio::select! {
            () = shutdown.draining() => {}
            Some(ended) = tasks.join_next() => {
                error!(task = ended.unwrap_or("panicked"), "a task ended by itself");
                return Exit::Failed;
            }
            _ = &mut serving => {
                error!("a server ended by itself");
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

fn log_bound(args: &Args, endpoints: &Endpoints) {
    info!(
        admission = %args.admission_listen,
        agent = %args.agent_listen,
        admin = %args.admin_listen,
        etcd = %endpoints,
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
        lease: args.mirror.mirror_lease.clone(),
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

fn certificate_names(args: &Args) -> certs::Names {
    certs::Names {
        namespace: args.namespace.clone(),
        service: args.service.clone(),
        webhook_config: args.webhook_config.clone(),
        pool_webhook_config: args.pool_webhook_config.clone(),
    }
}
