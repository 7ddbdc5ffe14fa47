//! The open connections of a listener: who has them, how far each has come, and which one goes.
//!
//! Invariants: a connection is in the table from its accept until its task has ended; at most
//! `per_peer` connections of a peer and `body_bytes` bytes of bodies stay after each change.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::entry::Entry;
use super::eviction::{self, Candidate};
use super::limits::Limits;
use super::metrics::{Eviction, Listener};
use super::peer::Peer;
use super::phase::Phase;

/// All connections of one listener.
#[derive(Debug)]
pub(super) struct Table {
    limits: Limits,
    metrics: Listener,
    inner: Mutex<Inner>,
}

/// A connection's entry, owned by its task: the entry is gone when this is dropped.
#[derive(Debug)]
pub(super) struct Place(Progress);

/// Where the parts of a connection report its progress.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    table: Arc<Table>,
    key: u64,
    peer: Peer,
}

/// A request that is not answered yet: its drop ends it, whether it was answered or given up by the client.
#[derive(Debug)]
pub(super) struct OpenRequest {
    progress: Progress,
    /// Its response is a declared stream.
    streams: bool,
}

/// The body would exceed the budget, and no other connection holds more of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OverBudget;

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    entries: BTreeMap<u64, Entry>,
    /// Bytes of all entries.
    bytes: usize,
}

// === impl Table ===

