//! Which of the replicas writes: a small loop on one coordination Lease.
//!
//! Invariants: every write is a compare-and-swap on the Lease's resource version; this replica's
//! belief starts before the request that renewed it was sent and ends before anybody else's
//! patience does; another's renewals are timed by our own clock, never by the times it wrote.
//! Given up on shutdown, so that a successor need not wait.
//!
//! Not for: mutual exclusion. A paused process may write once more after it lost the Lease; the
//! writers that ask here are level-triggered and guarded by UID, so that this does no harm.

use std::time::Duration;

use cairn_core::time::BootInstant;
use cairn_kit::clock;
use cairn_kit::errors::report;
use cairn_kit::shutdown::Shutdown;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::PostParams;
use kube::{Api, Client};
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::mirror::jitter;

pub mod election;

use election::{Election, Step};

/// The holder renews this often: two renewals may fail before it stops believing.
const RENEW: Duration = Duration::from_secs(5);
/// After a failure it is tried again this soon.
const RETRY: Duration = Duration::from_secs(1);
/// The others look this often; a Lease that was given up is taken this soon.
const LOOK: Duration = Duration::from_secs(2);
/// One attempt, two requests. With [`BELIEF`] and [`RETRY`] it stays below the Lease's duration.
const PATIENCE: Duration = Duration::from_secs(3);
/// The holder stops believing this long after it sent its last good renewal.
const BELIEF: Duration = Duration::from_secs(10);

/// Who tries to lead, and with which Lease.
#[derive(Clone)]
pub struct Candidate {
    /// The API server.
    pub client: Client,
    /// The Lease's namespace.
    pub namespace: String,
    /// The Lease's name.
    pub lease: String,
    /// Who we are: the pod's name, so that a restarted container goes on leading.
    pub identity: String,
}

/// Why an attempt came to nothing.
#[derive(Debug, Error)]
enum LeaderError {
    #[error("could not read the Lease")]
    Read(#[source] kube::Error),
    #[error("could not write the Lease")]
    Write(#[source] kube::Error),
    #[error("the API server did not answer about the Lease within {PATIENCE:?}")]
    Silent,
}

/// Tries to lead until shutdown; `leading` says whether this replica leads.
pub async fn run(candidate: Candidate, leading: watch::Sender<bool>, shutdown: Shutdown) {
    let Candidate { client, namespace, lease, identity } = candidate;
    let leases: Api<Lease> = Api::namespaced(client, &namespace);
    let mut elector =
        Elector { leases, lease, election: Election::new(identity), renewed: None, failing: false };
    tokio::select! {
        () = elector.run(&leading) => {}
        () = shutdown.draining() => {}
    }
    // First the others in this process stop, then the others elsewhere may start.
    leading.send_replace(false);
    if elector.renewed.is_some()
        && let Err(error) =
            timeout(PATIENCE, elector.give_up()).await.unwrap_or(Err(LeaderError::Silent))
    {
        tracing::warn!("the next leader has to wait until the Lease runs out: {}", report(&error));
    }
}

struct Elector {
    leases: Api<Lease>,
    lease: String,
    election: Election,
    /// The instant before the last good renewal was sent.
    renewed: Option<BootInstant>,
    failing: bool,
}

// === impl Elector ===

impl Elector {
    async fn run(&mut self, leading: &watch::Sender<bool>) {
        loop {
            let attempt = timeout(PATIENCE, self.attempt()).await;
            let failed = self.report(attempt.unwrap_or(Err(LeaderError::Silent)).err());
            let believed = self.renewed.is_some_and(|sent| clock::now().boot.since(sent) < BELIEF);
            if leading.send_if_modified(|leads| std::mem::replace(leads, believed) != believed) {
                tracing::info!(
                    lease = self.lease,
                    leads = believed,
                    "the mirror's leader has changed"
                );
            }
            sleep(match (failed, believed) {
                (true, _) => RETRY,
                (false, true) => RENEW,
                (false, false) => jitter::around(LOOK),
            })
            .await;
        }
    }

    async fn attempt(&mut self) -> Result<(), LeaderError> {
        let found = self.leases.get_opt(&self.lease).await.map_err(LeaderError::Read)?;
        let sent = clock::now().boot;
        let post = PostParams::default();
        let written = match self.election.step(found, sent) {
            Step::Wait => {
                self.renewed = None;
                return Ok(());
            }
            Step::Create(lease) => {
                let lease = Lease {
                    metadata: kube::core::ObjectMeta {
                        name: Some(self.lease.clone()),
                        ..lease.metadata
                    },
                    ..lease
                };
                self.leases.create(&post, &lease).await
            }
            Step::Replace(lease) => self.leases.replace(&self.lease, &post, &lease).await,
        };
        match written {
            Ok(_) => self.renewed = Some(sent),
            // Somebody else was faster: whether that was a renewal or not is seen next time.
            Err(kube::Error::Api(status)) if status.code == 409 => self.renewed = None,
            Err(error) => return Err(LeaderError::Write(error)),
        }
        Ok(())
    }

    async fn give_up(&mut self) -> Result<(), LeaderError> {
        let found = self.leases.get_opt(&self.lease).await.map_err(LeaderError::Read)?;
        let Some(lease) = found.and_then(|lease| self.election.given_up(lease)) else {
            return Ok(());
        };
        let written = self.leases.replace(&self.lease, &PostParams::default(), &lease).await;
        written.map(|_| ()).map_err(LeaderError::Write)
    }

    /// The first failure of a row is told.
    fn report(&mut self, error: Option<LeaderError>) -> bool {
        let failed = error.is_some();
        if let Some(error) = error.filter(|_| !self.failing) {
            tracing::warn!(lease = self.lease, "will try again: {}", report(&error));
        }
        self.failing = failed;
        failed
    }
}
