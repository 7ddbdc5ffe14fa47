//! Writes and reads on their way: sent, carried out, answered, lost, doubled.

use super::SystemState;
use crate::config::Config;
use crate::place::{ProcessId, Shard};
use crate::process::{Process, Renewal, Renewed, Use};
use crate::rule::Rule;
use crate::store::{Revision, Session, Store};
use crate::write::{InFlight, Write, WriteKind};

/// The answer to a write that was done: its revision.
type Committed = Option<Revision>;

impl SystemState {
    /// Sends what the process decides.
    pub(crate) fn send(
        &mut self,
        id: ProcessId,
        decide: impl FnOnce(&Process, &Store) -> Option<WriteKind>,
    ) {
        let store = self.store;
        let Some(process) = self.process_mut(id) else { return };
        let Some(kind) = decide(process, &store) else { return };
        let write = Write {
            pod: process.pod,
            nonce: process.nonce,
            epoch: process.session.map_or(store.epoch, |session| session.epoch),
            mine: process.mine,
            session: process.session,
            kind,
        };
        process.waiting = Some(write);
        self.add(write);
    }

    /// Sends a C5 or C7.
    pub(super) fn give(
        &mut self,
        id: ProcessId,
        shard: Shard,
        decide: impl FnOnce(&Process, &Store) -> Option<WriteKind>,
    ) {
        self.send(id, decide);
        self.with(id, |process| {
            if let Use::Stopping(stopping) = &mut process.uses[shard] {
                stopping.sent = process.waiting.is_some();
            }
        });
    }

    pub(super) fn enter(&mut self, config: &Config, id: ProcessId) {
        let store = self.store;
        if !config.keeps(Rule::ReadsFollowResume) {
            self.with(id, |process| process.begin_read(&store));
        }
        self.send(id, |process, store| Some(process.enter(store)));
    }

    pub(super) fn drain(&mut self, id: ProcessId) {
        self.faults.drains = self.faults.drains.saturating_sub(1);
        self.with(id, |process| process.draining = true);
        self.send(id, |_, _| Some(WriteKind::Drain));
    }

    pub(super) fn leave(&mut self, id: ProcessId) {
        self.faults.leaves = self.faults.leaves.saturating_sub(1);
        self.send(id, |_, _| Some(WriteKind::Leave));
    }

    pub(super) fn put_value(&mut self, id: ProcessId) {
        self.faults.values = self.faults.values.saturating_sub(1);
        self.values += 1;
        let number = self.values;
        self.send(id, |process, store| process.put_value(store, Shard::Zero, number));
    }

    pub(super) fn repeat(&mut self, id: ProcessId) {
        if let Some(write) = self.process(id).and_then(|process| process.waiting) {
            self.add(write);
        }
    }

    pub(super) fn copy(&mut self, index: usize) {
        self.faults.copies = self.faults.copies.saturating_sub(1);
        if let Some(in_flight) = self.writes.get_mut(index) {
            in_flight.copies += 1;
        }
    }

    pub(super) fn land(&mut self, config: &Config, index: usize, known: bool) {
        if let Some(write) = self.remove(index) {
            let committed = self.commit(config, &write, known);
            self.answer(config, &write, committed);
        }
    }

    pub(super) fn land_unanswered(&mut self, config: &Config, index: usize) {
        self.faults.lost = self.faults.lost.saturating_sub(1);
        if let Some(write) = self.remove(index) {
            self.commit(config, &write, false);
        }
    }

    fn add(&mut self, write: Write) {
        match self.writes.iter_mut().find(|in_flight| in_flight.write == write) {
            Some(in_flight) => in_flight.copies += 1,
            None => self.writes.push(InFlight { write, copies: 1 }),
        }
    }

    fn remove(&mut self, index: usize) -> Option<Write> {
        let in_flight = self.writes.get_mut(index)?;
        let write = in_flight.write;
        in_flight.copies = in_flight.copies.saturating_sub(1);
        if in_flight.copies == 0 {
            self.writes.remove(index);
        }
        Some(write)
    }

    /// Carries a write out.
    pub(crate) fn commit(&mut self, config: &Config, write: &Write, known: bool) -> Committed {
        if !self.store.compare(config, write).holds() {
            return None;
        }
        let known = if known { self.next_known() } else { None };
        let revision = known.unwrap_or(self.store.revision + 1);
        self.judge(config, write, revision);
        self.store.put(write, revision);
        Some(revision)
    }

    /// The process that waits for a write gets its answer.
    pub(crate) fn answer(&mut self, config: &Config, write: &Write, committed: Committed) {
        let store = self.store;
        let Some(id) = ProcessId::all()
            .find(|id| self.process(*id).is_some_and(|process| process.waiting == Some(*write)))
        else {
            return;
        };
        if committed.is_some() && write.kind == WriteKind::Leave {
            self.lose(id);
            // Who left may join anew.
            self.with(id, |process| process.draining = false);
        }
        let state = &mut self.pods[id.pod];
        let Some(process) = state.processes.get_mut(id.younger) else { return };
        process.waiting = None;
        let shard = write.shard().filter(|_| process.session == write.session);
        if let Some((shard, fence)) = shard.zip(write.given()) {
            let left = process.told(shard);
            if process.handed_over(config, &store, shard, fence, committed) {
                let told = &mut state.told[shard];
                *told = (*told).max(left);
            }
        } else {
            process.answered(config, &store, write, committed);
        }
    }