impl Table {
    pub(super) fn new(limits: Limits, metrics: Listener) -> Arc<Self> {
        Arc::new(Self { limits, metrics, inner: Mutex::default() })
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(super) fn metrics(&self) -> &Listener {
        &self.metrics
    }

    /// Evicts one connection, unless one is about to end anyway.
    pub(super) fn make_room(&self) {
        let inner = self.lock();
        let staying = inner.entries.values().filter(|entry| !entry.evicted).count();
        if staying < self.limits.connections {
            return;
        }
        drop(inner);
        self.evict_one();
    }

    /// Evicts one connection, if there is any.
    pub(super) fn evict_one(&self) {
        let mut inner = self.lock();
        if let Some(key) = eviction::for_place(&inner.candidates(|_| true)) {
            let task = inner.evict(key);
            drop(inner);
            self.evicted(task, Eviction::ListenerFull);
        }
    }

    /// Takes a connection in. Another one of the same peer is evicted when it has too many.
    pub(super) fn enter(self: &Arc<Self>, peer: Peer, now: Instant) -> Place {
        let mut inner = self.lock();
        let of_peer = inner.candidates(|entry| entry.peer == peer);
        let crowded = of_peer.len() >= self.limits.per_peer;
        let victim = if crowded { eviction::for_place(&of_peer) } else { None };
        let aborted = victim.map(|key| inner.evict(key));
        let key = inner.next;
        inner.next += 1;
        let entry = Entry::new(peer, now);
        inner.entries.insert(key, entry);
        drop(inner);
        self.metrics.opened();
        if let Some(task) = aborted {
            self.evicted(task, Eviction::PeerLimit);
        }
        Place(Progress { table: Arc::clone(self), key, peer })
    }

    /// Outside of the lock: whatever an abort drops may report its progress.
    fn evicted(&self, task: Option<AbortHandle>, reason: Eviction) {
        if let Some(task) = task {
            task.abort();
        }
        self.metrics.evicted(reason);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change is complete before anything can panic.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Inner ===

impl Inner {
    fn candidates(&self, which: impl Fn(&Entry) -> bool) -> Vec<Candidate<u64>> {
        let open = self.entries.iter().filter(|(_, entry)| !entry.evicted && which(entry));
        open.map(|(&key, entry)| Candidate {
            key,
            peer: entry.peer,
            phase: entry.phase,
            since: entry.since,
            bytes: entry.bytes,
        })
        .collect()
    }

    /// Marks a connection as evicted; its task is still to be aborted.
    fn evict(&mut self, key: u64) -> Option<AbortHandle> {
        let entry = self.entries.get_mut(&key)?;
        entry.evicted = true;
        self.bytes -= std::mem::take(&mut entry.bytes);
        entry.task.clone()
    }
}

// === impl Progress ===

impl Progress {
    /// The task that serves this connection; aborted when the connection is evicted.
    pub(super) fn served_by(&self, task: &AbortHandle) {
        let mut evicted = false;
        self.change(|entry| {
            evicted = entry.evicted;
            entry.task = Some(task.clone());
        });
        if evicted {
            task.abort();
        }
    }

    /// A new phase begins.
    pub(super) fn enter(&self, phase: Phase) {
        self.change(|entry| entry.enter(phase));
    }

    /// The peer sent something.
    pub(super) fn read(&self) {
        self.change(|entry| {
            if entry.phase == Phase::Idle && !entry.several {
                entry.enter(Phase::Header);
            }
        });
    }

    /// The peer took something, or would not.
    pub(super) fn wrote(&self, ready: bool) {
        self.change(|entry| match (ready, entry.stalled) {
            (true, _) => entry.stalled = None,
            (false, None) => entry.stalled = Some(Instant::now()),
            (false, Some(_)) => {}
        });
    }

    /// The request is complete.
    pub(super) fn received(&self) {
        self.change(|entry| {
            if entry.phase == Phase::Body {
                entry.enter(Phase::Answer);
            }
        });
    }

    /// The headers of a request are complete, and perhaps the request.
    pub(super) fn begin(&self, complete: bool, several: bool) -> OpenRequest {
        self.change(|entry| {
            entry.open += 1;
            entry.several = several;
            if entry.open == 1 {
                entry.enter(if complete { Phase::Answer } else { Phase::Body });
            }
        });
        OpenRequest { progress: self.clone(), streams: false }
    }

    /// The response was handed over; it is written with the next flush.
    fn answered(&self, streams: bool) {
        let mut inner = self.table.lock();
        let Inner { entries, bytes, .. } = &mut *inner;
        let Some(entry) = entries.get_mut(&self.key) else { return };
        entry.open = entry.open.saturating_sub(1);
        entry.streams = entry.streams.saturating_sub(usize::from(streams));
        if entry.open == 0 {
            entry.ending = true;
            *bytes -= std::mem::take(&mut entry.bytes);
        } else if streams && entry.streams == 0 {
            entry.enter(Phase::Answer);
        }
    }

    /// Everything that was handed over is written.
    pub(super) fn flushed(&self) {
        self.change(|entry| {
            entry.stalled = None;
            if entry.ending {
                entry.enter(Phase::Idle);
            }
        });
    }

    /// Bytes of a request body arrived. Evicts others when there are too many.
    pub(super) fn holds(&self, more: usize) -> Result<(), OverBudget> {
        let mut inner = self.table.lock();
        let Inner { entries, bytes, .. } = &mut *inner;
        match entries.get_mut(&self.key) {
            Some(entry) if !entry.evicted => {
                entry.bytes += more;
                *bytes += more;
            }
            _ => return Err(OverBudget),
        }
        let mut aborted = Vec::new();
        let mut fits = true;
        while fits && inner.bytes > self.table.limits.body_bytes {
            match eviction::for_bytes(&inner.candidates(|_| true)) {
                Some(key) if key != self.key => aborted.push(inner.evict(key)),
                _ => fits = false,
            }
        }
        drop(inner);
        for task in aborted {
            self.table.evicted(task, Eviction::BodyBudget);
        }
        if fits { Ok(()) } else { Err(OverBudget) }
    }

    /// What it is doing, and until when it may.
    pub(super) fn deadline(&self) -> (Phase, Option<Instant>) {
        let limits = &self.table.limits;
        let inner = self.table.lock();
        let Some(entry) = inner.entries.get(&self.key) else {
            return (Phase::Idle, None);
        };
        let end = match entry.phase.allowed(limits) {
            Some(allowed) => Some(entry.since + allowed),
            None => entry.stalled.map(|since| since + limits.stall),
        };
        (entry.phase, end)
    }

    pub(super) fn table(&self) -> &Table {
        &self.table
    }

    pub(super) fn peer(&self) -> Peer {
        self.peer
    }

    fn change(&self, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.table.lock().entries.get_mut(&self.key) {
            change(entry);
        }
    }
}

// === impl OpenRequest ===

impl OpenRequest {
    /// Its response is a declared stream.
    pub(super) fn streams(&mut self) {
        self.streams = true;
        self.progress.change(|entry| {
            entry.streams += 1;
            entry.enter(Phase::Stream);
        });
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.progress.answered(self.streams);
    }
}

// === impl Place ===

impl Place {
    pub(super) fn progress(&self) -> &Progress {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Progress { table, key, .. } = &self.0;
        let mut inner = table.lock();
        let entry = inner.entries.remove(key);
        inner.bytes -= entry.as_ref().map_or(0, |entry| entry.bytes);
        drop(inner);
        table.metrics.closed();
    }
}
