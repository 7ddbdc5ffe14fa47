//! What a claim reads of the store. In a large pool the slots, quarantines and notes are nearly all of what a read
//! costs, so a claim that has no use for them does not ask for them.

use super::action::ReadRequest;
use super::claim::Claim;
use super::config::Config;
use super::phase::Phase;
use super::ticket::OwnTicket;
use crate::pool::{OnExhausted, Pool};

/// The next read of a claim. `lists`: whether slots may matter.
pub(super) fn request(
    config: &Config,
    claims: &[Claim],
    claim: &Claim,
    lists: bool,
) -> ReadRequest {
    ReadRequest {
        path: claim.pool().path(config),
        pools: claims.iter().map(|claim| claim.pool().name().clone()).collect(),
        namespace: config.holder.namespace.clone(),
        uid: config.holder.uid.clone(),
        ticket: claim.ticket().filter(|_| !has_past(claim)).map(OwnTicket::revision),
        // In the queue the rank decides.
        clocks: claim.pool().reserves() && claim.ticket().is_none(),
        wanted: claim.former().map(|held| held.key),
        lists: lists && !joins_only(claim) && !has_past(claim),
    }
}

/// Whether an attempt with the slots of the past is still open to a claim. Then a read only has to show whether its
/// ticket is still there.
fn has_past(claim: &Claim) -> bool {
    claim.ticket().is_some_and(OwnTicket::has_past) && claim.former().is_none()
}

/// Whether nothing but the queue is open to a claim, as far as is known: others wait.
fn joins_only(claim: &Claim) -> bool {
    let waits = |pool: &Pool| pool.spec.on_exhausted == OnExhausted::Wait;
    claim.pool().is_crowded()
        && claim.ticket().is_none()
        && matches!(claim.phase(), Phase::Pending(_))
        && claim.former().is_none()
        && !claim.pool().reserves()
        && claim.pool().spec().is_some_and(waits)
}
