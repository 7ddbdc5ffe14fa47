//! Sees to it that slots are quarantined, whatever became of their last claim.
//!
//! A lease may end early: an etcd leader that was frozen, replaced and thawed revokes leases that others have
//! renewed meanwhile. So every claim leaves a quarantine note without a lease. It says for how long the slot must
//! be quarantined. It stays until a release, or until it is settled into a quarantine. A slot whose note stands is
//! not free, and some pod has to turn the note into a quarantine that ends: the first in the queue, or one that
//! claims past it.

use super::action::QuarantineRequest;
use super::claim::Claim;
use super::config::Config;
use super::decide::Decision;
use super::view::PoolView;

/// What there is to settle.
pub(super) fn settlement(
    config: &Config,
    claim: &Claim,
    view: &PoolView,
) -> Option<QuarantineRequest> {
    let keys: Vec<String> = view.unsettled.iter().take(QuarantineRequest::MOST).cloned().collect();
    let path = claim.pool().path(config);
    (!keys.is_empty()).then_some(QuarantineRequest { path, keys })
}

/// Whether a claim has to settle before it acts on its decision.
pub(super) fn is_due(claim: &Claim, view: &PoolView, decision: &Decision) -> bool {
    match decision {
        // This pod is next, or those before it have not settled for a second each.
        Decision::Stay(_) => {
            !view.frozen && claim.ticket().is_some_and(|ticket| ticket.effective_rank() == 0)
        }
        // Nobody waits in such a pool, so the pod that fails settles for later ones.
        Decision::Fail(_) => true,
        Decision::Take(_)
        | Decision::TakeBack(_)
        | Decision::Join
        | Decision::AskMore
        | Decision::Redeem(_)
        | Decision::Define
        | Decision::Wait(_)
        | Decision::Lose(..)
        | Decision::GiveUp(_) => false,
    }
}
