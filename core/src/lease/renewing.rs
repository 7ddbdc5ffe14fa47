//! The renewing track: what a renew pair proves, and what its failure means.

use std::time::Duration;

use super::machine::{Claim, Machine, Phase, Track, claim_path};
use super::{Action, Outcome, Renewal, Seen};
use crate::pool::OnLoss;
use crate::time::{BootInstant, Now};

/// Renewing starts at the grant, when the pools' specs may not be known yet; then this V counts.
const UNKNOWN_VALIDITY: Duration = Duration::from_secs(30);

impl Machine {
    pub(super) fn next_renewal(&mut self, actions: &mut Vec<Action>) {
        let Some(lease) = self.lease else { return };
        self.renewing = Track::Busy;
        actions.push(Action::Renew { lease: lease.id, slots: self.placed_keys() });
    }

    /// V/3 ± 10 %: three tries fit into V, and pods that started together drift apart.
    pub(super) fn renew_period(&self) -> Duration {
        let spread = self.jitter(self.round);
        self.shortest_validity().mul_f64((0.9 + 0.2 * spread) / 3.0)
    }

    /// A failed renewal is tried again soon: the next member may be well.
    pub(super) fn renew_retry(&self) -> Duration {
        self.shortest_validity() / 30
    }

    pub(super) fn on_renewed(&mut self, now: Now, renewal: &Renewal, actions: &mut Vec<Action>) {
        if renewal.ttl.is_zero() {
            self.on_lease_gone("the lease ran out before it was renewed");
            return;
        }
        let Some(lease) = self.lease.as_mut() else {
            return;
        };
        lease.believed_from = lease.believed_from.max(renewal.sent);
        lease.ttl = renewal.ttl;
        self.round += 1;
        let period = self.renew_period();
        self.renewing = Track::Until(renewal.sent.after(period).max(now.boot));
        let uid = self.config.holder.uid.clone();
        let mut fenced = None;
        // A claim that was placed while the pair was under way was not asked for: no verdict.
        let root = |claim: &Claim| match &claim.phase {
            Phase::Placed(held) => Some(claim_path(claim, &self.config).slot(&held.key)),
            _ => None,
        };
        for claim in &mut self.claims {
            let Some(key) = root(claim) else { continue };
            let Some((_, seen)) = renewal.slots.iter().find(|(slot, _)| *slot == key) else {
                continue;
            };
            if let Some(sentence) = claim.on_seen(renewal.sent, seen.as_ref(), &uid) {
                fenced = Some(sentence);
            }
        }
        // Adopted while the pair was under way: another pair, at once.
        let unverified =
            |claim: &Claim| matches!(&claim.phase, Phase::Placed(held) if !held.verified);
        if self.claims.iter().any(unverified) {
            self.renewing = Track::Idle;
        }
        if let Some(sentence) = fenced {
            self.finish(Outcome::Fenced(sentence), actions);
        }
    }

    /// The lease is known to be gone, and every slot with it.
    pub(super) fn on_lease_gone(&mut self, why: &str) {
        let believed_from = self.lease.take().map(|lease| lease.believed_from).unwrap_or_default();
        self.renewing = Track::Idle;
        for claim in &mut self.claims {
            claim.leave_queue();
            if let Phase::Placed(held) = &mut claim.phase {
                held.last_deadline = believed_from.after(held.validity);
            }
            match (&claim.phase, claim.on_loss()) {
                (Phase::Placed(held) | Phase::Adopting(held), OnLoss::Keep) => {
                    claim.phase = Phase::Regaining(held.clone());
                }
                (Phase::Placed(_) | Phase::Adopting(_), OnLoss::Stop) => {
                    claim.phase = Phase::Pending(format!("the claim was lost: {why}"));
                }
                _ => {}
            }
        }
    }

    /// Keys of the slots that a renewal must read.
    fn placed_keys(&self) -> Vec<String> {
        self.claims
            .iter()
            .filter_map(|claim| match &claim.phase {
                Phase::Placed(held) => Some(claim_path(claim, &self.config).slot(&held.key)),
                _ => None,
            })
            .collect()
    }

    pub(super) fn shortest_validity(&self) -> Duration {
        let granted = self.claims.iter().filter_map(|claim| claim.held().map(|held| held.validity));
        let defined = self
            .claims
            .iter()
            .filter_map(|claim| claim.pool.as_ref().map(|pool| pool.spec.validity));
        granted.chain(defined).min().unwrap_or(UNKNOWN_VALIDITY)
    }
}

impl Claim {
    /// Compares what a renewal saw with what we hold; a sentence means that we are fenced.
    fn on_seen(&mut self, sent: BootInstant, seen: Option<&Seen>, uid: &str) -> Option<String> {
        let Phase::Placed(held) = &mut self.phase else {
            return None;
        };
        held.last_deadline = sent.after(held.validity);
        let name = held.key.clone();
        let why = match seen {
            Some(seen) if seen.create_revision == held.fence.revision => {
                if seen.mod_revision == held.mine {
                    held.verified = true;
                    return None;
                }
                return Some(format!(
                    "a younger sidecar of this pod has taken over '{name}' in pool '{}'",
                    self.name
                ));
            }
            Some(seen) if seen.uid == uid => {
                return Some(format!(
                    "another sidecar of this pod has claimed '{name}' in pool '{}' anew",
                    self.name
                ));
            }
            Some(_) => format!("'{name}' was given to another pod"),
            None => format!("'{name}' was released by an administrator"),
        };
        let held = held.clone();
        self.phase = match self.on_loss() {
            OnLoss::Keep => Phase::Lost(held, why),
            OnLoss::Stop => Phase::Pending(format!("the claim was lost: {why}")),
        };
        None
    }
}
