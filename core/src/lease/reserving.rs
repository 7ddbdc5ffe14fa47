//! The reserving track: time ahead is reserved under a node ID (T4) before a timestamp of it is emitted.
//!
//! A holder may emit the timestamps of its [`Window`]: from the end of what earlier holders reserved,
//! to the end of what it has reserved itself. Its claim is shown as held once the window begins. The
//! track stands beside claiming and renewing, with one request in flight at most; a lost compare
//! means "look again", and whether we are fenced is for the renew pair to say.

use super::claim::{Claim, Held, Phase, claim_path};
use super::machine::Machine;
use super::track::Track;
use super::{Action, Config, PoolView, ReserveAnswer, ReserveRequest};
use crate::claim::Fence;
use crate::clock::{self, ClockRecord, Implausible, MintCheckpoint, Steady};
use crate::names::Names;
use crate::pool::{ClockRule, Pool, PoolName};
use crate::time::{BootInstant, Now, UnixMillis};

/// What may be minted under a claim that is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Minting {
    /// The claim.
    pub fence: Fence,
    /// The node ID: the slot's own number, whatever it is shown as and wherever it stands in the list.
    pub node: u32,
    /// The largest number of the pool.
    pub largest: u32,
    /// The first timestamp that this holder may emit.
    pub not_before: UnixMillis,
    /// The first one that an earlier process of this holder did not emit.
    pub from: UnixMillis,
    /// The last one that may be emitted.
    pub not_after: UnixMillis,
    /// What time it is.
    pub steady: Steady,
}

// === impl Machine ===

impl Machine {
    /// How much was minted under which claim; for the release, once nothing more is.
    pub fn note_minted(&mut self, pool: &PoolName, fence: Fence, until: UnixMillis) {
        let claim = self.claims.iter_mut().find(|claim| claim.name == *pool);
        if let Some(claim) = claim.filter(|claim| claim.held().is_some_and(|h| h.fence == fence)) {
            claim.clock.minted = claim.clock.minted.max(Some(until));
        }
    }

    pub(super) fn next_reservation(&mut self, now: Now, actions: &mut Vec<Action>) {
        if !self.reserving.is_due(now.boot) {
            return;
        }
        let ttl = self.lease.map(|lease| lease.ttl).unwrap_or_default();
        let Self { claims, config, .. } = self;
        for claim in claims {
            let Phase::Placed(held) = &claim.phase else {
                continue;
            };
            if !claim.reserves() {
                continue;
            }
            let fence = held.fence;
            let mark = claim.clock.resumes.and_then(|fence| mark(config, &claim.name, fence));
            claim.clock.begin(now, &held.key, mark);
            if !claim.clock.is_due(now) {
                continue;
            }
            let extension = Box::new(ReserveRequest {
                path: claim_path(claim, config),
                key: held.key.clone(),
                holder: config.holder.clone(),
                own_mod_revision: held.own_mod_revision,
                seen: claim.clock.known.map_or(0, |known| known.revision),
                record: claim.clock.ask(now, fence, ttl),
            });
            self.reserving = Track::Busy;
            actions.push(Action::Reserve(extension));
            return;
        }
    }

    pub(super) fn on_extended(&mut self, now: Now, extended: ReserveAnswer) {
        self.reserving = Track::Idle;
        let retry = now.boot.after(self.claim_retry());
        let Some(claim) = self.claims.iter_mut().find(|claim| claim.clock.asked.is_some()) else {
            return; // For a claim that is not there any more.
        };
        let Some(asked) = claim.clock.asked.take() else {
            return;
        };
        match extended {
            ReserveAnswer::Reserved(revision) => {
                if let Phase::Placed(held) = &claim.phase {
                    claim.clock.extend(&held.key, asked, revision);
                }
            }
            ReserveAnswer::Refused(found) if found == claim.clock.known => {
                // Not the reservation has changed, so the slot has: the renew pair knows how.
                claim.clock.next = retry;
                if self.renewing != Track::Busy {
                    self.renewing = Track::Idle;
                }
            }
            ReserveAnswer::Refused(found) => claim.clock.look_again(asked.record.fence, found),
        }
    }

    pub(super) fn on_extending_failed(&mut self, now: Now) {
        // The claim waits, not the track: other pools' reservations may be well.
        self.reserving = Track::Idle;
        let retry = now.boot.after(self.claim_retry());
        for claim in &mut self.claims {
            if claim.clock.asked.take().is_some() {
                claim.clock.next = retry;
            }
        }
    }

