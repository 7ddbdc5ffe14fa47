//! The journal of the apps: which name each app used, and when. It is the evidence for the checker.
//!
//! Every instant is `CLOCK_BOOTTIME`. It is read *before* the use that it stands for, under the lock that also ends an
//! app: a process that is scheduled late can make a hold look shorter, never longer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cairn_core::claim::Fence;
use serde::Serialize;

use crate::boottime::{self, Nanos};

/// One identity: the path, as the common prefix of its keys, and the name.
pub type Identity = (String, String);

/// One app's use of one claim, from the first use to the last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hold {
    /// The pod.
    pub uid: String,
    /// The path, as the common prefix of its keys.
    pub path: String,
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
    /// Until when the app would have used the name: the last published deadline, or the earlier instant at which the
    /// claim was withdrawn or the app ended.
    pub until: Nanos,
    /// How often a later deadline was published.
    pub renewals: u32,
    /// The longest time from the start of a deadline to a use under it.
    pub unrenewed: Duration,
}

/// Identifies one app's use of one claim.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Id {
    app: u64,
    path: String,
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

/// A container's run, from its first instruction to its last, with the identities in its environment variables.
/// Unlike a [`Hold`] it ends only when the container ends.
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
    /// When it was stopped or crashed; `None` while it runs.
    pub ended: Option<Nanos>,
    /// Whether a probe of this run has succeeded at the sidecar.
    pub answered: bool,
}

/// Something that the harness did or saw, for the timeline of a violation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// The instant.
    pub at: Nanos,
    /// The description.
    pub what: String,
}

/// The evidence of a history.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// Every hold.
    pub holds: Vec<Hold>,
    /// When the evidence was copied. A hold or run without an end lasted at least until then.
    pub taken: Nanos,
    /// Every run of a container that the harness's kubelet started.
    pub runs: Vec<Run>,
    /// Every minted ID.
    pub minted: Vec<Minted>,
    /// Faults and ends of processes.
    pub notes: Vec<Note>,
    /// When the harness itself was late.
    pub stalls: Vec<Stall>,
    /// When frozen members of etcd were continued.
    pub thaws: Vec<Nanos>,
}

/// The harness was scheduled late: what it saw around that time may have happened earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Stall {
    /// Its end.
    pub at: Nanos,
    /// Its length.
    pub lasted: Duration,
}

/// The journal of all apps of a history.
#[derive(Clone, Debug, Default)]
pub struct Journal(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    evidence: Evidence,
    open: HashMap<Id, usize>,
}

/// One claim as the sidecar has published it to the app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The path, as the common prefix of its keys.
    pub path: String,
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
    /// Records that an app uses a claim at this instant.
    pub fn used(&self, app: u64, uid: &str, published: &Published, at: Nanos) {
        let mut inner = self.lock();
        let id = Id { app, path: published.path.clone(), fence: published.fence };
        let next = inner.evidence.holds.len();
        let index = *inner.open.entry(id).or_insert(next);
        if index == next {
            inner.evidence.holds.push(Hold {
                uid: uid.to_owned(),
                path: published.path.clone(),
                pool: published.pool.clone(),
                name: published.name.clone(),
                fence: published.fence,
                incarnation: published.incarnation,
                first: at,
                last: at,
                until: published.until,
                renewals: 0,
                unrenewed: Duration::ZERO,
            });
        }
        if let Some(hold) = inner.evidence.holds.get_mut(index) {
            hold.last = hold.last.max(at);
            hold.incarnation = published.incarnation;
            if published.until > hold.until {
                hold.renewals += 1;
            }
            hold.until = published.until;
            let left = boottime::between(at, published.until);
            hold.unrenewed = hold.unrenewed.max(published.validity.saturating_sub(left));
        }
    }

    /// Records that an app does not use a claim any more from this instant on.
    pub fn ended(&self, app: u64, published: &Published, at: Nanos) {
        let mut inner = self.lock();
        let id = Id { app, path: published.path.clone(), fence: published.fence };
        let hold = inner.open.get(&id).copied();
        if let Some(hold) = hold.and_then(|hold| inner.evidence.holds.get_mut(hold)) {
            hold.until = hold.until.min(at);
        }
    }

    /// Records the start of a container, and returns the index of its run.
    pub fn started(&self, run: Run) -> usize {
        let runs = &mut self.lock().evidence.runs;
        runs.push(run);
        runs.len() - 1
    }

    /// Records that a probe of a run has succeeded at the sidecar.
    pub fn answered(&self, run: usize) {
        if let Some(run) = self.lock().evidence.runs.get_mut(run) {
            run.answered = true;
        }
    }

    /// Records the end of a run.
    pub fn stopped(&self, run: usize, at: Nanos) {
        if let Some(run) = self.lock().evidence.runs.get_mut(run) {
            run.ended = Some(at);
        }
    }

    /// Records IDs that a sidecar has minted.
    pub fn minted(&self, minted: Minted) {
        self.lock().evidence.minted.push(minted);
    }

    /// Records a description that helps to understand a violation.
    pub fn note(&self, what: impl Into<String>) {
        let note = Note { at: boottime::now(), what: what.into() };
        self.lock().evidence.notes.push(note);
    }

    /// Records that a frozen member of etcd is continued.
    pub fn thawed(&self) {
        self.lock().evidence.thaws.push(boottime::now());
    }

    /// Records that the harness was scheduled late.
    pub fn stalled(&self, lasted: Duration) {
        self.lock().evidence.stalls.push(Stall { at: boottime::now(), lasted });
    }

    /// A copy of the evidence so far.
    pub fn evidence(&self) -> Evidence {
        let inner = self.lock();
        Evidence { taken: boottime::now(), ..inner.evidence.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
