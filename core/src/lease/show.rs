//! What the outside sees of the machine at one instant.

use std::time::Duration;

use super::claim::{Claim, Held, Phase, RESTARTED};
use super::machine::Machine;
use super::reserving::Minting;
use super::{Deadline, Inherited};
use crate::claim::{ClaimState, Holder};
use crate::group::Group;
use crate::identity::{Identity, Slot};
use crate::pool::{ClockRule, OnLoss, Scope};
use crate::prefix::{Template, Values};
use crate::time::Now;

/// One claim as it is to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimStatus {
    /// What to tell.
    pub identity: Identity,
    /// The pool's rule; `None` until its spec was read.
    pub on_loss: Option<OnLoss>,
    /// The pool's Q; zero until its spec was read.
    pub quarantine: Duration,
    /// Whether time is reserved under the pool's names; `None` until its spec was read.
    pub clock: Option<ClockRule>,
    /// While it is held: what may be minted.
    pub minting: Option<Minting>,
    /// While there is a name to show: what the next process of this holder has to know of it.
    pub mark: Option<Inherited>,
}

/// Why a claim that was held is not held any more, although nobody took it.
pub(super) const YIELDED: &str =
    "given back, because the name of another pool was lost; claiming anew";

impl Machine {
    /// Every claim at this instant, in the user's order of pools.
    pub fn statuses(&self, now: Now) -> Vec<ClaimStatus> {
        self.config
            .pools
            .iter()
            .filter_map(|pool| self.claims.iter().find(|claim| claim.name == *pool))
            .map(|claim| self.show(claim, now))
            .collect()
    }

    fn show(&self, claim: &Claim, now: Now) -> ClaimStatus {
        let on_loss = claim.on_loss();
        let (state, reason) = self.state(claim, now);
        let runs_on = matches!(claim.phase, Phase::Regaining(..) | Phase::Lost(..));
        let known = claim.held().filter(|held| {
            held.believed_from.is_some() || runs_on || state == ClaimState::Degraded
        });
        // A claim that must not be used is not shown to an app either.
        let usable = match on_loss {
            OnLoss::Keep => known,
            OnLoss::Stop => known.filter(|_| state == ClaimState::Held),
        };
        let incarnation = claim.held().map_or(0, |held| held.incarnation);
        let group = match claim.scope {
            Scope::Namespace => self.config.group.as_ref().map(ToString::to_string),
            Scope::Cluster => None,
        };
        let minting = usable.filter(|_| state == ClaimState::Held);
        let minting = minting.and_then(|held| claim.minting(held));
        let slot = usable.map(|held| self.slot(claim, held));
        let mark = usable.zip(slot.as_ref()).map(|(held, slot)| claim.mark(held, slot));
        let identity = Identity {
            pool: claim.name.clone(),
            group: group.unwrap_or_else(|| "-".to_owned()),
            slot,
            state,
            reason,
            rank: claim.ticket.as_ref().and_then(|waiting| waiting.rank),
            holder: Holder { incarnation, ..self.config.holder.clone() },
        };
        let spec = claim.pool.as_ref().map(|pool| &pool.spec);
        ClaimStatus {
            identity,
            on_loss: spec
                .map(|spec| spec.on_loss)
                .or_else(|| claim.before.as_ref().map(|before| before.on_loss)),
            quarantine: spec.map(|spec| spec.quarantine).unwrap_or_default(),
            clock: spec.map(|spec| spec.clock),
            minting,
            mark,
        }
    }

