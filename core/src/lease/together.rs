//! What the claims of a pod need together: one lease, renewed as often as the strictest of them asks for.

use std::time::Duration;

use super::claim::Claim;
use super::known_pool::UNKNOWN_TTL;

/// Renewing starts at the grant, when no spec may be known yet. Then this validity counts.
const UNKNOWN_VALIDITY: Duration = Duration::from_secs(30);

/// The lease TTL that all pools of the pod need: the largest.
pub(super) fn needed_ttl(claims: &[Claim]) -> Duration {
    claims.iter().map(|claim| claim.pool().lease_ttl()).max().unwrap_or(UNKNOWN_TTL)
}

/// The shortest validity, granted or defined. Renewals and reads of a waiting pod follow it.
pub(super) fn shortest_validity(claims: &[Claim]) -> Duration {
    let granted = claims.iter().filter_map(|claim| claim.phase().held().map(|held| held.validity));
    let defined =
        claims.iter().filter_map(|claim| claim.pool().spec().map(|pool| pool.spec.validity));
    granted.chain(defined).min().unwrap_or(UNKNOWN_VALIDITY)
}

/// Whether a deadline hangs on renewals. Without a slot there is only the lease to keep.
pub(super) fn needs_renewals(claims: &[Claim]) -> bool {
    let mut phases = claims.iter().map(Claim::phase);
    phases.any(|phase| phase.has_slot() || phase.believable().is_some())
}
