//! What the claim driver believes, as plain data: the boundary between it and everything that publishes.
//!
//! The driver sends a new [`Snapshot`] at each transition and each renewal. It says what is true of
//! the claims; what follows for files, probes and the app is decided by those who read it.

use std::time::Duration;

use cairn_core::claim::{ClaimState, Holder};
use cairn_core::identity::Identity;
use cairn_core::lease::{Inherited, Minting};
use cairn_core::pool::{ClockRule, OnLoss, PoolName};

/// Every claim of the pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// In the order of `--pool`, whatever order they are claimed in.
    pub claims: Vec<Claim>,
    /// Why there can be no claims at all, as a sentence: bad flags, an unusable directory.
    pub failure: Option<String>,
}

/// One claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// What users see of it. Its `reason` is the sentence that the probe prints, rank included.
    pub identity: Identity,
    /// The pool's rule; `None` until its spec has been read.
    pub on_loss: Option<OnLoss>,
    /// The pool's Q; zero until its spec has been read.
    pub quarantine: Duration,
    /// Whether time is reserved under the pool's names; `None` until its spec has been read.
    pub clock: Option<ClockRule>,
    /// While it is held: what may be minted.
    pub minting: Option<Minting>,
    /// While there is a name to show: what the next process of this sidecar has to know of it.
    pub mark: Option<Inherited>,
    /// Whether this process has held it at least once.
    pub was_held: bool,
}

// === impl Snapshot ===

impl Snapshot {
    /// The first snapshot of a process: nothing is known yet.
    pub fn starting(pools: &[PoolName], group: &str, holder: &Holder) -> Self {
        let claims = pools
            .iter()
            .map(|pool| Claim {
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
                was_held: false,
            })
            .collect();
        Self { claims, failure: None }
    }

    /// Nothing can be claimed, for the reason given.
    pub fn failed(sentence: impl Into<String>) -> Self {
        Self { claims: Vec::new(), failure: Some(sentence.into()) }
    }

    /// Whether every claim has been held at least once: the first success, after which a process
    /// in a pod may exit.
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
        self.identity.state == ClaimState::Held
    }

    /// Whether the app must not go on with what it was told: its files have to go.
    pub fn must_stop(&self) -> bool {
        let believed = match self.identity.state {
            ClaimState::Held => true,
            ClaimState::Waiting => !self.was_held,
            ClaimState::Degraded | ClaimState::Lost | ClaimState::Ended => false,
        };
        self.on_loss == Some(OnLoss::Stop) && !believed
    }
}
