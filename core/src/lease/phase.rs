//! The phases of a claim, and what is behind them: the slot, the attempt at it, and the lease.
//!
//! A phase carries what is known in it alone. Not for: changing a phase, which only `claim.rs` does.

use std::time::Duration;

use super::config::Config;
use super::event::{Granted, Won};
use super::inherited::Inherited;
use super::view::LeaseId;
use crate::claim::{Fence, Holder, SlotRecord};
use crate::time::{BootInstant, Now, UnixMillis};

/// What has become of a claim.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    /// No slot, for this reason.
    Pending(String),
    /// A slot found after a restart, not yet adopted.
    Adopting(Held),
    /// A slot.
    Held(Held),
    /// The lease expired, or the sidecar was restarted. This name is claimed again, ahead of the queue, for this
    /// reason. In a `Stop` pool only while the claim is still believed.
    Regaining(Held, String),
    /// `Keep`: somebody else has, or had, the name. For good.
    Lost(Held, String),
    /// Being released, because the name of an earlier pool was lost. Never believed again.
    Yielding(Held),
    /// Released.
    Released,
    /// Could not be released: the lease expires.
    LeftToExpire,
}

/// What is heard of the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum App {
    /// It calls, or has promised nothing.
    Calls,
    /// It has missed the heartbeat that it promised.
    Silent,
}

/// The pod's lease.
#[derive(Clone, Copy, Debug)]
pub(super) struct PodLease {
    id: LeaseId,
    ttl: Duration,
    believed_from: BootInstant,
    carried_ticket: bool,
}

/// A slot that is or was held.
#[derive(Clone, Debug)]
pub(super) struct Held {
    /// The slot's key, by [`crate::names::Names::key`].
    pub(super) key: String,
    pub(super) fence: Fence,
    /// Mod revision of our own last put of the slot.
    pub(super) own_mod_revision: i64,
    pub(super) since: UnixMillis,
    pub(super) validity: Duration,
    pub(super) quarantine: Duration,
    pub(super) incarnation: u32,
    believed_from: Option<BootInstant>,
    valid_until: UnixMillis,
}

/// What an attempt at a slot would put.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    key: String,
    record: SlotRecord,
    /// What the lease was believed from when the attempt was sent. A renewal that answers meanwhile has not
    /// read the slot, and proves nothing about it.
    believed_from: BootInstant,
    /// The claim that it continues: this pod had the name before, and nobody has had it since.
    continues: Option<Fence>,
}

// === impl Phase ===

impl Phase {
    /// Whether the claiming track has something to do.
    pub(super) fn wants(&self) -> bool {
        matches!(self, Self::Pending(_) | Self::Adopting(_) | Self::Regaining(..))
    }

    /// Whether a slot hangs on the lease.
    pub(super) fn has_slot(&self) -> bool {
        matches!(self, Self::Held(_) | Self::Adopting(_) | Self::Yielding(_))
    }

    /// Whether no slot of ours can hang on the lease.
    pub(super) fn is_slotless(&self) -> bool {
        matches!(self, Self::Pending(_) | Self::Regaining(..) | Self::Lost(..) | Self::Released)
    }

    /// The slot that is held.
    pub(super) fn own_slot(&self) -> Option<&Held> {
        if let Self::Held(held) = self { Some(held) } else { None }
    }

    /// The slot that may be believed in until its deadline.
    pub(super) fn believable(&self) -> Option<&Held> {
        match self {
            Self::Held(held) | Self::Regaining(held, _) => Some(held),
            Self::Pending(_)
            | Self::Adopting(_)
            | Self::Lost(..)
            | Self::Yielding(_)
            | Self::Released
            | Self::LeftToExpire => None,
        }
    }

    /// The slot that is held, or that was and is still shown or to be had again.
    pub(super) fn held(&self) -> Option<&Held> {
        match self {
            Self::Adopting(held)
            | Self::Held(held)
            | Self::Regaining(held, _)
            | Self::Lost(held, _) => Some(held),
            Self::Pending(_) | Self::Yielding(_) | Self::Released | Self::LeftToExpire => None,
        }
    }
}

// === impl PodLease ===

impl PodLease {
    pub(super) fn new(granted: Granted, carries_ticket: bool) -> Self {
        Self {
            id: granted.lease,
            ttl: granted.ttl,
            believed_from: granted.sent,
            carried_ticket: carries_ticket,
        }
    }

