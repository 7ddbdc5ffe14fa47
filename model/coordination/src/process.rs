//! A sidecar process: its session, what it owns, what it knows, and what it has told its app.
//!
//! Every decision of the protocol is made here and in the files below, from the process and the store as it is now:
//! a process with an older picture sends less, or writes that are refused. What is late on purpose is a [`Read`].
//! Not for: how a write reaches the store (`system/messages.rs`).

use crate::config::{Config, MARGIN};
use crate::place::{PerPod, PerShard, Pod, Shard};
use crate::rule::Rule;
use crate::store::{Granted, Revision, Session, Store};
use crate::write::Write;

mod deciding;
mod learning;

/// A process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Process {
    pub(crate) pod: Pod,
    pub(crate) nonce: u8,
    pub(crate) session: Option<Session>,
    /// Mod revision of its own last put of its record.
    pub(crate) mine: Revision,
    pub(crate) validity: u8,
    /// Ticks to the deadline.
    pub(crate) deadline: u8,
    pub(crate) uses: PerShard<Use>,
    /// The write that is under way.
    pub(crate) waiting: Option<Write>,
    /// Of each shard the owner's session that it saw ended.
    pub(crate) ended: PerShard<Option<Ended>>,
    /// Ticks for which an older process, or an earlier session, may have told deadlines.
    pub(crate) older: u8,
    pub(crate) draining: bool,
    /// A read of the shards that is answered late.
    pub(crate) read: Option<Read>,
    /// The fences under which it has handed shards over.
    pub(crate) given: PerShard<Revision>,
    pub(crate) renewal: Option<Renewal>,
    /// Ticks since a read was sent that may show the end of a session. Counted without a rule only.
    pub(crate) asked: Option<u8>,
    /// Ticks to the end of the last heartbeat; `None` when none was promised.
    pub(crate) heartbeat: Option<u8>,
}

/// What a process does with a shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Use {
    /// It does not own it.
    #[default]
    None,
    /// It is served until the deadline.
    Serving(Revision),
    /// It is told to be stopping.
    Stopping(Stopping),
}

/// A shard that is stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Stopping {
    pub(crate) fence: Revision,
    /// Ticks to the deadline told last, and Q.
    pub(crate) left: u8,
    /// The process has a confirmation.
    pub(crate) confirmed: bool,
    /// The app has stopped in fact.
    pub(crate) quiet: bool,
    /// A hand-over is under way.
    pub(crate) sent: bool,
}

/// A session that has ended, and the ticks of the takeover delay that are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ended {
    pub(crate) pod: Pod,
    pub(crate) session: Session,
    pub(crate) left: u8,
}

/// A read that was carried out and is not answered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Read {
    pub(crate) owners: PerShard<Option<Granted>>,
    /// The sessions at that time: create revisions of the members' records.
    pub(crate) members: PerPod<Revision>,
}

/// A renewal that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Renewal {
    /// Ticks since it was sent.
    pub(crate) age: u8,
    /// What it has read.
    pub(crate) seen: Option<Renewed>,
}

/// What a renewal reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Renewed {
    /// The session is there.
    Good,
    /// The session is over.
    Over,
    /// A younger process has the session.
    Fenced,
}

// === impl Process ===

impl Process {
    pub(crate) fn new(config: &Config, pod: Pod, nonce: u8) -> Self {
        Self {
            pod,
            nonce,
            session: None,
            mine: 0,
            validity: config.validity,
            deadline: 0,
            uses: PerShard::default(),
            waiting: None,
            ended: PerShard::default(),
            older: 0,
            draining: false,
            read: None,
            given: PerShard::default(),
            renewal: None,
            asked: None,
            heartbeat: (config.heartbeat > 0 && config.keeps(Rule::DeadlinesEndWithHeartbeat))
                .then_some(0),
        }
    }

    /// The ticks for which the app may rely on what this process told it of a shard.
    pub(crate) fn told(&self, shard: Shard) -> u8 {
        match self.uses[shard] {
            Use::None | Use::Stopping(Stopping { quiet: true, .. }) => 0,
            Use::Serving(_) => self.valid_for(),
            Use::Stopping(stopping) => stopping.left.saturating_sub(MARGIN),
        }
    }

    /// Ticks to the deadline that is told.
    pub(crate) fn valid_for(&self) -> u8 {
        self.heartbeat.map_or(self.deadline, |left| left.min(self.deadline))
    }

    /// A renewal's read.
    pub(crate) fn check(&self, config: &Config, store: &Store) -> Renewed {
        let (Some(session), Some(member)) = (self.session, store.members[self.pod]) else {
            return Renewed::Over;
        };
        let epoch = store.epoch == session.epoch || !config.keeps(Rule::RenewalChecksEpoch);
        let create = member.create == session.create || !config.keeps(Rule::RenewalChecksSession);
        if !epoch || !create {
            Renewed::Over
        } else if member.nonce != self.nonce && config.keeps(Rule::RenewalChecksNonce) {
            Renewed::Fenced
        } else {
            Renewed::Good
        }
    }

    /// A shard becomes `stopping`.
    pub(crate) fn stop(&mut self, shard: Shard) {
        if let Use::Serving(fence) = self.uses[shard] {
            self.uses[shard] = Use::Stopping(Stopping {
                fence,
                left: self.valid_for() + MARGIN,
                confirmed: false,
                quiet: false,
                sent: false,
            });
        }
    }

    /// Time passes on the process's clock.
    pub(crate) fn tick(&mut self, ticks: u8) {
        self.deadline = self.deadline.saturating_sub(ticks);
        self.older = self.older.saturating_sub(ticks);
        for used in self.uses.values_mut() {
            if let Use::Stopping(stopping) = used {
                stopping.left = stopping.left.saturating_sub(ticks);
            }
        }
        for ended in self.ended.values_mut().into_iter().flatten() {
            ended.left = ended.left.saturating_sub(ticks);
        }
        if let Some(heartbeat) = &mut self.heartbeat {
            *heartbeat = heartbeat.saturating_sub(ticks);
        }
        if let Some(age) = &mut self.asked {
            *age = (*age + ticks).min(self.validity + MARGIN);
        }
        if let Some(renewal) = &mut self.renewal {
            renewal.age = (renewal.age + ticks).min(self.validity);
        }
    }

    /// Every revision in it, to be renumbered.
    pub(crate) fn revisions(&mut self, visit: &mut impl FnMut(&mut Revision)) {
        visit(&mut self.mine);
        if let Some(session) = &mut self.session {
            visit(&mut session.create);
        }
        for used in self.uses.values_mut() {
            if let Use::Serving(fence) | Use::Stopping(Stopping { fence, .. }) = used {
                visit(fence);
            }
        }
        if let Some(write) = &mut self.waiting {
            write.revisions(visit);
        }
        for ended in self.ended.values_mut().into_iter().flatten() {
            visit(&mut ended.session.create);
        }
        if let Some(read) = &mut self.read {
            for granted in read.owners.values_mut().into_iter().flatten() {
                granted.revisions(visit);
            }
            read.members.values_mut().into_iter().for_each(&mut *visit);
        }
        self.given.values_mut().into_iter().for_each(visit);
    }
}

// === impl Use ===

impl Use {
    /// The fence under which it is owned; 0 if it is not.
    pub(crate) fn fence(self) -> Revision {
        match self {
            Self::None => 0,
            Self::Serving(fence) | Self::Stopping(Stopping { fence, .. }) => fence,
        }
    }
}