    fn state(&self, claim: &Claim, now: Now) -> (ClaimState, Option<String>) {
        let say = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        match (&claim.phase, self.deadline(claim)) {
            (Phase::Placed(held), Some(deadline)) if now.boot < deadline => {
                match Self::clock_wait(claim, held, now) {
                    None => (ClaimState::Held, None),
                    // An app that ran on with its old claim has its name and its files.
                    reason if claim.on_loss() == OnLoss::Keep && held.incarnation > 1 => {
                        (ClaimState::Degraded, reason)
                    }
                    reason => (ClaimState::Waiting, reason),
                }
            }
            (Phase::Placed(_), Some(_)) => {
                let reason = match (&self.doubt.sentence, claim.frozen) {
                    (Some(doubt), _) => say(doubt),
                    (None, true) => say(&claim.hold_sentence()),
                    (None, false) => say("etcd has not confirmed the claim since its deadline"),
                };
                match claim.on_loss() {
                    OnLoss::Keep => (ClaimState::Degraded, reason),
                    OnLoss::Stop => (ClaimState::Lost, reason),
                }
            }
            (Phase::Placed(_), None) if claim.frozen => {
                (ClaimState::Waiting, say(&claim.hold_sentence()))
            }
            (Phase::Placed(held) | Phase::Adopting(held), None | Some(_)) => {
                // An app that ran on with its old claim has its name and its files.
                let ran_on = claim.before.as_ref().is_some_and(|before| before.key == held.key);
                match claim.on_loss() {
                    OnLoss::Keep if ran_on => (ClaimState::Degraded, say(RESTARTED)),
                    _ => (ClaimState::Waiting, say(RESTARTED)),
                }
            }
            (Phase::Regaining(_, why), deadline) => match claim.on_loss() {
                OnLoss::Keep => (ClaimState::Degraded, say(why)),
                // Nobody else can have the name before the deadline, and it may be had again until then.
                OnLoss::Stop if deadline.is_some_and(|deadline| now.boot < deadline) => {
                    (ClaimState::Held, None)
                }
                OnLoss::Stop => (ClaimState::Lost, say(why)),
            },
            (Phase::Lost(_, why), _) => (ClaimState::Lost, say(why)),
            (Phase::Pending(why), _) => (ClaimState::Waiting, say(why)),
            (Phase::Yielding(_), _) => (ClaimState::Waiting, say(YIELDED)),
            (Phase::Released, _) => (ClaimState::Lost, say("released")),
            (Phase::LeftToExpire, _) => (ClaimState::Lost, say("left to run out")),
        }
    }

    pub(super) fn slot(&self, claim: &Claim, held: &Held) -> Slot {
        let before = claim.before.as_ref().filter(|before| before.key == held.key);
        let before = before.filter(|_| claim.pool.is_none());
        let index = claim.names().and_then(|names| names.index_of(&held.key));
        let shown = index
            .and_then(|index| claim.names().and_then(|names| names.shown(index)))
            .map(std::borrow::Cow::into_owned)
            .or_else(|| before.map(|before| before.name.clone()))
            .unwrap_or_else(|| held.key.clone());
        let default = Template::default();
        let template = self
            .config
            .prefix
            .as_ref()
            .or_else(|| claim.pool.as_ref().map(|pool| &pool.spec.prefix))
            .unwrap_or(&default);
        let prefix = || {
            template.fill(&Values {
                name: &shown,
                pool: claim.name.as_str(),
                group: self.config.group.as_ref().map(Group::as_str),
                namespace: &self.config.holder.namespace,
                pod: &self.config.holder.pod,
                node: &self.config.holder.node,
            })
        };
        let deadline = self.deadline_of(held).unwrap_or_default();
        let whole = held.believed_from.unwrap_or_default().after(held.validity);
        let window = claim.window();
        Slot {
            prefix: before.map_or_else(prefix, |before| before.prefix.clone()),
            index: index.or_else(|| before.and_then(|before| before.index)),
            name: shown,
            fence: held.fence,
            since: held.since,
            valid_until: held.valid_until.before(whole.since(deadline)),
            valid_until_boottime: deadline,
            not_before: window.map(|(not_before, _)| not_before),
            not_after: window.map(|(_, not_after)| not_after),
        }
    }
}

// === impl Claim ===

impl Claim {
    /// What the next process of this holder has to know.
    pub(super) fn mark(&self, held: &Held, slot: &Slot) -> Inherited {
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Inherited {
            pool: self.name.clone(),
            on_loss: self.on_loss(),
            scope: self.scope,
            key: held.key.clone(),
            name: slot.name.clone(),
            index: slot.index,
            prefix: slot.prefix.clone(),
            fence: held.fence,
            since: held.since,
            incarnation: held.incarnation,
            validity_ms: millis(held.validity),
            quarantine_ms: millis(held.quarantine),
            deadline: held
                .believed_from
                .map(|_| Deadline { boot: slot.valid_until_boottime, wall: slot.valid_until }),
            not_before: slot.not_before,
            not_after: slot.not_after,
        }
    }
}