    /// When the reserving track has something to do.
    pub(super) fn reserve_at(&self, now: Now) -> Option<BootInstant> {
        let placed = |claim: &&Claim| matches!(claim.phase, Phase::Placed(_)) && claim.reserves();
        let due = self.claims.iter().filter(placed).filter_map(|claim| claim.clock.due_at(now));
        match self.reserving {
            Track::Busy => None,
            Track::Idle => due.min(),
            Track::Until(instant) => due.min().map(|due| due.max(instant)),
        }
    }

    /// Why a claim whose slot is ours may not be shown as held yet.
    pub(super) fn clock_wait(claim: &Claim, held: &Held, now: Now) -> Option<String> {
        if !claim.reserves() || claim.clock.window.is_some() {
            return None;
        }
        let begins = claim.clock.start.filter(|start| !start.resumed).map(|start| start.not_before);
        Some(match begins.filter(|begins| now.wall < *begins) {
            None => format!("reserving time for '{}' in etcd", held.key),
            Some(begins) => format!(
                "an earlier holder of '{}' may have emitted timestamps until {begins}, and this node's clock reads {}; \
                 if that holder's clock was wrong, take the name away with `cairn release` and run \
                 `cairn admin reset-clock {} {}`",
                held.key, now.wall, claim.name, held.key,
            ),
        })
    }

    /// What the slot's reservation is set to when it is given back: nothing after it was emitted.
    /// `None` leaves it as it is.
    pub(super) fn last_reservation(
        &self,
        now: Now,
        claim: &Claim,
        held: &Held,
    ) -> Option<ClockRecord> {
        let window = claim.clock.window.filter(|_| claim.reserves())?;
        let fence = claim.clock.resumes.unwrap_or(held.fence);
        let mark = mark(&self.config, &claim.name, fence);
        let minted = claim.clock.minted.max(mark.and_then(|mark| mark.minted_until))?;
        // An app that has minted beside us kept to the time, which is all that we know of it.
        let last = minted.max(window.steady.at(now.boot)).min(window.not_after);
        Some(ClockRecord { reserved_until: last, fence: held.fence })
    }
}

// === impl Claim ===

impl Claim {
    /// Whether time is reserved under its names.
    pub(super) fn reserves(&self) -> bool {
        let rule = |pool: &Pool| pool.spec.clock == ClockRule::Reserve;
        self.pool.as_ref().map_or_else(|| Pool::builtin(&self.name).is_some_and(|p| rule(&p)), rule)
    }

    /// Why no node ID may be had with this clock.
    pub(super) fn implausible(&self, view: &PoolView, now: UnixMillis) -> Option<String> {
        if !self.reserves() {
            return None;
        }
        let of_holders = view.clocks.iter().filter(|(key, _)| view.held.contains(*key));
        let latest = of_holders.map(|(_, until)| *until).max();
        match clock::check(now, latest) {
            Ok(()) => None,
            Err(Implausible::Behind) => Some(format!(
                "this node's clock reads {now}, with which no time may be reserved in pool '{}'; set the clock",
                self.name
            )),
            Err(Implausible::Ahead) => Some(format!(
                "this node's clock reads {now}, a day or more after the time of every holder of pool '{}'; set the clock",
                self.name
            )),
        }
    }

    /// The first and the last timestamp that may be emitted.
    pub(super) fn window(&self) -> Option<(UnixMillis, UnixMillis)> {
        let window = self.clock.window.filter(|_| self.reserves())?;
        Some((self.clock.start?.not_before, window.not_after))
    }

    /// What may be minted while the claim is held.
    pub(super) fn minting(&self, held: &Held) -> Option<Minting> {
        let (not_before, not_after) = self.window()?;
        let Some(Names::Range(range)) = self.names() else {
            return None;
        };
        Some(Minting {
            fence: held.fence,
            node: held.key.parse().ok()?,
            largest: range.to,
            not_before,
            from: self.clock.start?.from,
            not_after,
            steady: self.clock.window?.steady,
        })
    }
}

/// What an earlier process of ours has left behind about a claim.
fn mark(config: &Config, pool: &PoolName, fence: Fence) -> Option<MintCheckpoint> {
    let about = |(of, mark): &&(PoolName, MintCheckpoint)| of == pool && mark.fence == fence;
    config.mint_checkpoints.iter().find(about).map(|(_, mark)| *mark)
}