    pub(super) fn send_renewal(&mut self, id: ProcessId) {
        self.with(id, |process| process.renewal = Some(Renewal { age: 0, seen: None }));
    }

    pub(super) fn read_renewal(&mut self, config: &Config, id: ProcessId) {
        let store = self.store;
        self.with(id, |process| {
            let seen = process.check(config, &store);
            if let Some(renewal) = &mut process.renewal {
                renewal.seen = Some(seen);
            }
        });
    }

    pub(super) fn answer_renewal(&mut self, config: &Config, id: ProcessId) {
        let renewal = self.process_mut(id).and_then(|process| process.renewal.take());
        if let Some(Renewal { age, seen: Some(seen) }) = renewal {
            let age = if config.keeps(Rule::DeadlineFromSend) { age } else { 0 };
            self.renewed(config, id, seen, age);
        }
    }

    /// A renewal that was sent so many ticks ago has answered.
    pub(crate) fn renewed(&mut self, config: &Config, id: ProcessId, seen: Renewed, age: u8) {
        match seen {
            Renewed::Fenced => self.end(id),
            Renewed::Over => self.lose(id),
            Renewed::Good => {
                self.with(id, |process| {
                    let deadline = process.validity.saturating_sub(age);
                    process.deadline = process.deadline.max(deadline);
                });
                if !config.keeps(Rule::ReadsFollowResume) {
                    self.answer_read(config, id);
                }
            }
        }
    }

    pub(super) fn read(&mut self, id: ProcessId) {
        self.faults.late_reads = self.faults.late_reads.saturating_sub(1);
        let store = self.store;
        self.with(id, |process| process.begin_read(&store));
    }

    pub(super) fn answer_read(&mut self, config: &Config, id: ProcessId) {
        self.with(id, |process| {
            if let Some(read) = process.read.take() {
                process.learn(config, read.owners, true);
            }
        });
    }
}

// === impl Write ===

impl Write {
    /// The fence of what it gives away.
    fn given(&self) -> Option<Revision> {
        match self.kind {
            WriteKind::HandOver { fence, .. } | WriteKind::Free { fence, .. } => Some(fence),
            _ => None,
        }
    }
}

// === impl Process ===

impl Process {
    /// C5 or C7 has answered. True when the shard is not ours any more.
    fn handed_over(
        &mut self,
        config: &Config,
        store: &Store,
        shard: Shard,
        fence: Revision,
        committed: Committed,
    ) -> bool {
        let gone = committed.is_some()
            || store.owners[shard].is_none_or(|granted| granted.revision != fence);
        let used = &mut self.uses[shard];
        match used {
            Use::Stopping(stopping) if stopping.fence == fence => {
                if gone {
                    if config.faults.late_reads > 0 {
                        self.given[shard] = fence;
                    }
                    *used = Use::None;
                } else {
                    stopping.sent = false;
                }
                gone
            }
            _ => false,
        }
    }

    /// Any other write has answered.
    fn answered(&mut self, config: &Config, store: &Store, write: &Write, committed: Committed) {
        let member = store.members[self.pod];
        match (write.kind, committed) {
            (WriteKind::Join { .. }, Some(revision)) => {
                self.begin(Session { epoch: write.epoch, create: revision }, revision);
                if config.keeps(Rule::JoinedWaits) {
                    self.older = config.takeover_delay();
                }
            }
            (WriteKind::Resume { create, .. }, Some(revision)) => {
                self.begin(Session { epoch: write.epoch, create }, revision);
                self.draining = member.is_some_and(|member| member.draining);
                self.older =
                    if config.keeps(Rule::ResumedWaits) { config.takeover_delay() } else { 0 };
                if config.keeps(Rule::ReadsFollowResume) {
                    self.read = None;
                }
                if !config.keeps(Rule::ValidityIsFixed) {
                    self.validity = config.validity + 2;
                }
            }
            (WriteKind::Drain, Some(revision)) => self.mine = revision,
            // The record may have the answer that was lost.
            (WriteKind::Drain | WriteKind::Leave, None) => {
                let ours = member.filter(|member| {
                    member.nonce == self.nonce
                        && self.session.is_some_and(|session| session.create == member.create)
                });
                if let Some(member) = ours {
                    self.mine = member.modified;
                }
            }
            _ => {}
        }
    }

    fn begin(&mut self, session: Session, mine: Revision) {
        self.session = Some(session);
        self.mine = mine;
        self.deadline = 0;
    }
}
