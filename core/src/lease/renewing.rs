//! The renewing track: what a renew pair proves, and what its failure means.

use std::time::Duration;

use super::claim::{Claim, Phase, claim_path};
use super::machine::Machine;
use super::track::Track;
use super::{Action, EndReason, Renewal, SeenSlot, SlotsRead};
use crate::pool::{OnLoss, PoolName};
use crate::time::{BootInstant, Now};

/// Renewing starts at the grant, when the pools' specs may not be known yet; then this V counts.
const UNKNOWN_VALIDITY: Duration = Duration::from_secs(30);

impl Machine {
    pub(super) fn next_renewal(&mut self, actions: &mut Vec<Action>) {
        let Some(lease) = self.lease else { return };
        self.renewing = Track::Busy;
        self.renewed_at = self.doubt.known;
        actions.push(Action::Renew { lease: lease.id, slots: self.placed_slots() });
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
        // A restarted sidecar changes over to its older lease; what the fresh one says is nothing.
        let Some(lease) = self.lease.as_mut().filter(|lease| lease.id == renewal.lease) else {
            return;
        };
        if renewal.ttl.is_zero() {
            self.on_lease_gone(now, "the lease ran out before it was renewed");
            return;
        }
        let proof = renewal.read.as_ref();
        if let Some(proof) = proof
            && self.doubt.goes_back(self.renewed_at, proof.epoch, proof.revision).is_some()
        {
            self.renewing = Track::Until(now.boot.after(self.renew_retry()));
            return;
        }
        lease.believed_from = lease.believed_from.max(renewal.sent);
        lease.ttl = renewal.ttl;
        self.doubt.settle_clocks(now);
        self.round += 1;
        let period = self.renew_period();
        self.renewing = Track::Until(renewal.sent.after(period).max(now.boot));
        if let Some(sentence) = proof.and_then(|proof| self.prove(now, renewal.sent, proof)) {
            self.finish(EndReason::Fenced(sentence), actions);
            return;
        }
        // Adopted, or doubted, while the pair was under way: another pair, at once. During a hold
        // there is nothing to hurry for.
        let unproved = |claim: &Claim| match &claim.phase {
            Phase::Placed(held) if !claim.frozen => {
                held.believed_from.is_none_or(|from| self.doubt.voids(from).is_some())
            }
            _ => false,
        };
        if self.claims.iter().any(unproved) {
            self.renewing = Track::Idle;
        }
    }

    /// What a pair says of each claim that it asked for; a sentence means that we are fenced.
    fn prove(&mut self, now: Now, sent: BootInstant, proof: &SlotsRead) -> Option<String> {
        let verdicts: Vec<_> = self
            .claims
            .iter()
            .map(|claim| {
                let key = self.placed_key(claim)?;
                // Placed while the pair was under way: it was not asked for.
                let (_, seen) = proof.slots.iter().find(|(slot, _)| *slot == key)?;
                let live = claim.held().is_some_and(|held| self.is_live(held, now));
                Some((seen.as_ref(), live))
            })
            .collect();
        let me = (self.config.holder.uid.as_str(), self.config.nonce.as_str());
        let new_epoch = proof.epoch.is_none_or(|epoch| epoch > self.epoch);
        let (mut fenced, mut lost) = (None, false);
        for (claim, verdict) in self.claims.iter_mut().zip(verdicts) {
            let Some((seen, live)) = verdict else { continue };
            claim.frozen = proof.frozen_pools.contains(&claim.name);
            // In a restored snapshot an old slot of ours looks as it did, while a later holder may
            // still believe: until the hold ends, only a belief that never ended goes on.
            let provable = live || !claim.frozen;
            if let (None, true, Phase::Placed(held)) = (seen, new_epoch, &claim.phase) {
                // Not released by anybody: it went with the store.
                claim.phase =
                    claim.lost_with_store(held.clone(), live, "etcd was wiped or restored");
            }
            fenced = claim.on_seen(seen, me, provable.then_some(sent), now).or(fenced);
            lost |= matches!(claim.phase, Phase::Pending(_) | Phase::Regaining(..));
        }
        if lost {
            self.claiming = self.claiming.hurried();
        }
        fenced
    }

    /// The slots that a renewal must read.
    fn placed_slots(&self) -> Vec<(PoolName, String)> {
        let slot = |claim: &Claim| Some((claim.name.clone(), self.placed_key(claim)?));
        self.claims.iter().filter_map(slot).collect()
    }

    fn placed_key(&self, claim: &Claim) -> Option<String> {
        match &claim.phase {
            Phase::Placed(held) => Some(claim_path(claim, &self.config).slot(&held.key)),
            _ => None,
        }
    }

    /// How long one attempt at one etcd member may take: V/6, so that the next member is asked while
    /// the claim is still believed.
    pub fn request_timeout(&self) -> Duration {
        self.shortest_validity() / 6
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
    ///
    /// Revisions alone would not do: those of a wiped store start anew and may meet ours again.
    fn on_seen(
        &mut self,
        seen: Option<&SeenSlot>,
        (uid, nonce): (&str, &str),
        proved: Option<BootInstant>,
        now: Now,
    ) -> Option<String> {
        let Phase::Placed(held) = &mut self.phase else {
            return None;
        };
        let (name, pool) = (&held.key, &self.name);
        let why = match seen {
            Some(seen) if seen.uid != uid => format!("'{name}' was given to another pod"),
            Some(seen) if seen.create_revision != held.fence.revision => {
                return Some(format!(
                    "another sidecar of this pod has claimed '{name}' in pool '{pool}' anew"
                ));
            }
            Some(seen) if seen.mod_revision != held.own_mod_revision || seen.nonce != nonce => {
                return Some(format!(
                    "a younger sidecar of this pod has taken over '{name}' in pool '{pool}'"
                ));
            }
            Some(_) => {
                if let Some(sent) = proved {
                    held.believe(sent, now);
                }
                return None;
            }
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
