//! The normal form: one representative for all states that differ in nothing that matters.
//!
//! Revisions are only compared, so they are renumbered in order. What a process knows of sessions that nothing names
//! any more, and writes that can change nothing any more, are dropped. Numbers have gaps, so that a store that counts
//! anew can write between two revisions that somebody remembers, or reach one.

use super::SystemState;
use crate::config::Config;
use crate::place::Pod;
use crate::process::Process;
use crate::store::{Revision, Session};
use crate::write::WriteKind;

/// The distance of two neighbours.
const GAP: Revision = 2;

impl SystemState {
    pub(crate) fn normalise(&mut self, config: &Config) {
        self.forget();
        self.drop_ineffective(config);
        self.writes.sort_unstable();
        self.renumber();
    }

    /// The smallest revision that somebody remembers and the store has not reached.
    pub(crate) fn next_known(&self) -> Option<Revision> {
        let reached = self.store.revision;
        let mut next: Option<Revision> = None;
        let mut copy = self.clone();
        copy.snapshot = None;
        copy.revisions(&mut |revision| {
            if *revision > reached && next.is_none_or(|next| *revision < next) {
                next = Some(*revision);
            }
        });
        next
    }

    fn forget(&mut self) {
        let may_return = self.snapshot.is_some();
        let mut knows = false;
        for process in self.pods.values_mut().into_iter().flat_map(|pod| pod.processes.iter_mut()) {
            if process.session.is_none() {
                process.mine = 0;
                process.renewal = None;
            }
            knows |= process.ended.values().into_iter().any(Option::is_some);
        }
        if may_return || !knows {
            return;
        }
        let named = self.named_sessions();
        for process in self.pods.values_mut().into_iter().flat_map(|pod| pod.processes.iter_mut()) {
            process.forget(&named);
        }
    }

    /// The sessions that a grant names, or may come to name.
    fn named_sessions(&self) -> Vec<(Pod, Session)> {
        let owners = self.store.owners.values().into_iter().flatten();
        let granted = owners.map(|granted| (granted.pod, granted.session));
        let gifts = self.writes.iter().filter_map(|in_flight| match in_flight.write.kind {
            WriteKind::HandOver { .. } => in_flight.write.grantee(),
            _ => None,
        });
        granted.chain(gifts).collect()
    }

    /// A compare with an outdated revision fails for ever. But a store that goes back may bring it back.
    fn drop_ineffective(&mut self, config: &Config) {
        let goes_back = self.snapshot.is_some() || self.faults.restores > 0;
        if self.writes.is_empty() || goes_back || self.epochs > 1 && self.next_known().is_some() {
            return;
        }
        let (store, pods) = (&self.store, &self.pods);
        self.writes.retain_mut(|in_flight| {
            let lasting = store.compare(config, &in_flight.write).lasting;
            if !lasting {
                in_flight.copies = 1;
            }
            lasting
                || pods[in_flight.write.pod]
                    .processes
                    .iter()
                    .any(|process| process.waiting == Some(in_flight.write))
        });
    }

    /// Gives revisions their ranks. There are far fewer than half as many as a set of bits has.
    fn renumber(&mut self) {
        let mut used = 1_u128;
        self.revisions(&mut |revision| used |= 1 << *revision);
        self.revisions(&mut |revision| {
            let below = used & ((1 << *revision) - 1);
            *revision = Revision::try_from(below.count_ones()).unwrap_or(Revision::MAX) * GAP;
        });
    }

    fn revisions(&mut self, visit: &mut impl FnMut(&mut Revision)) {
        self.store.revisions(visit);
        if let Some(store) = &mut self.snapshot {
            store.revisions(visit);
        }
        for process in self.pods.values_mut().into_iter().flat_map(|pod| pod.processes.iter_mut()) {
            process.revisions(visit);
        }
        for in_flight in &mut self.writes {
            in_flight.write.revisions(visit);
        }
        if let Some(confirmation) = &mut self.confirmation {
            visit(&mut confirmation.fence);
        }
        for (_, revision) in self.fences.values_mut() {
            visit(revision);
        }
    }
}

// === impl Process ===

impl Process {
    /// Drops the ends of sessions that nothing names any more.
    fn forget(&mut self, named: &[(Pod, Session)]) {
        for ended in self.ended.values_mut() {
            if ended.is_some_and(|ended| !named.contains(&(ended.pod, ended.session))) {
                *ended = None;
            }
        }
    }
}
