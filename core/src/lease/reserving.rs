//! The reserving track: time ahead is reserved under a node ID (T4) before a timestamp of it is emitted.
//!
//! A holder may emit the timestamps from the end of what earlier holders reserved to the end of what it has
//! reserved itself. Its claim is shown as held once that window begins. A lost compare means "read again"; whether
//! this process is fenced is for the renewal to say.

use std::time::Duration;

use super::action::{Action, ReserveRequest};
use super::claim::Claim;
use super::config::Config;
use super::event::ReserveAnswer;
use super::phase::Held;
use super::track::Track;
use crate::time::{BootInstant, Now};

/// Reserves for one claim at a time. It may change the claims' reserved time, and nothing else of them.
pub(super) struct ReserveHandler<'m> {
    pub(super) config: &'m Config,
    pub(super) now: Now,
    pub(super) claims: &'m mut [Claim],
    pub(super) lease_ttl: Duration,
    /// When a request that had no good answer may be repeated.
    pub(super) retry: BootInstant,
    pub(super) track: &'m mut Track,
    pub(super) renewing: &'m mut Track,
    pub(super) out: &'m mut Vec<Action>,
}

// === impl ReserveHandler ===

impl ReserveHandler<'_> {
    /// Sends the next request.
    pub(super) fn next(&mut self) {
        for claim in self.claims.iter_mut() {
            let Some(held) = reserving_slot(claim).cloned() else { continue };
            let before = claim.time().continues();
            let name = claim.pool().name();
            let checkpoint = before.and_then(|fence| self.config.mint_checkpoint(name, fence));
            claim.time_mut().begin(self.now, &held.key, checkpoint);
            if !claim.time().is_due(self.now) {
                continue;
            }
            let request = ReserveRequest {
                path: claim.pool().path(self.config),
                holder: self.config.holder.clone(),
                own_mod_revision: held.own_mod_revision,
                seen: claim.time().known_revision(),
                record: claim.time_mut().request(self.now, held.fence, self.lease_ttl),
                key: held.key,
            };
            self.track.start();
            self.out.push(Action::Reserve(Box::new(request)));
            return;
        }
    }

    pub(super) fn on_answer(&mut self, answer: ReserveAnswer) {
        self.track.finish();
        let Some(claim) = self.claims.iter_mut().find(|claim| claim.time().is_asked()) else {
            return; // For a claim that does not exist any more.
        };
        match answer {
            ReserveAnswer::Reserved(revision) => {
                let key = claim.phase().own_slot().map(|held| held.key.clone());
                claim.time_mut().reserved(key.as_deref(), revision);
            }
            ReserveAnswer::Refused(found) => {
                // If the reservation has not changed, the slot has: the renewal shows how.
                if claim.time_mut().refused(found, self.retry) {
                    self.renewing.hurry();
                }
            }
        }
    }

    /// The claim waits, not the track: other pools' reservations may succeed.
    pub(super) fn on_failed(&mut self) {
        self.track.finish();
        for claim in self.claims.iter_mut() {
            claim.time_mut().failed(self.retry);
        }
    }
}

/// When the reserving track has something to do.
pub(super) fn due_at(track: Track, claims: &[Claim], now: Now) -> Option<BootInstant> {
    let due = claims.iter().filter(|claim| reserving_slot(claim).is_some());
    let due = due.filter_map(|claim| claim.time().due_at(now)).min();
    due.filter(|_| !track.is_busy())
}

/// The slot of a claim under which time is reserved.
fn reserving_slot(claim: &Claim) -> Option<&Held> {
    claim.phase().own_slot().filter(|_| claim.pool().reserves())
}
