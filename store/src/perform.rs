//! Performs the lease machine's actions: one call each, and the event with its answer.
//!
//! For everything that drives a machine: the sidecar, benchmarks and tests. Not for watches, which stay open beside the
//! other actions, nor for the end of the machine.

use cairn_core::lease::{Action, ClaimAnswer, Event, Failure};
use cairn_core::time::BootInstant;

use crate::error::Error;
use crate::kv::Kv;
use crate::store::Store;

/// The result of an action.
#[derive(Debug, Default)]
pub struct Performed {
    /// The event for the machine; `None` when the answer does not matter.
    pub event: Option<Event>,
    /// What went wrong.
    pub error: Option<Error>,
}

// === impl Store ===

impl<K: Kv> Store<K> {
    /// Performs an action. `sent` is the instant before the call: a deadline may start there.
    pub async fn perform(&self, sent: BootInstant, action: Action) -> Performed {
        let renewing = matches!(action, Action::Renew { .. });
        let revoking = matches!(action, Action::Revoke(_));
        // These put keys on a lease of their own. Its end says nothing about the pod's lease.
        let own_lease = matches!(action, Action::Release(_) | Action::Settle(_));
        let reserving = matches!(action, Action::Reserve(_));
        match self.try_perform(sent, action).await {
            Ok(event) => Performed { event, error: None },
            Err(error) => {
                let event = match (renewing, revoking) {
                    (true, _) => Some(Event::RenewingFailed { overloaded: error.is_overload() }),
                    (_, true) => None,
                    _ if reserving => Some(Event::ReservingFailed),
                    _ => Some(Event::ClaimingFailed(Failure {
                        lease_gone: error.is_lease_gone() && !own_lease,
                        message: error.report(),
                    })),
                };
                Performed { event, error: Some(error) }
            }
        }
    }

    async fn try_perform(&self, sent: BootInstant, action: Action) -> Result<Option<Event>, Error> {
        let event = match action {
            Action::Renew { lease, slots } => {
                Event::Renewed(self.renew(sent, lease, &slots).await?)
            }
            Action::Begin { ttl, read } => {
                let (granted, view) = futures::join!(self.grant(sent, ttl), self.read(&read));
                if let (Ok(granted), Err(_)) = (&granted, &view) {
                    // Nothing is attached to it. If this fails, the lease expires by itself.
                    let _ = self.revoke(granted.lease).await;
                }
                Event::Begun(granted?, Box::new(view?))
            }
            Action::Read(request) => Event::Viewed(Box::new(self.read(&request).await?)),
            Action::Define { pool, epoch, freeze } => {
                self.define_alone(&pool, epoch, freeze).await?;
                Event::Defined
            }
            Action::Claim(request) => match self.claim(&request).await? {
                ClaimAnswer::Won(won) => Event::Claimed(won),
                ClaimAnswer::Conflict => Event::Conflict,
                ClaimAnswer::Queued(queued) => Event::Queued(queued),
            },
            Action::ReadOrigin { path, revision } => {
                Event::Origin(self.read_origin(&path, revision).await?)
            }
            Action::ReadAt { path, revision, only } => {
                Event::Past(self.read_at(&path, revision, only.as_deref()).await?)
            }
            Action::Redeem(request) => {
                self.redeem(&request).await?.map_or(Event::Conflict, Event::Claimed)
            }
            Action::Settle(request) => {
                self.settle(&request.path, &request.keys).await?;
                Event::Settled
            }
            Action::LeaveQueue(request) => {
                self.leave_queue(&request).await?;
                Event::LeftQueue
            }
            Action::Resume { lease, slots } => {
                Event::Resumed(self.resume(sent, lease, &slots).await?)
            }
            Action::Adopt(request) => {
                self.adopt(&request).await?.map_or(Event::Conflict, Event::Adopted)
            }
            Action::Reserve(request) => Event::Reserved(self.reserve(&request).await?),
            Action::Release(request) => Event::Released(self.release(&request).await?),
            Action::Revoke(lease) => {
                self.revoke(lease).await?;
                return Ok(None);
            }
            Action::Watch(_) | Action::Unwatch | Action::Finish(_) => return Ok(None),
        };
        Ok(Some(event))
    }
}
