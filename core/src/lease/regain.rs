//! The slot that this pod had before, and may have again (T7).
//!
//! A pod may have exactly its old name again, ahead of the queue,
//! - in a `Keep` pool, as long as nobody else has it: a running pod never moves to another name;
//! - in a pool of either kind while the claim is still believed, because nobody else can have it then: the lease
//!   is gone before its time, or the store was wiped;
//! - while the name is in quarantine after this pod has released it, because a SIGTERM of the sidecar is no proof
//!   that the app has ended.
//!
//! During a freeze only a claim whose deadline has not passed may have its name again.

use super::claim::Claim;
use super::config::Config;
use super::evidence::Evidence;
use super::phase::{Held, Phase};
use super::view::PoolView;
use crate::clock::ClockRecord;
use crate::pool::OnLoss;
use crate::time::Now;

/// A slot that this pod had before.
#[derive(Clone, Debug)]
pub(super) struct Former {
    held: Held,
    live: bool,
    quarantine: Option<i64>,
}

// === impl Former ===

impl Former {
    /// Whether a claim is to have the slot again that it had before.
    pub(super) fn find(
        config: &Config,
        evidence: &Evidence,
        claim: &Claim,
        held: Held,
        view: &PoolView,
        now: Now,
    ) -> Option<Self> {
        let ours = view
            .wanted_quarantine
            .as_ref()
            .filter(|found| found.key == held.key && found.record.holder.uid == config.holder.uid);
        let quarantine = ours.map(|found| found.revision);
        let live = evidence.is_live(&held, now);
        let must =
            claim.pool().on_loss() == OnLoss::Keep || matches!(claim.phase(), Phase::Regaining(..));
        // A pod that may move to another name goes on waiting for it once it has begun to.
        let may = (live || quarantine.is_some()) && view.ticket.is_none();
        (must || may).then_some(Self { held, live, quarantine })
    }

    pub(super) fn held(&self) -> &Held {
        &self.held
    }

    /// The deadline has not passed.
    pub(super) fn is_live(&self) -> bool {
        self.live
    }

    /// Mod revision of the slot's quarantine, when it names this pod.
    pub(super) fn quarantine(&self) -> Option<i64> {
        self.quarantine
    }

    /// Mod revision of the slot's quarantine note; 0 when there is none.
    pub(super) fn note(&self, view: &PoolView) -> i64 {
        view.notes.get(&self.held.key).copied().unwrap_or_default()
    }

    /// Whether the slot is in quarantine after a claim that was not ours. After our own, and after no other, it
    /// needs no quarantine against us.
    pub(super) fn is_kept_from_us(&self, view: &PoolView) -> bool {
        let after_ours = view.notes.get(&self.held.key) == Some(&self.held.fence.revision);
        view.quarantined.contains(&self.held.key) && self.quarantine.is_none() && !after_ours
    }

    /// What this holder knows to have reserved, where the store has less: it may have been wiped.
    pub(super) fn lost_reservation(&self, claim: &Claim, view: &PoolView) -> Option<ClockRecord> {
        let Self { held, live: true, .. } = self else {
            return None;
        };
        let before = claim.before().filter(|before| before.key == held.key);
        let own = claim.time().used(&held.key).max(before.and_then(|before| before.not_after));
        let reserved_until = own.filter(|_| claim.pool().reserves())?;
        let stored = view.clocks.get(&held.key);
        let less = stored.is_none_or(|stored| *stored < reserved_until);
        less.then_some(ClockRecord { reserved_until, fence: held.fence })
    }
}
