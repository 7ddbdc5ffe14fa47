//! Carries out our part of the plan: tells the app to stop, hands over, frees, claims, takes over.
//!
//! Invariants: nothing is handed over or freed before a takeover delay after this process's C1 or C3, nor before the
//! app has stopped; nothing changes its owner while a hold is seen; what is not ours is taken only when it is free or
//! its owner's time is over.

use super::action::Action;
use super::calm::Calm;
use super::config::Config;
use super::ended::Ended;
use super::membership::Membership;
use super::offers::Offers;
use super::part::{Group, Part, Planner};
use super::resize::Resize;
use super::status::Stopping;
use super::stops::Stops;
use super::survey::Surveyor;
use super::track::Writing;
use super::wake::Wake;
use crate::coordination::map::Shard;
use crate::coordination::member::Role;
use crate::coordination::owner::{Grant, Granted, Ownable};
use crate::coordination::picture::Known;
use crate::coordination::write::{How, MOST_CHANGES, OwnerChange, Write, WriteKind};
use crate::time::{BootInstant, Now};

/// What the machine remembers between two looks at the plan.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    pub(super) ended: Ended,
    pub(super) calm: Calm,
    pub(super) offers: Offers,
    pub(super) leader_offers: Offers,
    pub(super) resize: Resize,
    pub(super) wake: Wake,
}

/// Carries out the plan. It may tell the app to stop, and change owners and the map.
pub(super) struct OwnersHandler<'m> {
    pub(super) config: &'m Config,
    pub(super) now: Now,
    pub(super) known: &'m Known,
    pub(super) session: &'m Membership,
    /// Everything is to be given away, and then we leave.
    pub(super) leaving: bool,
    /// The latest deadline that the app was told.
    pub(super) told: BootInstant,
    pub(super) stops: &'m mut Stops,
    pub(super) ledger: &'m mut Ledger,
    pub(super) writing: &'m mut Writing,
    pub(super) out: &'m mut Vec<Action>,
}

// === impl OwnersHandler ===

impl<'m> OwnersHandler<'m> {
    /// Does what is due, with one write at most.
    pub(super) fn next(&mut self) {
        self.ledger.wake = Wake::default();
        self.ledger.ended.begin();
        if self.known.picture().hold || self.session.owns_from_reads_since.is_some() {
            self.ledger.offers.clear();
            self.ledger.leader_offers.clear();
            return;
        }
        let leadership = self.leadership();
        let shards = self.shards();
        let (mut gives, mut takes) = (Vec::new(), Vec::new());
        for (part, leads) in [(&leadership, true), (&shards, false)] {
            let Some(part) = part else { continue };
            self.stop(part, leads);
            gives.extend(self.gives(part, leads));
            takes.extend(part.takes.iter().cloned());
        }
        let resize = if shards.is_none() { self.resize() } else { None };
        self.ledger.ended.finish();
        let changes = if gives.is_empty() { takes } else { gives };
        let kind = if changes.is_empty() {
            resize
        } else {
            let changes = changes.into_iter().take(MOST_CHANGES).collect();
            Some(WriteKind::Owners { mine: self.session.mine, changes })
        };
        if let Some(kind) = kind {
            self.send(kind);
        }
    }

    fn send(&mut self, kind: WriteKind) {
        if self.writing.is_free(self.now.boot) {
            let (epoch, uid) = (self.session.id.epoch, self.config.uid.clone());
            let (write, known) = (Write { epoch, uid, kind }, self.known.picture().revision);
            self.writing.send(write, Some(self.session.id), known, self.out);
        }
    }

    fn leadership(&mut self) -> Option<Part<'m>> {
        if !self.config.terms.roles.contains(&Role::Leader) {
            return None;
        }
        let survey = self.surveyor().leadership();
        let stopping = self.stops.contains(Ownable::Leader);
        Some(self.planner(true).leadership(&survey, stopping))
    }

    /// `None` when the map in force is not ours.
    fn shards(&mut self) -> Option<Part<'m>> {
        let picture = self.known.picture();
        let map = picture.map.as_ref().filter(|map| Some(map.value) == self.config.terms.map)?;
        let survey = self.surveyor().shards(map.value);
        let stopping: Vec<Shard> = self.stops.shards().collect();
        let group = Group {
            map,
            first: picture.shards.is_empty(),
            min_participants: self.config.terms.min_participants,
            stopping: &stopping,
        };
        Some(self.planner(false).shards(&survey, &group))
    }

    /// Mends what only a member with another map can.
    fn resize(&mut self) -> Option<WriteKind> {
        let map = self.config.terms.map?;
        let known = self.known;
        let dead = self.surveyor().dead_keys();
        let Ledger { resize, wake, .. } = &mut *self.ledger;
        resize.next(self.now.boot, known.picture(), self.session, map, &dead, wake)
    }

    fn surveyor(&mut self) -> Surveyor<'m, '_> {
        let (now, uid) = (self.now.boot, self.config.uid.as_str());
        Surveyor { now, uid, known: self.known, ended: &mut self.ledger.ended }
    }

    fn planner(&mut self, leads: bool) -> Planner<'_> {
        let Ledger { calm, offers, leader_offers, wake, .. } = &mut *self.ledger;
        let offers = if leads { leader_offers } else { offers };
        let (now, uid) = (self.now.boot, self.config.uid.as_str());
        Planner { now, uid, session: self.session, calm, offers, wake }
    }

    /// Tells the app to stop what others should have.
    fn stop(&mut self, part: &Part<'m>, leads: bool) {
        let from = self.session.hands_over_at();
        for (of, granted) in self.own(leads) {
            // Without anybody else a draining member serves on until it leaves.
            let goes = part.away.contains_key(&of) || (self.leaving && !part.anybody);
            if !goes || self.stops.contains(of) {
                continue;
            }
            // Who leaves has little time. All others serve until they may hand over.
            if self.leaving || self.now.boot >= from {
                self.stops.begin(of, granted.revision, self.told);
            } else {
                self.ledger.wake.at(from);
            }
        }
    }

    /// Gives away what the app has stopped.
    fn gives(&mut self, part: &Part<'m>, leads: bool) -> Vec<OwnerChange> {
        let from = self.session.hands_over_at();
        let stops = self.stops.iter().filter(|stop| (stop.of == Ownable::Leader) == leads);
        let mut changes = Vec::new();
        for stop in stops {
            let is_over = self.stops.is_over(stop, self.now.boot);
            if is_over && self.now.boot >= from {
                changes.push(OwnerChange { of: stop.of, how: self.give(part, stop) });
            } else if is_over {
                self.ledger.wake.at(from);
            } else if let Some(end) = self.stops.ends_at(stop) {
                self.ledger.wake.at(end.max(from));
            }
        }
        changes
    }

    fn give(&self, part: &Part<'m>, stop: &Stopping) -> How {
        let fence = stop.owned.fence;
        let to = match part.away.get(&stop.of) {
            Some((uid, member)) => Grant {
                uid: (*uid).clone(),
                session: member.session,
                validity_ms: member.record.validity_ms,
            },
            None if self.leaving && !part.anybody => return How::Free { fence },
            // Nobody else should have it any more. It was told to stop, so it needs a new fence.
            None => self.session.grant(&self.config.uid),
        };
        How::HandOver { fence, to }
    }

    /// What this session owns.
    fn own(&self, leads: bool) -> Vec<(Ownable, &'m Granted)> {
        let own = self.known.own().iter();
        let own = own.filter(|(of, granted)| {
            (**of == Ownable::Leader) == leads && self.session.owns(granted)
        });
        own.map(|(of, granted)| (*of, granted)).collect()
    }
}
