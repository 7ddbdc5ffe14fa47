//! The state of the claims as plain data, from the claim driver to those who publish it.
//!
//! The driver sends a new [`Snapshot`] at each transition and each renewal. Its readers decide what that means for
//! files, probes and the app.

use std::time::Duration;

use cairn_core::claim::{ClaimState, Holder};
use cairn_core::identity::Identity;
use cairn_core::lease::ClaimStatus;
use cairn_core::pool::{OnLoss, PoolName};

/// Every claim of the pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// In the order of `--pool`, which is not always the order of claiming.
    pub claims: Vec<Claim>,
    /// Why nothing can be claimed, such as wrong flags or an unusable directory.
    pub failure: Option<String>,
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
        Self { claims, failure: None }
    }

    /// The snapshot of a process that can claim nothing.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { claims: Vec::new(), failure: Some(message.into()) }
    }

    /// Whether every claim has been held at least once. After this first success, a process in a pod may exit.
    pub fn started(&self) -> bool {
        self.failure.is_none()
            && !self.claims.is_empty()
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
