//! Guards an app of a `Stop` pool that may still run with a former claim. The reasons are in `docs/pods.md`,
//! "Stopping apps".
//!
//! - After a restart of the sidecar, the last published claim counts until its own deadline and not longer, even
//!   if etcd does not answer.
//! - A *different* claim is published only after `/app/livez` has failed long enough for the kubelet to stop the
//!   app: an app never runs under one ID while its files show another.
//!
//! Pure: time and files come in as values.

use std::collections::BTreeMap;
use std::time::Duration;

use cairn_core::claim::{ClaimState, Fence};
use cairn_core::lease::Inherited;
use cairn_core::pool::{OnLoss, PoolName};
use cairn_core::time::{BootInstant, Now, UnixMillis};

use crate::snapshot::{Claim, Snapshot};

/// The shortest time for which `/app/livez` fails before a different claim is published. The liveness probe that
/// the webhook adds notices within half the pool's quarantine; pools with a short quarantine wait this long.
pub const STOP_FOR: Duration = Duration::from_secs(15);

/// What was last published for one pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastPublished {
    /// The claim.
    pub claim: Option<ClaimId>,
    /// The deadline on both clocks: a reboot resets the boot-time clock and not the wall clock. `None` after the
    /// files were withdrawn.
    pub until: Option<(BootInstant, UnixMillis)>,
    /// Since when `/app/livez` has failed.
    pub stopping: Option<BootInstant>,
}

/// Identifies a claim. A claim may continue under a new fence: with the same name, since the same instant, by a
/// later incarnation. Then no other pod had the name in between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimId {
    fence: Fence,
    key: String,
    since: UnixMillis,
}

/// What was last published for each `Stop` pool.
#[derive(Clone, Debug, Default)]
pub struct PublishGuard(BTreeMap<PoolName, LastPublished>);

// === impl PublishGuard ===

impl PublishGuard {
    /// Starts with what an earlier process published.
    pub fn new(found: impl IntoIterator<Item = (PoolName, LastPublished)>) -> Self {
        Self(found.into_iter().collect())
    }

    /// The snapshot as it may be published at this instant.
    pub fn review(&mut self, snapshot: &Snapshot, now: Now) -> Snapshot {
        let mut shown = snapshot.clone();
        for claim in &mut shown.claims {
            self.review_claim(claim, now);
        }
        shown
    }

    /// Whether [`Self::review`] may return something else later for the same snapshot.
    pub fn is_pending(&self, snapshot: &Snapshot) -> bool {
        snapshot.claims.iter().any(|claim| {
            let last = self.0.get(&claim.status.identity.pool);
            last.is_some_and(|last| match claim.status.identity.state {
                ClaimState::Held => last.stopping.is_some(),
                ClaimState::Waiting => !claim.was_held && last.stopping.is_none(),
                ClaimState::Degraded | ClaimState::Lost | ClaimState::Ended => false,
            })
        })
    }

    fn review_claim(&mut self, claim: &mut Claim, now: Now) {
        let pool = &claim.status.identity.pool;
        if claim.status.on_loss == Some(OnLoss::Keep) {
            self.0.remove(pool);
            return;
        }
        let slot = claim.status.identity.slot.as_ref().filter(|_| claim.is_held());
        let known = || claim.status.mark.clone().map(ClaimId::from);
        let Some(last) = self.0.get_mut(pool) else {
            if let Some(slot) = slot.filter(|_| claim.status.on_loss == Some(OnLoss::Stop)) {
                let until = Some((slot.valid_until_boottime, slot.valid_until));
                let last = LastPublished { claim: known(), until, stopping: None };
                self.0.insert(pool.clone(), last);
            }
            return;
        };
        if let Some(slot) = slot {
            let pause = STOP_FOR.max(claim.status.quarantine / 2);
            let stopping_since = *last.stopping.get_or_insert(now.boot);
            let same = last
                .claim
                .as_ref()
                .is_some_and(|former| former.continues_in(claim.status.mark.as_ref()));
            if same || now.boot.since(stopping_since) >= pause {
                *last = LastPublished {
                    claim: known(),
                    until: Some((slot.valid_until_boottime, slot.valid_until)),
                    stopping: None,
                };
                return;
            }
            claim.status.identity.reason = Some(format!(
                "{} is claimed, and published once the app with the former claim has stopped",
                slot.name
            ));
            claim.status.identity.state = ClaimState::Lost;
            claim.status.identity.slot = None;
            claim.was_held = true;
            claim.status.on_loss = Some(OnLoss::Stop);
            return;
        }
        let is_unknown = claim.status.identity.state == ClaimState::Waiting && !claim.was_held;
        if is_unknown && last.stopping.is_none() && last.is_believable(now) {
            return;
        }
        last.stopping.get_or_insert(now.boot);
        last.until = None;
        claim.was_held = true;
        claim.status.on_loss = Some(OnLoss::Stop);
    }
}

// === impl ClaimId ===

impl ClaimId {
    fn continues_in(&self, claim: Option<&Inherited>) -> bool {
        claim.is_some_and(|claim| {
            self.fence == claim.fence
                || (self.key == claim.key && self.since == claim.since && claim.incarnation > 1)
        })
    }
}

impl From<Inherited> for ClaimId {
    fn from(claim: Inherited) -> Self {
        Self { fence: claim.fence, key: claim.key, since: claim.since }
    }
}

// === impl LastPublished ===

impl LastPublished {
    fn is_believable(&self, now: Now) -> bool {
        self.until.is_some_and(|(boot, wall)| now.boot < boot && now.wall < wall)
    }
}

#[cfg(test)]
mod tests;
