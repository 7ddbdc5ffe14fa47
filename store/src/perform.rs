//! Carries out the lease machine's actions: one call each, and the event that came of it.
//!
//! For everything that drives a machine: the sidecar, and whoever measures or checks many at once.
//! Not for watches, which stay open beside the other actions, nor for the end of the machine.

use cairn_core::lease::{Action, Claimed, Event, Trouble};
use cairn_core::time::BootInstant;

use crate::error::Error;
use crate::kv::Kv;
use crate::protocol::Store;

/// What came of an action.
#[derive(Debug, Default)]
pub struct Performed {
    /// What to tell the machine; nothing when the answer does not matter.
    pub event: Option<Event>,
    /// What went wrong.
    pub trouble: Option<Error>,
}

// === impl Store ===

impl<K: Kv> Store<K> {
    /// Carries out an action. `sent` is the instant before the call: a deadline may start there.
    pub async fn perform(&self, sent: BootInstant, action: Action) -> Performed {
        let renewing = matches!(action, Action::Renew { .. });
        let revoking = matches!(action, Action::Revoke(_));
        // These put on a lease of their own, whose end says nothing of the pod's.
        let own_lease = matches!(action, Action::Release(_) | Action::Settle(_));
        let reserving = matches!(action, Action::Reserve(_));
        match self.try_perform(sent, action).await {
            Ok(event) => Performed { event, trouble: None },
            Err(error) => {
                let event = match (renewing, revoking) {
                    (true, _) => Some(Event::RenewingFailed),
                    (_, true) => None,
                    _ if reserving => Some(Event::ExtendingFailed),
                    _ => Some(Event::ClaimingFailed(Trouble {
                        lease_gone: error.is_lease_gone() && !own_lease,
                        sentence: error.report(),
                    })),
                };
                Performed { event, trouble: Some(error) }
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
                    // Nothing hangs on it. When this fails as well it runs out by itself.
                    let _ = self.revoke(granted.lease).await;
                }
                Event::Begun(granted?, Box::new(view?))
            }
            Action::Read(read) => Event::Viewed(Box::new(self.read(&read).await?)),
            Action::Define { pool, epoch, hold } => {
                self.define_alone(&pool, epoch, hold).await?;
                Event::Defined
            }
            Action::Claim(order) => match self.claim(&order).await? {
                Claimed::Won(won) => Event::Claimed(won),
                Claimed::Outrun => Event::Outrun,
                Claimed::Queued(queued) => Event::Queued(queued),
            },
            Action::ReadAt { path, revision } => Event::Past(self.read_at(&path, revision).await?),
            Action::Redeem(redemption) => {
                self.redeem(&redemption).await?.map_or(Event::Outrun, Event::Claimed)
            }
            Action::Settle(settlement) => {
                self.settle(&settlement.path, &settlement.keys).await?;
                Event::Settled
            }
            Action::Withdraw(withdrawal) => {
                self.withdraw(&withdrawal).await?;
                Event::Withdrawn
            }
            Action::Resume { lease, slots } => {
                Event::Resumed(self.resume(sent, lease, &slots).await?)
            }
            Action::Adopt(adoption) => {
                self.adopt(&adoption).await?.map_or(Event::Outrun, Event::Adopted)
            }
            Action::Reserve(extension) => Event::Extended(self.reserve(&extension).await?),
            Action::Release(surrender) => Event::Released(self.release(&surrender).await?),
            Action::Revoke(lease) => {
                self.revoke(lease).await?;
                return Ok(None);
            }
            Action::Watch(_) | Action::Unwatch | Action::Finish(_) => return Ok(None),
        };
        Ok(Some(event))
    }
}
