//! Elects the replica that writes, by one coordination Lease.
//!
//! Invariants: every write is a compare-and-swap on the Lease's resource version. This replica believes that it leads
//! from the send instant of its last renewal, and for a shorter time than the others wait. Renewals of others are timed
//! by our own clock, never by the times in the Lease. The Lease is released on shutdown.
//!
//! Not for: mutual exclusion. A paused process may write once more after it lost the Lease. This does no harm, because
//! the writers are level-triggered and their writes carry UIDs or revisions.

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

use cairn_kit::backoff::around;

pub mod election;

use election::{Election, Step};

/// The leader's period of renewal: two renewals may fail before it stops to lead.
const RENEW: Duration = Duration::from_secs(5);
/// The pause after a failure.
const RETRY: Duration = Duration::from_secs(1);
/// The period in which other replicas read the Lease, and so the delay after a release.
const CHECK_PERIOD: Duration = Duration::from_secs(2);
/// The timeout of one attempt, which takes two requests. Together with [`BELIEF`] and [`RETRY`] it is shorter than the
/// Lease's duration.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the leader leads after the send instant of its last successful renewal.
const BELIEF: Duration = Duration::from_secs(10);

/// A candidate and its Lease.
#[derive(Clone)]
pub struct Candidate {
    /// The API server.
    pub client: Client,
    /// The Lease's namespace.
    pub namespace: String,
    /// The Lease's name.
    pub lease: String,
    /// The pod's name, so that a restarted container goes on leading.
    pub identity: String,
}

/// Why an attempt failed.
#[derive(Debug, Error)]
enum LeaderError {
    #[error("could not read the Lease")]
    Read(#[source] kube::Error),
    #[error("could not write the Lease")]
    Write(#[source] kube::Error),
    #[error("the API server did not answer about the Lease within {REQUEST_TIMEOUT:?}")]
    Timeout,
}

/// Takes part in the election until shutdown; publishes to `leading` whether this replica leads.
pub async fn run(candidate: Candidate, leading: watch::Sender<bool>, shutdown: Shutdown) {
    let Candidate { client, namespace, lease, identity } = candidate;
    let leases: Api<Lease> = Api::namespaced(client, &namespace);
    let mut elector =
        Elector { leases, lease, election: Election::new(identity), renewed: None, failing: false };
    tokio::select! {
        () = elector.run(&leading) => {}
        () = shutdown.draining() => {}
    }
    // The writers of this process stop before another replica may start.
    leading.send_replace(false);
    if elector.renewed.is_some()
        && let Err(error) =
            timeout(REQUEST_TIMEOUT, elector.give_up()).await.unwrap_or(Err(LeaderError::Timeout))
    {
        tracing::warn!("the next leader has to wait until the Lease runs out: {}", report(&error));
    }
}

struct Elector {
    leases: Api<Lease>,
    lease: String,
    election: Election,
    /// The send instant of the last successful renewal.
    renewed: Option<BootInstant>,
    failing: bool,
}

// === impl Elector ===

impl Elector {
    async fn run(&mut self, leading: &watch::Sender<bool>) {
        loop {
            let attempt = timeout(REQUEST_TIMEOUT, self.attempt()).await;
            let failed = self.report(attempt.unwrap_or(Err(LeaderError::Timeout)).err());
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
                (false, false) => around(CHECK_PERIOD),
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
            // Another replica has written; the next attempt reads its Lease.
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

    /// Logs the first failure of a series.
    fn report(&mut self, error: Option<LeaderError>) -> bool {
        let failed = error.is_some();
        if let Some(error) = error.filter(|_| !self.failing) {
            tracing::warn!(lease = self.lease, "will try again: {}", report(&error));
        }
        self.failing = failed;
        failed
    }
}
