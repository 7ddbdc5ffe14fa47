//! What the outside sees of the machine at one instant.

use std::time::Duration;

use super::claim::Claim;
use super::config::Config;
use super::evidence::Evidence;
use super::inherited::{Deadline, Inherited};
use super::phase::{Held, Phase};
use super::reason;
use super::reservation::Minting;
use super::ticket::OwnTicket;
use crate::claim::{ClaimState, Holder};
use crate::group::Group;
use crate::identity::{Identity, Slot};
use crate::names::Names;
use crate::pool::{ClockRule, OnLoss, Scope};
use crate::prefix::{Template, Values};
use crate::time::Now;

/// One claim as it is to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimStatus {
    /// What everybody sees.
    pub identity: Identity,
    /// The pool's rule; `None` until its spec was read.
    pub on_loss: Option<OnLoss>,
    /// The pool's quarantine; zero until its spec was read.
    pub quarantine: Duration,
    /// Whether time is reserved under the pool's names; `None` until its spec was read.
    pub clock: Option<ClockRule>,
    /// While it is held: what may be minted.
    pub minting: Option<Minting>,
    /// While there is a name to show: what the next process of this holder has to know of it.
    pub mark: Option<Inherited>,
}

/// Reads claims, and changes nothing.
pub(super) struct StatusReader<'m> {
    pub(super) config: &'m Config,
    pub(super) evidence: &'m Evidence,
    pub(super) now: Now,
}

// === impl StatusReader ===

