//! What is known of one open connection.

use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::peer::Peer;
use super::phase::Phase;

/// One open connection.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) peer: Peer,
    pub(super) phase: Phase,
    pub(super) since: Instant,
    /// Since when the peer reads nothing of what was sent.
    pub(super) stalled: Option<Instant>,
    pub(super) bytes: usize,
    /// Requests that are not answered yet. More than one only with HTTP/2.
    pub(super) open: usize,
    /// Those of them whose response is a declared stream.
    pub(super) streams: usize,
    /// Several requests at a time: bytes between two requests may be anything.
    pub(super) several: bool,
    /// The response was handed over, but may not be written yet.
    pub(super) ending: bool,
    /// None until its task is spawned.
    pub(super) task: Option<AbortHandle>,
    /// Its task was aborted and is about to end.
    pub(super) evicted: bool,
}

// === impl Entry ===

impl Entry {
    pub(super) fn new(peer: Peer, now: Instant) -> Self {
        Self {
            peer,
            phase: Phase::Handshake,
            since: now,
            stalled: None,
            bytes: 0,
            open: 0,
            streams: 0,
            several: false,
            ending: false,
            task: None,
            evicted: false,
        }
    }

    pub(super) fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.since = Instant::now();
        self.ending = false;
    }
}
