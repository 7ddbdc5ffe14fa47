//! What the holders did, as their apps saw it: the evidence that the checker judges.
//!
//! Every instant is `CLOCK_BOOTTIME`, taken *before* the use that it stands for and under the lock
//! that also ends an app: a process that is scheduled late can make a hold look shorter, never longer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cairn_core::claim::Fence;
use serde::Serialize;

use crate::boottime::{self, Nanos};
use crate::kubelet::environment::Identity;

/// One app's use of one claim, from the first time to the last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hold {
    /// The pod.
    pub uid: String,
    /// The scope, pool and group, as the common prefix of their keys.
    pub place: String,
    /// The pool.
    pub pool: String,
    /// The name.
    pub name: String,
    /// The fence.
    pub fence: Fence,
    /// The sidecar's incarnation at the last renewal.
    pub incarnation: u32,
    /// The first use.
    pub first: Nanos,
    /// The last use.
    pub last: Nanos,
    /// Until when the app would have used it: the last deadline that it was told, or the instant at
    /// which it was told to stop, or ended.
    pub until: Nanos,
    /// How often the app was told a later deadline.
    pub renewals: u32,
    /// The longest time from the start of a deadline to a use under it.
    pub unrenewed: Duration,
}

/// Which app used which claim.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Id {
    app: u64,
    place: String,
    fence: Fence,
}

/// IDs that a sidecar has minted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Minted {
    /// The pod.
    pub uid: String,
    /// The pool.
    pub pool: String,
    /// The node ID.
    pub name: String,
    /// The fence.
    pub fence: Fence,
    /// The IDs.
    pub ids: Vec<u64>,
}

/// A container's run, from its first instruction to its last, with the identities that its variables
/// have given it. Unlike a [`Hold`] it ends only when the container does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Run {
    /// The pod.
    pub uid: String,
    /// The name of every pool of the pod.
    pub environment: Vec<Identity>,
    /// Whether the pod's app ran before.
    pub restart: bool,
    /// When it was started.
    pub started: Nanos,
    /// When it was stopped or crashed; none while it runs.
    pub ended: Option<Nanos>,
    /// Whether the sidecar has said during this run that the app may go on.
    pub answered: bool,
}

/// Something that the harness did or saw, for the trail of a violation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// When.
    pub at: Nanos,
    /// What.
    pub what: String,
}

/// The evidence of a history.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// Every hold.
    pub holds: Vec<Hold>,
    /// When it was taken: whatever has no end yet went on at least until then.
    pub taken: Nanos,
    /// Every run of a container that the harness's kubelet started.
    pub runs: Vec<Run>,
    /// Every minted ID.
    pub minted: Vec<Minted>,
    /// Faults and ends of processes.
    pub notes: Vec<Note>,
    /// When the harness itself was late.
    pub stalls: Vec<Stall>,
    /// When a frozen member of etcd went on.
    pub thaws: Vec<Nanos>,
}

/// The harness was scheduled late: what it saw around then may have happened earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Stall {
    /// When it was over.
    pub at: Nanos,
    /// How long it was.
    pub lasted: Duration,
}

/// A journal that every app of a history writes to.
#[derive(Clone, Debug, Default)]
pub struct Journal(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    evidence: Evidence,
    open: HashMap<Id, usize>,
}

/// What an app was told about one claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The scope, pool and group.
    pub place: String,
    /// The pool.
    pub pool: String,
    /// The name.
    pub name: String,
    /// The fence.
    pub fence: Fence,
    /// The sidecar's incarnation.
    pub incarnation: u32,
    /// The deadline.
    pub until: Nanos,
    /// V.
    pub validity: Duration,
}

// === impl Journal ===

impl Journal {
    /// An app uses a claim at this instant.
    pub fn used(&self, app: u64, uid: &str, told: &Told, at: Nanos) {
        let mut inner = self.lock();
        let id = Id { app, place: told.place.clone(), fence: told.fence };
        let next = inner.evidence.holds.len();
        let index = *inner.open.entry(id).or_insert(next);
        if index == next {
            inner.evidence.holds.push(Hold {
                uid: uid.to_owned(),
                place: told.place.clone(),
                pool: told.pool.clone(),
                name: told.name.clone(),
                fence: told.fence,
                incarnation: told.incarnation,
                first: at,
                last: at,
                until: told.until,
                renewals: 0,
                unrenewed: Duration::ZERO,
            });
        }
        if let Some(hold) = inner.evidence.holds.get_mut(index) {
            hold.last = hold.last.max(at);
            hold.incarnation = told.incarnation;
            if told.until > hold.until {
                hold.renewals += 1;
            }
            hold.until = told.until;
            let left = boottime::between(at, told.until);
            hold.unrenewed = hold.unrenewed.max(told.validity.saturating_sub(left));
        }
    }

    /// An app will not use a claim any more, from this instant on.
    pub fn ended(&self, app: u64, told: &Told, at: Nanos) {
        let mut inner = self.lock();
        let id = Id { app, place: told.place.clone(), fence: told.fence };
        let hold = inner.open.get(&id).copied();
        if let Some(hold) = hold.and_then(|hold| inner.evidence.holds.get_mut(hold)) {
            hold.until = hold.until.min(at);
        }
    }

    /// A container was started; the answer identifies its run.
    pub fn started(&self, run: Run) -> usize {
        let runs = &mut self.lock().evidence.runs;
        runs.push(run);
        runs.len() - 1
    }

    /// The sidecar of a run has said that the app may go on.
    pub fn answered(&self, run: usize) {
        if let Some(run) = self.lock().evidence.runs.get_mut(run) {
            run.answered = true;
        }
    }

    /// A run is over.
    pub fn stopped(&self, run: usize, at: Nanos) {
        if let Some(run) = self.lock().evidence.runs.get_mut(run) {
            run.ended = Some(at);
        }
    }

    /// A sidecar has minted IDs.
    pub fn minted(&self, minted: Minted) {
        self.lock().evidence.minted.push(minted);
    }

    /// Something that helps to understand a violation.
    pub fn note(&self, what: impl Into<String>) {
        let note = Note { at: boottime::now(), what: what.into() };
        self.lock().evidence.notes.push(note);
    }

    /// A frozen member of etcd goes on.
    pub fn thawed(&self) {
        self.lock().evidence.thaws.push(boottime::now());
    }

    /// The harness was late.
    pub fn stalled(&self, lasted: Duration) {
        self.lock().evidence.stalls.push(Stall { at: boottime::now(), lasted });
    }

    /// Everything so far.
    pub fn evidence(&self) -> Evidence {
        let inner = self.lock();
        Evidence { taken: boottime::now(), ..inner.evidence.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
