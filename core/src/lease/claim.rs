//! One claim of the machine: its phase, and what is held.

use std::time::Duration;

use super::reservation::Reserving;
use super::waiting::Waiting;
use super::{Config, Inherited, Won};
use crate::claim::{Fence, SlotRecord};
use crate::keys::ClaimPath;
use crate::names::Names;
use crate::pool::{OnLoss, Pool, PoolName, Scope};
use crate::time::{BootInstant, Now, UnixMillis};

/// Why a name that an earlier process had is asked for again.
pub(super) const RESTARTED: &str = "found again after a restart; asking etcd to confirm it";

#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) name: PoolName,
    pub(super) scope: Scope,
    pub(super) pool: Option<Pool>,
    pub(super) spec_revision: i64,
    /// Why the spec that is in the store now cannot be used.
    pub(super) unusable: Option<String>,
    pub(super) phase: Phase,
    /// The last attempt at a slot.
    pub(super) attempt: Option<Attempt>,
    /// Some attempt had no clear answer: it may be in the store, or still land.
    pub(super) uncertain: bool,
    /// A request to join the queue has had no clear answer yet.
    pub(super) may_be_queued: bool,
    /// Our place in the queue.
    pub(super) ticket: Option<Waiting>,
    /// A hold lay on the pool at the last look.
    pub(super) frozen: bool,
    /// What an earlier process of this holder published, or this one gave back: the name to be had again.
    pub(super) before: Option<Inherited>,
    /// The pool's rule as long as its spec was not read.
    pub(super) rule: OnLoss,
    /// The time reserved under the slot.
    pub(super) clock: Reserving,
}

/// What an attempt would put.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) key: String,
    /// What the lease was believed from when the attempt was sent. A pair that answers meanwhile has not
    /// looked at the slot, and proves nothing of it.
    pub(super) believed_from: BootInstant,
    pub(super) record: SlotRecord,
    /// The claim that it goes on from: the same pod had the name before, and nobody since.
    pub(super) continues: Option<Fence>,
}

#[derive(Clone, Debug)]
pub(super) enum Phase {
    /// No slot. The sentence says why.
    Pending(String),
    /// A slot found after a restart, not yet adopted.
    Adopting(Held),
    /// A slot.
    Placed(Held),
    /// The lease ran out, or the sidecar was restarted; the very same name may be had again, ahead of the queue.
    /// In a `Stop` pool only while the claim is still believed. The sentence says why.
    Regaining(Held, String),
    /// `Keep`: somebody else has, or had, the name. For good.
    Lost(Held, String),
    /// Being given back, because the name of an earlier pool was lost: pods claim in byte order of
    /// pools, so that two never wait for each other. Never believed again.
    Yielding(Held),
    /// Given back.
    Released,
    /// Could not be given back: the lease runs out.
    LeftToExpire,
}

#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) key: String,
    pub(super) fence: Fence,
    /// Mod revision of our own last put.
    pub(super) own_mod_revision: i64,
    pub(super) since: UnixMillis,
    pub(super) validity: Duration,
    pub(super) quarantine: Duration,
    pub(super) incarnation: u32,
    /// Send instant of the grant or of the last renew pair that proved it; the deadline is V later.
    /// Adoption does not renew: `None` until a pair has answered since.
    pub(super) believed_from: Option<BootInstant>,
    /// The deadline for people, fixed with it: derived anew at each look it would flicker by a millisecond.
    pub(super) valid_until: UnixMillis,
}

// === impl Claim ===

impl Claim {
    pub(super) fn new(before: Option<Inherited>, name: PoolName) -> Self {
        let keep = before.as_ref().filter(|before| before.on_loss == OnLoss::Keep);
        Self {
            scope: before.as_ref().map_or_else(|| super::scope_guess(&name), |before| before.scope),
            name,
            pool: None,
            spec_revision: 0,
            unusable: None,
            phase: match keep {
                Some(before) => Phase::Regaining(before.held(), RESTARTED.to_owned()),
                None => Phase::Pending("reading the pool from etcd".to_owned()),
            },
            attempt: None,
            uncertain: false,
            may_be_queued: false,
            ticket: None,
            frozen: false,
            rule: before.as_ref().map_or(OnLoss::Keep, |before| before.on_loss),
            before,
            clock: Reserving::default(),
        }
    }