    pub(super) fn id(self) -> LeaseId {
        self.id
    }

    pub(super) fn ttl(self) -> Duration {
        self.ttl
    }

    /// Send instant of the grant, or of the last renewal that answered well.
    pub(super) fn believed_from(self) -> BootInstant {
        self.believed_from
    }

    /// A renewal that was sent at this instant has answered well.
    pub(super) fn renewed(&mut self, sent: BootInstant, ttl: Duration) {
        self.believed_from = self.believed_from.max(sent);
        self.ttl = ttl;
    }

    pub(super) fn carry_ticket(&mut self) {
        self.carried_ticket = true;
    }

    /// Whether it may be revoked when nothing of this process hangs on it. Another sidecar of this pod may
    /// have found a ticket on it, taken up the lease and won a slot. Such a lease is left to expire.
    pub(super) fn is_revocable(self) -> bool {
        !self.carried_ticket
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

    /// A slot as an earlier process published it.
    pub(super) fn inherited(before: &Inherited) -> Self {
        let validity = Duration::from_millis(before.validity_ms);
        Self {
            key: before.key.clone(),
            fence: before.fence,
            own_mod_revision: 0,
            since: before.since,
            validity,
            quarantine: Duration::from_millis(before.quarantine_ms),
            incarnation: before.incarnation,
            believed_from: before.deadline.map(|deadline| deadline.boot.before(validity)),
            valid_until: before.deadline.map(|deadline| deadline.wall).unwrap_or_default(),
        }
    }

    /// The slot after this process has adopted it. Adoption does not renew, so it proves nothing yet.
    pub(super) fn adopted(&self, own_mod_revision: i64) -> Self {
        Self {
            own_mod_revision,
            incarnation: self.incarnation + 1,
            believed_from: None,
            ..self.clone()
        }
    }

    /// Proved by what was sent at this instant. An earlier instant than the known one proves nothing more.
    pub(super) fn believe(&mut self, from: BootInstant, now: Now) {
        if self.believed_from.is_none_or(|known| known < from) {
            self.believed_from = Some(from);
            self.valid_until = now.wall_at(from.after(self.validity));
        }
    }

    /// Send instant of the grant or of the last renewal that proved the slot. The deadline is V later.
    pub(super) fn believed_from(&self) -> Option<BootInstant> {
        self.believed_from
    }

    /// The deadline for people. It is fixed with the proof: derived at each look, it would flicker by a
    /// millisecond.
    pub(super) fn valid_until(&self) -> UnixMillis {
        self.valid_until
    }
}

// === impl Attempt ===

impl Attempt {
    pub(super) fn new(
        key: String,
        record: SlotRecord,
        lease: PodLease,
        continues: Option<Fence>,
    ) -> Self {
        Self { key, record, believed_from: lease.believed_from, continues }
    }

    /// The slot, if the attempt has won.
    pub(super) fn held(&self, won: Won) -> Held {
        Held::new(&self.key, &self.record, won.fence, won.own_mod_revision)
    }

    /// The same attempt at the slot where it has landed.
    pub(super) fn landed_at(self, key: String) -> Self {
        Self { key, ..self }
    }

    pub(super) fn believed_from(&self) -> BootInstant {
        self.believed_from
    }

    /// Whether a slot that is won now could not be believed in any more.
    pub(super) fn is_late(&self, now: Now) -> bool {
        self.believed_from.after(self.record.validity()) <= now.boot
    }

    pub(super) fn continues(&self) -> Option<Fence> {
        self.continues
    }
}

/// The value of a slot. A new claim has the pool's terms: validity and quarantine. A claim that continues another
/// one keeps its age and terms.
pub(super) fn slot_record(
    config: &Config,
    now: Now,
    terms: (Duration, Duration),
    before: Option<&Held>,
) -> SlotRecord {
    let (validity, quarantine) = before.map_or(terms, |held| (held.validity, held.quarantine));
    let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    SlotRecord {
        holder: Holder {
            incarnation: before.map_or(1, |held| held.incarnation + 1),
            ..config.holder.clone()
        },
        nonce: config.nonce.clone(),
        since: before.map_or(now.wall, |held| held.since),
        validity_ms: millis(validity),
        quarantine_ms: millis(quarantine),
    }
}
