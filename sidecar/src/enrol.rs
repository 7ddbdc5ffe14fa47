//! Enrols the pod with the webhook's agent: gets etcd's endpoints and a client certificate, and renews it.
//!
//! The claims do not wait for this: before the first certificate, requests to etcd fail and name the reason, while
//! deadlines run as they do when etcd is away. A restarted process begins with what the earlier one had. A new
//! certificate replaces the connections and does not touch the claims. It is asked for in time, and soon when etcd
//! refuses the present one or shows a certificate of other roots.
//!
//! Invariants: the key is made here and never leaves the pod, except that an operator who gave all pods one
//! certificate has sent its key. The files are in a volume of the sidecar's own, never in the app's.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cairn_kit::clock::Clock;
use cairn_kit::errors::report;
use cairn_store::etcd::Etcd;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tracing::{debug, info, warn};

use agent::{EnrolError, enrol};
use credentials::Credentials;
use timing::Timing;

pub mod agent;
pub mod credentials;
pub mod timing;

/// Timers stop while the machine is suspended, and a certificate ends all the same. So the clock is read this often.
const LONGEST_NAP: Duration = Duration::from_secs(30);

/// Where and how to enrol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentTarget {
    /// URL of the agent.
    pub url: String,
    /// The authorities that verify it, PEM, as they were at the pod's admission.
    pub authorities: String,
    /// The pod's token.
    pub token_file: PathBuf,
    /// Where credentials are kept.
    pub dir: PathBuf,
}

/// Keeps `etcd` connected with valid credentials. Runs for ever.
pub async fn run(target: &AgentTarget, etcd: &Etcd, clock: Arc<dyn Clock>) {
    let mut present = load(target).await;
    if let Some(credentials) = &present {
        connect(etcd, credentials).await;
    }
    let mut timing = Timing::default();
    loop {
        let now = clock.now().boot;
        let due = timing.due(present.as_ref().map(|present| present.renew_at));
        if now < due {
            tokio::select! {
                () = sleep(due.since(now).min(LONGEST_NAP)) => {}
                () = etcd.access_refused() => timing.refused(clock.now().boot),
            }
            continue;
        }
        match enrol(target, present.as_ref(), &*clock).await {
            Ok(fresh) => {
                timing.succeeded(clock.now().boot);
                info!(valid_for = ?fresh.valid_for(clock.now().boot), "enrolled");
                keep(target, &fresh).await;
                connect(etcd, &fresh).await;
                present = Some(fresh);
            }
            Err(error) => {
                let first = timing.failed(clock.now().boot);
                explain(&error, first, present.is_none(), etcd);
            }
        }
    }
}

/// Logs the first failure in a row as a warning. A pod without credentials also shows it in its probe.
fn explain(error: &EnrolError, first: bool, without_credentials: bool, etcd: &Etcd) {
    let line = report(error);
    if first {
        warn!("{line}");
    } else {
        debug!("{line}");
    }
    if without_credentials {
        etcd.explain_absence(line);
    }
}

/// Connects with these credentials. Only the cluster that they name is talked to, unless another one is known: then
/// that one, until an administrator has recorded the named one as its successor.
async fn connect(etcd: &Etcd, credentials: &Credentials) {
    if let Some(named) = credentials.cluster {
        let known = etcd.expect_cluster(named);
        if known != named {
            warn!(
                "Cairn's webhook names etcd cluster {named}, but this pod uses {known}; {}",
                known.advice_on(named)
            );
        }
    }
    if let Err(error) = etcd.replace(&credentials.endpoints, credentials.tls()).await {
        warn!("{}", error.report());
    }
}

async fn load(target: &AgentTarget) -> Option<Credentials> {
    let dir = target.dir.clone();
    let loading = spawn_blocking(move || credentials::load(&dir));
    match loading.await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => {
            warn!("{}", report(&error));
            None
        }
        Err(_) => None,
    }
}

/// Keeps credentials for a restarted process. Without them it enrols anew.
async fn keep(target: &AgentTarget, credentials: &Credentials) {
    let (dir, credentials) = (target.dir.clone(), credentials.clone());
    let keeping = spawn_blocking(move || credentials::save(&dir, &credentials));
    if let Ok(Err(error)) = keeping.await {
        warn!("{}", report(&error));
    }
}