impl StatusReader<'_> {
    pub(super) fn status(&self, claim: &Claim) -> ClaimStatus {
        let on_loss = claim.pool().on_loss();
        let (state, reason) = self.state(claim);
        let runs_on = matches!(claim.phase(), Phase::Regaining(..) | Phase::Lost(..));
        let known = claim.phase().held().filter(|held| {
            held.believed_from().is_some() || runs_on || state == ClaimState::Degraded
        });
        // A claim that must not be used is not shown to an app either.
        let usable = match on_loss {
            OnLoss::Keep => known,
            OnLoss::Stop => known.filter(|_| state == ClaimState::Held),
        };
        let incarnation = claim.phase().held().map_or(0, |held| held.incarnation);
        let group = match claim.pool().scope() {
            Scope::Namespace => self.config.group.as_ref().map(ToString::to_string),
            Scope::Cluster => None,
        };
        let minting = usable.filter(|_| state == ClaimState::Held);
        let minting = minting.and_then(|held| minting_under(claim, held));
        let identity = Identity {
            pool: claim.pool().name().clone(),
            group: group.unwrap_or_else(|| "-".to_owned()),
            slot: usable.map(|held| self.slot(claim, held)),
            state,
            reason,
            rank: claim.ticket().and_then(OwnTicket::rank),
            holder: Holder { incarnation, ..self.config.holder.clone() },
        };
        let spec = claim.pool().spec().map(|pool| &pool.spec);
        ClaimStatus {
            identity,
            on_loss: spec
                .map(|spec| spec.on_loss)
                .or_else(|| claim.before().map(|before| before.on_loss)),
            quarantine: spec.map(|spec| spec.quarantine).unwrap_or_default(),
            clock: spec.map(|spec| spec.clock),
            minting,
            mark: usable.map(|held| self.published(claim, held)),
        }
    }

    /// What the next process of this holder has to know.
    pub(super) fn published(&self, claim: &Claim, held: &Held) -> Inherited {
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let slot = self.slot(claim, held);
        let deadline = Deadline { boot: slot.valid_until_boottime, wall: slot.valid_until };
        Inherited {
            pool: claim.pool().name().clone(),
            on_loss: claim.pool().on_loss(),
            scope: claim.pool().scope(),
            key: held.key.clone(),
            name: slot.name,
            index: slot.index,
            prefix: slot.prefix,
            fence: held.fence,
            since: held.since,
            incarnation: held.incarnation,
            validity_ms: millis(held.validity),
            quarantine_ms: millis(held.quarantine),
            deadline: held.believed_from().map(|_| deadline),
            not_before: slot.not_before,
            not_after: slot.not_after,
        }
    }

    fn state(&self, claim: &Claim) -> (ClaimState, Option<String>) {
        let on_loss = claim.pool().on_loss();
        let because = |why: &str| Some(why.to_owned()).filter(|why| !why.is_empty());
        match claim.phase() {
            Phase::Held(held) => match self.evidence.deadline(held) {
                Some(deadline) if self.now.boot < deadline => self.believed(claim, held),
                Some(_) => {
                    let why = match (self.evidence.went_back(), claim.is_frozen()) {
                        (Some(why), _) => because(why),
                        (None, true) => Some(reason::frozen(claim.pool().name())),
                        (None, false) => because(reason::UNCONFIRMED),
                    };
                    match on_loss {
                        OnLoss::Keep => (ClaimState::Degraded, why),
                        OnLoss::Stop => (ClaimState::Lost, why),
                    }
                }
                None if claim.is_frozen() => {
                    (ClaimState::Waiting, Some(reason::frozen(claim.pool().name())))
                }
                None => unconfirmed(claim, held),
            },
            Phase::Adopting(held) => unconfirmed(claim, held),
            Phase::Regaining(held, why) => match on_loss {
                OnLoss::Keep => (ClaimState::Degraded, because(why)),
                // Nobody else can have the name before the deadline, and it may be had again until then.
                OnLoss::Stop if self.evidence.is_live(held, self.now) => (ClaimState::Held, None),
                OnLoss::Stop => (ClaimState::Lost, because(why)),
            },
            Phase::Lost(_, why) => (ClaimState::Lost, because(why)),
            Phase::Pending(_) | Phase::Yielding(_) if claim.is_barred() => {
                (ClaimState::Waiting, because(reason::SILENT))
            }
            Phase::Pending(why) => (ClaimState::Waiting, because(why)),
            Phase::Yielding(_) => (ClaimState::Waiting, because(reason::YIELDED)),
            Phase::Released => (ClaimState::Lost, because("released")),
            Phase::LeftToExpire => (ClaimState::Lost, because("left to run out")),
        }
    }

    /// A slot whose deadline has not passed. It is not shown as held before its time is reserved.
    fn believed(&self, claim: &Claim, held: &Held) -> (ClaimState, Option<String>) {
        if !claim.pool().reserves() || claim.time().is_open() {
            return (ClaimState::Held, None);
        }
        let begins = claim.time().begins().filter(|begins| self.now.wall < *begins);
        let (pool, wall) = (claim.pool().name(), self.now.wall);
        let why = match begins {
            None => reason::reserving(&held.key),
            Some(begins) => reason::emitted_by_earlier(pool, &held.key, begins, wall),
        };
        // An app that ran on with its old claim has its name and its files.
        if claim.pool().on_loss() == OnLoss::Keep && held.incarnation > 1 {
            return (ClaimState::Degraded, Some(why));
        }
        (ClaimState::Waiting, Some(why))
    }

    fn slot(&self, claim: &Claim, held: &Held) -> Slot {
        let before = claim.before().filter(|before| before.key == held.key);
        let before = before.filter(|_| claim.pool().spec().is_none());
        let names = claim.pool().names();
        let index = names.and_then(|names| names.index_of(&held.key));
        let name = index
            .and_then(|index| names.and_then(|names| names.shown(index)))
            .map(std::borrow::Cow::into_owned)
            .or_else(|| before.map(|before| before.name.clone()))
            .unwrap_or_else(|| held.key.clone());
        let deadline = self.evidence.deadline(held).unwrap_or_default();
        let whole = held.believed_from().unwrap_or_default().after(held.validity);
        let bounds = claim.time().bounds().filter(|_| claim.pool().reserves());
        Slot {
            prefix: before
                .map_or_else(|| self.prefix(claim, &name), |before| before.prefix.clone()),
            index: index.or_else(|| before.and_then(|before| before.index)),
            name,
            fence: held.fence,
            since: held.since,
            valid_until: held.valid_until().before(whole.since(deadline)),
            valid_until_boottime: deadline,
            not_before: bounds.map(|(not_before, _)| not_before),
            not_after: bounds.map(|(_, not_after)| not_after),
        }
    }

    fn prefix(&self, claim: &Claim, name: &str) -> String {
        let default = Template::default();
        let of_pool = claim.pool().spec().map(|pool| &pool.spec.prefix);
        let template = self.config.prefix.as_ref().or(of_pool).unwrap_or(&default);
        template.fill(&Values {
            name,
            pool: claim.pool().name().as_str(),
            group: self.config.group.as_ref().map(Group::as_str),
            namespace: &self.config.holder.namespace,
            pod: &self.config.holder.pod,
            node: &self.config.holder.node,
        })
    }
}

/// A slot that no renewal has proved yet.
fn unconfirmed(claim: &Claim, held: &Held) -> (ClaimState, Option<String>) {
    let why = Some(reason::RESTARTED.to_owned());
    // An app that ran on with its old claim has its name and its files.
    let ran_on = claim.before().is_some_and(|before| before.key == held.key);
    match claim.pool().on_loss() {
        OnLoss::Keep if ran_on => (ClaimState::Degraded, why),
        OnLoss::Keep | OnLoss::Stop => (ClaimState::Waiting, why),
    }
}

fn minting_under(claim: &Claim, held: &Held) -> Option<Minting> {
    let names = claim.pool().names().filter(|_| claim.pool().reserves())?;
    let largest = match names {
        Names::Range(range) => range.to,
        Names::List(..) => return None,
    };
    let layout = claim.pool().spec().and_then(|pool| pool.ids);
    claim.time().minting(held.fence, held.key.parse().ok()?, largest, layout)
}
