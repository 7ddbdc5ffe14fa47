//! A [`Snapshot`] after its files are written: what the API, the probe and the admin server show.
//!
//! Invariant: unless `write_error` is set, an [`Applied`] that shows a claim as held is made after its files are
//! written, and one that shows a `Stop` claim as lost is made after its files are removed.

use std::sync::Arc;

use cairn_core::pool::OnLoss;
use tokio::sync::watch;

use crate::snapshot::{Claim, Snapshot};

/// The published state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The claims, as published.
    pub snapshot: Arc<Snapshot>,
    /// Why the last write of the files failed.
    pub write_error: Option<String>,
    /// What the gate waits for; `None` if it is open.
    pub gate: Option<String>,
    /// Whether the gate of this pod was open once, in this process or an earlier one.
    pub opened: bool,
}

/// Receives each [`Applied`].
pub type Watch = watch::Receiver<Arc<Applied>>;

// === impl Applied ===

impl Applied {
    /// The state of a sidecar that can claim nothing.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { snapshot: Arc::new(Snapshot::failed(message)), ..Self::default() }
    }

    /// Whether the app may start: every claim is held and published, and the gate is open. The error is the first
    /// reason why not.
    pub fn held(&self) -> Result<(), String> {
        if let Some(failure) = &self.snapshot.failure {
            return Err(failure.clone());
        }
        for claim in &self.snapshot.claims {
            if !claim.is_held() {
                let identity = &claim.status.identity;
                return Err(match &identity.reason {
                    Some(reason) => format!("pool {}: {}: {reason}", identity.pool, identity.state),
                    None => format!("pool {}: {}", identity.pool, identity.state),
                });
            }
        }
        if let Some(error) = &self.write_error {
            return Err(error.clone());
        }
        let coordination = self.snapshot.coordination.as_ref();
        if let Some(waiting) = coordination.and_then(|gate| gate.waiting.as_ref()) {
            return Err(waiting.clone());
        }
        match &self.gate {
            Some(closed) => Err(closed.clone()),
            None if self.snapshot.claims.is_empty() && coordination.is_none() => {
                Err("the sidecar is starting".to_owned())
            }
            None => Ok(()),
        }
    }

    /// Whether a container may start now: every `Stop` claim is held and published.
    pub fn app_may_start(&self) -> Result<(), String> {
        if let Some(failure) = &self.snapshot.failure {
            return Err(failure.clone());
        }
        let missing = self
            .snapshot
            .claims
            .iter()
            .find(|claim| claim.status.on_loss != Some(OnLoss::Keep) && !claim.is_held());
        if let Some(claim) = missing {
            let identity = &claim.status.identity;
            return Err(format!("pool {}: {}", identity.pool, identity.state));
        }
        match &self.write_error {
            Some(error) if self.snapshot.claims.iter().any(is_stop) => Err(error.clone()),
            _ => Ok(()),
        }
    }

    /// The answer to the startup probe. The kubelet asks it again after each restart of the sidecar, and an app that
    /// has its name must not wait for etcd again. So, after the first start of the app, only a withdrawn `Stop` claim
    /// fails it.
    pub fn startup_verdict(&self) -> Result<(), String> {
        if self.opened { self.app_alive() } else { self.held() }
    }

    /// Whether a running app may continue: every `Stop` claim that was held once is still held, and nothing of its
    /// coordination stops it.
    pub fn app_alive(&self) -> Result<(), String> {
        self.container_alive(false)
    }

    /// The same for one container. `is_new`: it was started since the app has missed its heartbeat.
    pub fn container_alive(&self, is_new: bool) -> Result<(), String> {
        let gate = self.snapshot.coordination.as_ref();
        let gate = gate.filter(|gate| !(gate.silent && is_new));
        if let Some(stop) = gate.and_then(|gate| gate.stop.as_ref()) {
            return Err(stop.clone());
        }
        let stopped = self.snapshot.claims.iter().find(|claim| claim.must_stop() && claim.was_held);
        match stopped {
            None => Ok(()),
            Some(claim) => Err(format!(
                "pool {}: its claim may not be used any more ({}); the app has to stop",
                claim.status.identity.pool,
                claim
                    .status
                    .identity
                    .reason
                    .as_deref()
                    .unwrap_or(claim.status.identity.state.as_str()),
            )),
        }
    }
}

