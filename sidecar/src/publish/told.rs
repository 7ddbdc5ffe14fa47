//! What the app was told of its `Stop` claims, and for how long it may believe it.
//!
//! Two things follow, both for the sake of an app that still runs with a name that is not ours:
//! - after a restart of the sidecar the old claim is believed until its own deadline, and not
//!   longer, even when etcd cannot be asked;
//! - a *different* claim is published only after the app has been told to stop for long enough that
//!   the kubelet has seen it: an app never goes on under one ID while its files say another.
//!
//! Pure: time and files come in as values.

use std::collections::BTreeMap;
use std::time::Duration;

use cairn_core::claim::{ClaimState, Fence};
use cairn_core::lease::Inherited;
use cairn_core::pool::{OnLoss, PoolName};
use cairn_core::time::{BootInstant, Now, UnixMillis};

use crate::snapshot::{Claim, Snapshot};

/// How long `/app/livez` fails at least before a different claim is published: as long as the liveness
/// probe that the webhook adds needs to notice, whenever it last looked. It sets that to half the
/// pool's quarantine; this is what the shortest of them need.
pub const STOP_FOR: Duration = Duration::from_secs(15);

/// What one pool's app was told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The claim.
    pub claim: Option<Known>,
    /// Until when it may be believed, on both clocks: the boot-time clock starts afresh with the
    /// machine, the wall clock does not. `None` once the files are gone.
    pub until: Option<(BootInstant, UnixMillis)>,
    /// Since when the app has been told to stop.
    pub stopping: Option<BootInstant>,
}

/// What tells a claim from another one. A claim may go on under a new fence: the same name, since the same
/// instant, by a later incarnation. Nobody else had the name in between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    fence: Fence,
    key: String,
    since: UnixMillis,
}

/// What the apps of all `Stop` pools were told.
#[derive(Clone, Debug, Default)]
pub struct Memory(BTreeMap<PoolName, Told>);

// === impl Memory ===

impl Memory {
    /// What the files of an earlier life say.
    pub fn new(found: impl IntoIterator<Item = (PoolName, Told)>) -> Self {
        Self(found.into_iter().collect())
    }

    /// The snapshot as it may be shown at this moment.
    pub fn review(&mut self, snapshot: &Snapshot, now: Now) -> Snapshot {
        let mut shown = snapshot.clone();
        for claim in &mut shown.claims {
            self.review_claim(claim, now);
        }
        shown
    }

    /// Whether time alone can change what [`Self::review`] says.
    pub fn is_pending(&self, snapshot: &Snapshot) -> bool {
        snapshot.claims.iter().any(|claim| {
            let told = self.0.get(&claim.identity.pool);
            told.is_some_and(|told| match claim.identity.state {
                ClaimState::Held => told.stopping.is_some(),
                ClaimState::Waiting => !claim.was_held && told.stopping.is_none(),
                ClaimState::Degraded | ClaimState::Lost | ClaimState::Ended => false,
            })
        })
    }

    fn review_claim(&mut self, claim: &mut Claim, now: Now) {
        let pool = &claim.identity.pool;
        if claim.on_loss == Some(OnLoss::Keep) {
            self.0.remove(pool);
            return;
        }
        let slot = claim.identity.slot.as_ref().filter(|_| claim.is_held());
        let known = || claim.mark.clone().map(Known::from);
        let Some(told) = self.0.get_mut(pool) else {
            if let Some(slot) = slot.filter(|_| claim.on_loss == Some(OnLoss::Stop)) {
                let until = Some((slot.valid_until_boottime, slot.valid_until));
                let told = Told { claim: known(), until, stopping: None };
                self.0.insert(pool.clone(), told);
            }
            return;
        };
        if let Some(slot) = slot {
            let pause = STOP_FOR.max(claim.quarantine / 2);
            let stopping_since = *told.stopping.get_or_insert(now.boot);
            let same = told.claim.as_ref().is_some_and(|told| told.goes_on_in(claim.mark.as_ref()));
            if same || now.boot.since(stopping_since) >= pause {
                *told = Told {
                    claim: known(),
                    until: Some((slot.valid_until_boottime, slot.valid_until)),
                    stopping: None,
                };
                return;
            }
            claim.identity.reason = Some(format!(
                "{} is claimed, and published once the app with the former claim has stopped",
                slot.name
            ));
            claim.identity.state = ClaimState::Lost;
            claim.identity.slot = None;
            claim.was_held = true;
            claim.on_loss = Some(OnLoss::Stop);
            return;
        }
        let unknown = claim.identity.state == ClaimState::Waiting && !claim.was_held;
        if unknown && told.stopping.is_none() && told.is_believable(now) {
            return;
        }
        told.stopping.get_or_insert(now.boot);
        told.until = None;
        claim.was_held = true;
        claim.on_loss = Some(OnLoss::Stop);
    }
}

// === impl Known ===

impl Known {
    fn goes_on_in(&self, claim: Option<&Inherited>) -> bool {
        claim.is_some_and(|claim| {
            self.fence == claim.fence
                || (self.key == claim.key && self.since == claim.since && claim.incarnation > 1)
        })
    }
}

impl From<Inherited> for Known {
    fn from(claim: Inherited) -> Self {
        Self { fence: claim.fence, key: claim.key, since: claim.since }
    }
}

// === impl Told ===

impl Told {
    fn is_believable(&self, now: Now) -> bool {
        self.until.is_some_and(|(boot, wall)| now.boot < boot && now.wall < wall)
    }
}

#[cfg(test)]
mod tests;
