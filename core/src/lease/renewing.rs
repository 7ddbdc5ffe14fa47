//! The renewing track: what a renewal proves, and what its failure means.

use super::action::{Action, EndReason};
use super::claim::Claim;
use super::config::Config;
use super::event::{Renewal, SeenSlot, SlotsRead};
use super::evidence::Evidence;
use super::phase::PodLease;
use super::reason;
use super::track::{ClaimTrack, Pace, Track};
use crate::pool::PoolName;
use crate::time::{BootInstant, Now};

/// Renews the lease and the belief in its slots. It may prove a claim or lose it, but claims nothing.
pub(super) struct RenewHandler<'m> {
    pub(super) config: &'m Config,
    pub(super) now: Now,
    pub(super) claims: &'m mut [Claim],
    pub(super) lease: &'m mut Option<PodLease>,
    pub(super) epoch: i64,
    pub(super) evidence: &'m mut Evidence,
    pub(super) track: &'m mut Track,
    pub(super) claiming: &'m mut ClaimTrack,
    pub(super) pace: &'m mut Pace,
    pub(super) out: &'m mut Vec<Action>,
}

/// What a renewal has seen of one slot.
enum Verdict {
    Ours,
    /// It is not ours any more, for this reason.
    Gone(String),
    /// A younger process of this pod has it. The message says how that was seen.
    Fenced(String),
}

/// A pool's validity has become known, or there is a slot: both may want the lease renewed sooner.
pub(super) fn renew_in_time(
    track: &mut Track,
    lease: Option<PodLease>,
    claims: &[Claim],
    pace: &Pace,
) {
    if let Some(lease) = lease {
        track.bring_forward(lease.believed_from().after(pace.renewal(claims)));
    }
}

// === impl RenewHandler ===

impl RenewHandler<'_> {
    /// Sends the next renewal.
    pub(super) fn next(&mut self) {
        let Some(lease) = *self.lease else { return };
        let slots = self.claims.iter();
        let slots =
            slots.filter_map(|claim| Some((claim.pool().name().clone(), self.slot(claim)?)));
        let slots: Vec<(PoolName, String)> = slots.collect();
        self.track.start();
        self.evidence.note_renewal();
        self.out.push(Action::Renew { lease: lease.id(), slots });
    }

    /// A lease was granted. Renewing it begins.
    pub(super) fn on_granted(&mut self, sent: BootInstant) {
        self.pace.renewed(self.claims, self.now.boot.since(sent));
        self.track.wait_until(sent.after(self.pace.renewal(self.claims)));
    }

    /// `overloaded`: the store has answered that it cannot keep up.
    pub(super) fn on_failed(&mut self, overloaded: bool) {
        let retry = self.pace.renewal_retry(self.claims, overloaded);
        self.track.wait_until(self.now.boot.after(retry));
    }

    /// Takes in a renewal. False when our lease is gone.
    pub(super) fn on_renewed(&mut self, renewal: &Renewal) -> bool {
        // A restarted sidecar changes over to its older lease. What the fresh one says proves nothing.
        let Some(lease) = self.lease.as_mut().filter(|lease| lease.id() == renewal.lease) else {
            return true;
        };
        if renewal.ttl.is_zero() {
            return false;
        }
        let read = renewal.read.as_ref();
        if let Some(read) = read
            && self.evidence.check_renewal(read.epoch, read.revision).is_some()
        {
            self.on_failed(false);
            return true;
        }
        lease.renewed(renewal.sent, renewal.ttl);
        self.evidence.settle_clocks(self.now);
        self.pace.advance();
        self.pace.renewed(self.claims, self.now.boot.since(renewal.sent));
        let period = self.pace.renewal(self.claims);
        self.track.wait_until(renewal.sent.after(period).max(self.now.boot));
        if let Some(why) = read.and_then(|read| self.judge(renewal.sent, read)) {
            self.out.push(Action::Finish(EndReason::Fenced(why)));
        } else if self.claims.iter().any(|claim| self.is_unproved(claim)) {
            self.track.finish();
        }
        true
    }

    /// Adopted, or doubted, while the renewal was under way: another renewal, at once. During a freeze there is
    /// nothing to hurry for.
    fn is_unproved(&self, claim: &Claim) -> bool {
        let held = claim.phase().own_slot().filter(|_| !claim.is_frozen());
        held.is_some_and(|held| held.believed_from().is_none_or(|from| self.evidence.voids(from)))
    }

    /// What the read says of each claim that it asked for. A message means that this process is fenced.
    fn judge(&mut self, sent: BootInstant, read: &SlotsRead) -> Option<String> {
        let verdicts: Vec<_> = self.claims.iter().map(|claim| self.verdict(claim, read)).collect();
        let new_epoch = read.epoch.is_none_or(|epoch| epoch > self.epoch);
        let (mut fenced, mut lost) = (None, false);
        for (claim, verdict) in self.claims.iter_mut().zip(verdicts) {
            let Some((seen, verdict)) = verdict else { continue };
            let held = claim.phase().own_slot();
            let live = held.is_some_and(|held| self.evidence.is_live(held, self.now));
            claim.set_frozen(read.frozen_pools.contains(claim.pool().name()));
            match verdict {
                // In a restored snapshot an old slot of ours looks as it did, while a later holder may still believe:
                // until the freeze ends, only a belief that never ended goes on.
                Verdict::Ours if live || !claim.is_frozen() => claim.prove(sent, self.now),
                Verdict::Ours => {}
                // Nobody has released it: it went with the store.
                Verdict::Gone(_) if !seen && new_epoch => {
                    claim.lose_with_store(live, "etcd was wiped or restored");
                }
                Verdict::Gone(why) => claim.lose(&why),
                Verdict::Fenced(why) => fenced = Some(why),
            }
            lost |= claim.phase().wants();
        }
        if lost {
            self.claiming.hurry();
        }
        fenced
    }

    /// Compares what the read saw with what is held, and says whether there was a slot. `None` when the slot is held
    /// only since the renewal was sent.
    ///
    /// Revisions alone prove nothing: those of a wiped store start anew and may meet ours again.
    fn verdict(&self, claim: &Claim, read: &SlotsRead) -> Option<(bool, Verdict)> {
        let held = claim.phase().own_slot()?;
        let key = self.slot(claim)?;
        let (_, seen) = read.slots.iter().find(|(slot, _)| *slot == key)?;
        let Some(seen) = seen else {
            let why = format!("'{}' was released by an administrator", held.key);
            return Some((false, Verdict::Gone(why)));
        };
        let SeenSlot { create_revision, mod_revision, uid, nonce } = seen;
        let (name, pool) = (&held.key, claim.pool().name());
        let verdict = if *uid != self.config.holder.uid {
            Verdict::Gone(reason::given_away(name))
        } else if *create_revision != held.fence.revision {
            Verdict::Fenced(format!(
                "another sidecar of this pod has claimed '{name}' in pool '{pool}' anew"
            ))
        } else if *mod_revision != held.own_mod_revision || *nonce != self.config.nonce {
            Verdict::Fenced(format!(
                "a younger sidecar of this pod has taken over '{name}' in pool '{pool}'"
            ))
        } else {
            Verdict::Ours
        };
        Some((true, verdict))
    }

    /// The full key of the slot that a claim holds.
    fn slot(&self, claim: &Claim) -> Option<String> {
        let held = claim.phase().own_slot()?;
        Some(claim.pool().path(self.config).slot(&held.key))
    }
}
