//! The normal form: one representative for all states that differ in nothing that matters.
//!
//! Revisions are only compared, so they are renumbered in order. Leases on which nothing can
//! depend any more, and late requests that can change nothing any more, are dropped. Numbers have gaps, so
//! that a store whose revisions start anew can write between two old ones, or reach one.

use crate::config::Config;
use crate::key::{GAP, Pod, Revision};
use crate::process::{Phase, Process};
use crate::protocol;
use crate::request::{LateRequest, QuarantineLease, Request};
use crate::system::SystemState;
use crate::txn::{Compare, LeaseId};

impl SystemState {
    pub(super) fn normalise(&mut self, config: &Config) {
        let wanted: Vec<Revision> =
            self.processes().filter_map(|(_, _, process)| process.past()).collect();
        self.store.compact(|revision| wanted.contains(&revision));
        self.drop_ineffective(config);
        self.drop_leases();
        self.late_requests.sort_unstable();
        self.renumber();
    }

    /// A compare with an outdated revision fails for ever, and so does a put on a lease that ended. But a
    /// restored store may bring both back.
    fn drop_ineffective(&mut self, config: &Config) {
        if config.revisions_regress || config.faults.restores > 0 {
            return;
        }
        let store = &self.store;
        self.late_requests.retain(|late| {
            let alive = |lease: Option<LeaseId>| lease.is_none_or(|lease| store.has_lease(lease));
            let puts_on = match &late.request {
                Request::Release { quarantine, .. }
                | Request::ForceRelease {
                    quarantine: QuarantineLease::Granted(quarantine), ..
                } => Some(*quarantine),
                Request::Revoke(lease) => return store.has_lease(*lease),
                Request::Reserve { .. } | Request::ForceRelease { .. } => None,
                Request::Adopt(adoption) => adoption.lease,
                _ => late.caller.lease,
            };
            let Some(txn) = protocol::txn(config, late.caller, &late.request) else {
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
            let queues = matches!(late.request, Request::Claim { .. } | Request::Join { .. });
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
            Request::Release { quarantine, .. } => *quarantine == lease,
            Request::ForceRelease { quarantine, .. } => {
                *quarantine == QuarantineLease::Granted(lease)
            }
            Request::Adopt(adoption) => adoption.lease == Some(lease),
            Request::Revoke(revoked) => *revoked == lease,
            _ => false,
        };
        let by_late_request =
            |late: &LateRequest| late.caller.lease == Some(lease) || by_request(&late.request);
        let by_process = |(_, _, process): (Pod, usize, &Process)| {
            process.lease == Some(lease)
                || process.call.as_ref().is_some_and(|call| by_request(&call.request))
        };
        self.late_requests.iter().any(by_late_request) || self.processes().any(by_process)
    }

    /// Whether a process remembers a revision that the store has not reached again.
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
            if let Ok(index) = used.binary_search(revision) {
                *revision = Revision::try_from(index).map_or(Revision::MAX, |index| index * GAP);
            }
        });
    }

    fn revisions(&mut self, visit: &mut dyn FnMut(&mut Revision)) {
        self.store.revisions(visit);
        self.snapshot.iter_mut().for_each(|store| store.revisions(visit));
        self.late_requests.iter_mut().for_each(|late| late.request.revisions(visit));
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