fn is_stop(claim: &Claim) -> bool {
    claim.status.on_loss == Some(OnLoss::Stop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_core::claim::{ClaimState, Holder};

    fn applied(change: impl FnOnce(&mut Snapshot)) -> Applied {
        let pools = ["snowflake".parse().unwrap()];
        let mut snapshot = Snapshot::starting(&pools, "-", &Holder::default());
        change(&mut snapshot);
        Applied { snapshot: Arc::new(snapshot), ..Applied::default() }
    }

    fn state(snapshot: &mut Snapshot, state: ClaimState, was_held: bool) {
        let claim = &mut snapshot.claims[0];
        claim.status.identity.state = state;
        claim.status.on_loss = Some(OnLoss::Stop);
        claim.was_held = was_held;
    }

    #[test]
    fn a_waiting_pod_reports_its_reason_and_its_app_is_not_killed() {
        let waiting = applied(|snapshot| state(snapshot, ClaimState::Waiting, false));
        assert_eq!(waiting.held().unwrap_err(), "pool snowflake: waiting: asking etcd for a name");
        assert_eq!(waiting.app_alive(), Ok(()));
    }

    #[test]
    fn a_stop_claim_that_is_not_held_any_more_stops_the_app() {
        for lost in [ClaimState::Waiting, ClaimState::Degraded, ClaimState::Lost] {
            let applied = applied(|snapshot| state(snapshot, lost, true));
            assert!(applied.app_alive().unwrap_err().contains("pool snowflake"));
        }
        let kept = applied(|snapshot| {
            state(snapshot, ClaimState::Degraded, true);
            snapshot.claims[0].status.on_loss = Some(OnLoss::Keep);
        });
        assert_eq!(kept.app_alive(), Ok(()));
    }

    #[test]
    fn a_container_may_start_while_every_stop_claim_is_held() {
        let held = applied(|snapshot| state(snapshot, ClaimState::Held, true));
        assert_eq!(held.app_may_start(), Ok(()));
        for not_held in [ClaimState::Waiting, ClaimState::Degraded, ClaimState::Lost] {
            let applied = applied(|snapshot| state(snapshot, not_held, false));
            let reason = format!("pool snowflake: {not_held}");
            assert_eq!(applied.app_may_start(), Err(reason), "after a restart of the sidecar, too");
        }
        let unwritten = Applied { write_error: Some("disk full".into()), ..held };
        assert_eq!(unwritten.app_may_start(), Err("disk full".into()));
        let kept = applied(|snapshot| {
            state(snapshot, ClaimState::Degraded, true);
            snapshot.claims[0].status.on_loss = Some(OnLoss::Keep);
        });
        assert_eq!(kept.app_may_start(), Ok(()));
        let unread = applied(|snapshot| snapshot.claims[0].status.on_loss = None);
        assert!(unread.app_may_start().is_err(), "the rule on loss is not known yet");
        assert!(Applied::failed("no").app_may_start().is_err());
    }

    #[test]
    fn an_app_starts_only_when_its_claims_are_held_and_written_and_the_gate_is_open() {
        let held = applied(|snapshot| state(snapshot, ClaimState::Held, true));
        assert_eq!(held.held(), Ok(()));
        let unwritten = Applied { write_error: Some("disk full".into()), ..held.clone() };
        assert_eq!(unwritten.held(), Err("disk full".into()));
        let gated = Applied { gate: Some("not annotated yet".into()), ..held };
        assert_eq!(gated.held(), Err("not annotated yet".into()));
        assert_eq!(Applied::failed("no").held(), Err("no".into()));
        assert!(Applied::default().held().is_err());
    }
}
