//! The state of the claims as plain data, from the claim driver to those who publish it.
//!
//! The driver sends a new [`Snapshot`] at each transition and each renewal. Its readers decide what that means for
//! files, probes and the app.

use std::time::Duration;

use cairn_core::claim::{ClaimState, Holder};
use cairn_core::identity::Identity;
use cairn_core::lease::ClaimStatus;
use cairn_core::pool::{OnLoss, PoolName};

mod gate;

pub use gate::Gate;

/// Every claim of the pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// In the order of `--pool`, which is not always the order of claiming.
    pub claims: Vec<Claim>,
    /// Why nothing can be claimed, such as wrong flags or an unusable directory.
    pub failure: Option<String>,
    /// What coordination means for the app; `None` in a pod that does not coordinate.
    pub coordination: Option<Gate>,
}

/// One claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// What the lease machine says of it. The `reason` of its identity is what the probe prints, with the rank.
    pub status: ClaimStatus,
    /// Whether this process has held it at least once.
    pub was_held: bool,
}

// === impl Snapshot ===

impl Snapshot {
    /// The first snapshot of a process.
    pub fn starting(pools: &[PoolName], group: &str, holder: &Holder) -> Self {
        let claims = pools
            .iter()
            .map(|pool| Claim {
                status: ClaimStatus {
                    identity: Identity {
                        pool: pool.clone(),
                        group: group.to_owned(),
                        slot: None,
                        state: ClaimState::Waiting,
                        reason: Some("asking etcd for a name".to_owned()),
                        rank: None,
                        holder: holder.clone(),
                    },
                    on_loss: None,
                    quarantine: Duration::ZERO,
                    clock: None,
                    minting: None,
                    mark: None,
                },
                was_held: false,
            })
            .collect();
        Self { claims, failure: None, coordination: None }
    }

    /// The snapshot of a process that can claim nothing.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { failure: Some(message.into()), ..Self::default() }
    }

    /// The snapshot as the app's heartbeat bounds it: no deadline beyond the gate's instant, and no `Stop` claim while
    /// the app has to stop.
    #[must_use]
    pub fn bounded(&self) -> Self {
        let Some(Gate { stop, until: Some(until), .. }) = &self.coordination else {
            return self.clone();
        };
        let mut bounded = self.clone();
        for claim in &mut bounded.claims {
            if let (Some(stop), Some(OnLoss::Stop)) = (stop, claim.status.on_loss) {
                claim.was_held |= claim.is_held();
                claim.status.identity.state = ClaimState::Lost;
                claim.status.identity.reason = Some(stop.clone());
                claim.status.identity.slot = None;
            }
            if let Some(slot) = &mut claim.status.identity.slot {
                let over = slot.valid_until_boottime.since(*until);
                slot.valid_until_boottime = slot.valid_until_boottime.before(over);
                slot.valid_until = slot.valid_until.before(over);
            }
        }
        bounded
    }

    /// Each claim as the app sees it.
    pub fn identities(&self) -> Vec<Identity> {
        self.claims.iter().map(|claim| claim.status.identity.clone()).collect()
    }

    /// Whether the app has missed its heartbeat, and is no new one.
    pub fn app_is_silent(&self) -> bool {
        self.coordination.as_ref().is_some_and(|gate| gate.silent)
    }

    /// Whether every claim has been held, and the group joined, at least once. After this first success, a process in
    /// a pod may exit.
    pub fn started(&self) -> bool {
        let joined = self.coordination.as_ref().map(|gate| gate.waiting.is_none());
        self.failure.is_none()
            && joined.unwrap_or(!self.claims.is_empty())
            && self.claims.iter().all(|claim| claim.was_held)
    }
}

// === impl Claim ===

impl Claim {
    /// Whether it is held now.
    pub fn is_held(&self) -> bool {
        self.status.identity.state == ClaimState::Held
    }

    /// Whether the app must stop using the claim: its files must be removed.
    pub fn must_stop(&self) -> bool {
        let is_usable = match self.status.identity.state {
            ClaimState::Held => true,
            ClaimState::Waiting => !self.was_held,
            ClaimState::Degraded | ClaimState::Lost | ClaimState::Ended => false,
        };
        self.status.on_loss == Some(OnLoss::Stop) && !is_usable
    }
}

#[cfg(test)]
mod tests {
    use cairn_core::claim::Fence;
    use cairn_core::identity::Slot;
    use cairn_core::time::{BootInstant, UnixMillis};

    use super::*;

    fn at(seconds: u64) -> BootInstant {
        BootInstant::from_nanos(seconds * 1_000_000_000)
    }

    fn held(gate: Gate) -> Snapshot {
        let mut snapshot =
            Snapshot::starting(&["snowflake".parse().unwrap()], "-", &Holder::default());
        let claim = &mut snapshot.claims[0];
        claim.status.on_loss = Some(OnLoss::Stop);
        claim.status.identity.state = ClaimState::Held;
        claim.status.identity.slot = Some(Slot {
            name: "0".into(),
            index: Some(0),
            prefix: "p".into(),
            fence: Fence { epoch: 1, revision: 2 },
            since: UnixMillis(0),
            valid_until: UnixMillis(130_000),
            valid_until_boottime: at(130),
            not_before: None,
            not_after: None,
        });
        snapshot.coordination = Some(gate);
        snapshot
    }

    #[test]
    fn no_deadline_of_a_claim_is_told_beyond_the_last_heartbeat_and_its_time() {
        let told = |until| {
            let bounded = held(Gate { until: Some(at(until)), ..Gate::default() }).bounded();
            let slot = bounded.claims[0].status.identity.slot.clone().unwrap();
            (slot.valid_until_boottime, slot.valid_until)
        };
        assert_eq!(told(115), (at(115), UnixMillis(115_000)));
        assert_eq!(told(200), (at(130), UnixMillis(130_000)));
        let before_the_first = held(Gate::default());
        assert_eq!(before_the_first.bounded(), before_the_first);
    }

    #[test]
    fn a_stop_claim_is_lost_once_the_app_does_not_call_any_more() {
        let stop = Some("it has to stop".to_owned());
        let bounded = held(Gate { stop, until: Some(at(115)), ..Gate::default() }).bounded();
        assert!(bounded.claims[0].must_stop());
        assert!(bounded.claims[0].was_held);
    }
}