    /// Whether the claiming track has something to do for it.
    pub(super) fn wants(&self) -> bool {
        matches!(self.phase, Phase::Pending(_) | Phase::Adopting(_) | Phase::Regaining(..))
    }

    /// Whether a slot hangs on the lease.
    pub(super) fn is_placed(&self) -> bool {
        matches!(self.phase, Phase::Placed(_) | Phase::Adopting(_) | Phase::Yielding(_))
    }

    /// Whether neither a slot nor an attempt at one can hang on the lease.
    pub(super) fn is_bare(&self) -> bool {
        !self.uncertain
            && matches!(
                self.phase,
                Phase::Pending(_) | Phase::Regaining(..) | Phase::Released | Phase::Lost(..)
            )
    }

    pub(super) fn say(&mut self, sentence: &str) {
        if let Phase::Pending(reason) | Phase::Regaining(_, reason) = &mut self.phase {
            sentence.clone_into(reason);
        }
    }

    pub(super) fn on_loss(&self) -> OnLoss {
        self.pool.as_ref().map_or(self.rule, |pool| pool.spec.on_loss)
    }

    pub(super) fn names(&self) -> Option<&Names> {
        self.pool.as_ref().map(|pool| &pool.names)
    }

    pub(super) fn held(&self) -> Option<&Held> {
        match &self.phase {
            Phase::Adopting(held)
            | Phase::Placed(held)
            | Phase::Regaining(held, _)
            | Phase::Lost(held, _) => Some(held),
            Phase::Pending(_) | Phase::Yielding(_) | Phase::Released | Phase::LeftToExpire => None,
        }
    }

    /// The slot is ours.
    pub(super) fn place(
        &mut self,
        attempt: &Attempt,
        won: Won,
        believed_from: Option<BootInstant>,
        now: Now,
    ) {
        self.attempt = None;
        self.uncertain = false;
        match attempt.continues {
            None => self.clock.anew(won.clock),
            Some(before) => self.clock.go_on(won.clock, before),
        }
        self.leave_queue();
        let mut held = Held::new(&attempt.key, &attempt.record, won.fence, won.own_mod_revision);
        if let Some(from) = believed_from {
            held.believe(from, now);
        }
        self.set_placed(held);
    }

    /// The slot is ours. Once that is proved, nothing follows any more from what was believed before.
    pub(super) fn set_placed(&mut self, held: Held) {
        self.before = self.before.take().filter(|before| before.key == held.key);
        if let Some(before) = self.before.as_mut().filter(|_| held.believed_from.is_some()) {
            before.deadline = None;
        }
        self.phase = Phase::Placed(held);
    }
}

// === impl Held ===

impl Held {
    pub(super) fn new(key: &str, record: &SlotRecord, fence: Fence, own_mod_revision: i64) -> Self {
        Self {
            key: key.to_owned(),
            fence,
            own_mod_revision,
            since: record.since,
            validity: record.validity(),
            quarantine: record.quarantine(),
            incarnation: record.holder.incarnation,
            believed_from: None,
            valid_until: UnixMillis::default(),
        }
    }

    /// Proved by what was sent at this instant; an earlier one than is known proves nothing more.
    pub(super) fn believe(&mut self, from: BootInstant, now: Now) {
        if self.believed_from.is_none_or(|known| known < from) {
            self.believed_from = Some(from);
            self.valid_until = now.wall_at(from.after(self.validity));
        }
    }
}

pub(super) fn claim_path(claim: &Claim, config: &Config) -> ClaimPath {
    let group = config.group.clone();
    ClaimPath::new(claim.name.clone(), claim.scope, &config.holder.namespace, group)
}
