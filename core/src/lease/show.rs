//! What the outside sees of the machine at one instant.

use std::time::Duration;

use super::machine::{Claim, Held, Machine, Phase};
use super::reserving::Minting;
use crate::claim::{ClaimState, Holder};
use crate::group::Group;
use crate::identity::{Identity, Slot};
use crate::pool::{ClockRule, OnLoss, Scope};
use crate::prefix::{Template, Values};
use crate::time::Now;

/// One claim as it is to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
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
}

/// Why a claim that was held is not held any more, although nobody took it.
pub(super) const YIELDED: &str =
    "given back, because the name of another pool was lost; claiming anew";

impl Machine {
    /// Every claim at this instant, in the user's order of pools.
    pub fn shown(&self, now: Now) -> Vec<Shown> {
        self.config
            .pools
            .iter()
            .filter_map(|pool| self.claims.iter().find(|claim| claim.name == *pool))
            .map(|claim| self.show(claim, now))
            .collect()
    }

    fn show(&self, claim: &Claim, now: Now) -> Shown {
        let on_loss = claim.on_loss();
        let (state, reason) = self.state(claim, now);
        let known = claim
            .held()
            .filter(|held| held.believed_from.is_some() || state == ClaimState::Degraded);
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
        let identity = Identity {
            pool: claim.name.clone(),
            group: group.unwrap_or_else(|| "-".to_owned()),
            slot: usable.map(|held| self.slot(claim, held, now)),
            state,
            reason,
            rank: claim.ticket.as_ref().and_then(|waiting| waiting.rank),
            holder: Holder { incarnation, ..self.config.holder.clone() },
        };
        let spec = claim.pool.as_ref().map(|pool| &pool.spec);
        Shown {
            identity,
            on_loss: spec.map(|spec| spec.on_loss),
            quarantine: spec.map(|spec| spec.quarantine).unwrap_or_default(),
            clock: spec.map(|spec| spec.clock),
            minting,
        }
    }

    fn state(&self, claim: &Claim, now: Now) -> (ClaimState, Option<String>) {
        let say = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        match (&claim.phase, self.deadline(claim)) {
            (Phase::Placed(held), Some(deadline)) if now.boot < deadline => {
                match self.clock_wait(claim, held, now) {
                    None => (ClaimState::Held, None),
                    // An app that ran on with its old claim has its name and its files.
                    reason if claim.on_loss() == OnLoss::Keep && held.incarnation > 1 => {
                        (ClaimState::Degraded, reason)
                    }
                    reason => (ClaimState::Waiting, reason),
                }
            }
            (Phase::Placed(_), Some(_)) => {
                let reason = match (&self.doubt.sentence, claim.on_hold) {
                    (Some(doubt), _) => say(doubt),
                    (None, true) => say(&claim.hold_sentence()),
                    (None, false) => say("etcd has not confirmed the claim since its deadline"),
                };
                match claim.on_loss() {
                    OnLoss::Keep => (ClaimState::Degraded, reason),
                    OnLoss::Stop => (ClaimState::Lost, reason),
                }
            }
            (Phase::Placed(_), None) if claim.on_hold => {
                (ClaimState::Waiting, say(&claim.hold_sentence()))
            }
            (Phase::Placed(_) | Phase::Adopting(_), None | Some(_)) => {
                (ClaimState::Waiting, say("found again after a restart; asking etcd to confirm it"))
            }
            (Phase::Regaining(_), _) => {
                (ClaimState::Degraded, say("the lease ran out; claiming the same name again"))
            }
            (Phase::Lost(_, why), _) => (ClaimState::Lost, say(why)),
            (Phase::Pending(why), _) => (ClaimState::Waiting, say(why)),
            (Phase::Yielding(_), _) => (ClaimState::Waiting, say(YIELDED)),
            (Phase::Released, _) => (ClaimState::Lost, say("released")),
            (Phase::LeftToExpire, _) => (ClaimState::Lost, say("left to run out")),
        }
    }

    fn slot(&self, claim: &Claim, held: &Held, now: Now) -> Slot {
        let index = claim.names().and_then(|names| names.index_of(&held.key));
        let shown = index
            .and_then(|index| claim.names().and_then(|names| names.shown(index)))
            .map_or_else(|| held.key.clone(), std::borrow::Cow::into_owned);
        let default = Template::default();
        let template = self
            .config
            .prefix
            .as_ref()
            .or_else(|| claim.pool.as_ref().map(|pool| &pool.spec.prefix))
            .unwrap_or(&default);
        let deadline = self.deadline_of(held).unwrap_or_default();
        let window = claim.window();
        Slot {
            prefix: template.fill(&Values {
                name: &shown,
                pool: claim.name.as_str(),
                group: self.config.group.as_ref().map(Group::as_str),
                namespace: &self.config.holder.namespace,
                pod: &self.config.holder.pod,
                node: &self.config.holder.node,
            }),
            name: shown,
            index,
            fence: held.fence,
            since: held.since,
            valid_until: now.wall_at(deadline),
            valid_until_boottime: deadline,
            not_before: window.map(|(not_before, _)| not_before),
            not_after: window.map(|(_, not_after)| not_after),
        }
    }
}
