//! One representative for all states that differ in nothing that matters.
//!
//! Revisions are only ever compared, so they are numbered anew in order; leases on which nothing can
//! hang any more, and strays that can change nothing any more, are dropped. Numbers have gaps, so
//! that a store whose revisions started anew can write between two old ones, or meet one.

use crate::config::Config;
use crate::key::{GAP, Pod, Revision};
use crate::process::{Phase, Process};
use crate::protocol;
use crate::request::{Request, Rest, Stray};
use crate::txn::{Compare, LeaseId};
use crate::world::World;

impl World {
    pub(super) fn normalise(&mut self, config: &Config) {
        let wanted: Vec<Revision> =
            self.processes().filter_map(|(_, _, process)| process.past()).collect();
        self.store.compact(|revision| wanted.contains(&revision));
        self.drop_futile(config);
        self.drop_leases();
        self.strays.sort_unstable();
        self.renumber();
    }

    /// A compare with a revision that is over fails for ever, and so does a put on a dead lease. But a
    /// restored store may bring both back.
    fn drop_futile(&mut self, config: &Config) {
        if config.revisions_regress || config.faults.restores > 0 {
            return;
        }
        let store = &self.store;
        self.strays.retain(|stray| {
            let alive = |lease: Option<LeaseId>| lease.is_none_or(|lease| store.has_lease(lease));
            let puts_on = match &stray.request {
                Request::Release { rest, .. } | Request::Force { rest: Rest::On(rest), .. } => {
                    Some(*rest)
                }
                Request::Revoke(lease) => return store.has_lease(*lease),
                Request::Reserve { .. } | Request::Force { .. } => None,
                Request::Adopt(adoption) => adoption.lease,
                _ => stray.caller.lease,
            };
            let Some(txn) = protocol::txn(config, stray.caller, &stray.request) else {
                return false;
            };
            let over = txn.compares.iter().any(|compare| match compare {
                Compare::Create(key, revision) => {
                    *revision > 0 && store.get(*key).map(|entry| entry.create) != Some(*revision)
                }
                Compare::Mod(key, revision) => {
                    *revision > 0 && store.get(*key).map(|entry| entry.modified) != Some(*revision)
                }
            });
            let queues = matches!(stray.request, Request::Claim { .. } | Request::Queue { .. });
            alive(puts_on) && (queues || !over)
        });
    }

    fn drop_leases(&mut self) {
        let bound: Vec<LeaseId> = self.store.keys().filter_map(|(_, entry)| entry.lease).collect();
        let unused: Vec<LeaseId> = self
            .store
            .leases()
            .filter(|lease| !bound.contains(lease) && !self.refers_to(*lease))
            .collect();
        for lease in unused {
            self.store.revoke(lease);
        }
    }

    fn refers_to(&self, lease: LeaseId) -> bool {
        let by_request = |request: &Request| match request {
            Request::Release { rest, .. } => *rest == lease,
            Request::Force { rest, .. } => *rest == Rest::On(lease),
            Request::Adopt(adoption) => adoption.lease == Some(lease),
            Request::Revoke(revoked) => *revoked == lease,
            _ => false,
        };
        let by_stray =
            |stray: &Stray| stray.caller.lease == Some(lease) || by_request(&stray.request);
        let by_process = |(_, _, process): (Pod, usize, &Process)| {
            process.lease == Some(lease)
                || process.call.as_ref().is_some_and(|call| by_request(&call.request))
        };
        self.strays.iter().any(by_stray) || self.processes().any(by_process)
    }

    /// Whether somebody remembers a revision that the store has yet to reach again.
    pub(super) fn remembers_future(&self) -> bool {
        let mut newest = 0;
        self.clone().revisions(&mut |revision| newest = newest.max(*revision));
        newest > self.store.revision()
    }

    fn renumber(&mut self) {
        let mut used = Vec::new();
        self.revisions(&mut |revision| used.push(*revision));
        used.push(0);
        used.sort_unstable();
        used.dedup();
        self.revisions(&mut |revision| {
            if let Ok(place) = used.binary_search(revision) {
                *revision = Revision::try_from(place).map_or(Revision::MAX, |place| place * GAP);
            }
        });
    }

    fn revisions(&mut self, visit: &mut dyn FnMut(&mut Revision)) {
        self.store.revisions(visit);
        self.snapshot.iter_mut().for_each(|store| store.revisions(visit));
        self.strays.iter_mut().for_each(|stray| stray.request.revisions(visit));
        for process in self.pods.iter_mut().flat_map(|state| &mut state.processes) {
            process.revisions(visit);
        }
    }
}

impl Process {
    /// The revision whose past it will still read.
    fn past(&self) -> Option<Revision> {
        match &self.call.as_ref()?.request {
            Request::ReadAt { ticket, .. } => Some(*ticket),
            _ => None,
        }
    }

    pub(crate) fn waits_in_mut(
        &mut self,
        pool: crate::key::Pool,
    ) -> Option<&mut crate::process::Wait> {
        self.claims.iter_mut().find_map(|claim| match &mut claim.phase {
            Phase::Waiting(wait) if claim.pool == pool => Some(wait),
            _ => None,
        })
    }
}
