//! Pauses and their spread, and the write that is under way.

use std::time::Duration;

use super::action::Action;
use crate::coordination::member::SessionId;
use crate::coordination::write::Write;
use crate::lease::Track;
use crate::time::BootInstant;

/// Between two attempts at a store that does not answer.
const RETRY: Duration = Duration::from_secs(1);

/// An unclear write is repeated soon: everything else of the session waits for it.
const REPEAT: Duration = Duration::from_millis(100);

/// After a lost compare. Others are writing at this moment, and the spread keeps them apart.
const CONFLICT_SPREAD: Duration = Duration::from_millis(20);

/// Members of a larger group do at spread instants what costs each other or etcd much: every join is an event for every
/// member, and every C0 reads them all.
const CROWD: usize = 100;

/// In a crowd each waits up to this long.
const CROWD_SPREAD: Duration = Duration::from_secs(1);

/// A failed renewal is tried again after this part of the validity: the next etcd member may answer.
const RENEWAL_RETRY_PART: u32 = 30;

/// Deterministic chance: differs from process to process and from draw to draw, and is the same in every replay.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    state: u64,
}

/// The track of writes, and of what a first write needs: epoch and lease.
#[derive(Clone, Debug, Default)]
pub(super) struct Writing {
    pub(super) track: Track,
    pending: Option<Pending>,
}

/// A write whose answer is not there yet.
#[derive(Clone, Debug)]
struct Pending {
    write: Write,
    /// The session that wrote it; `None` for joins.
    session: Option<SessionId>,
    /// What was known when it was sent first: an answer of the same epoch below it is of a restored store.
    known: i64,
}

// === impl Pace ===

impl Pace {
    pub(super) const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A span of up to `most`.
    fn up_to(&mut self, most: Duration) -> Duration {
        most.mul_f64(self.draw())
    }

    /// Between two renewals: a third of the validity ± 10 %, so that three tries fit into it.
    pub(super) fn renewal(&mut self, validity: Duration) -> Duration {
        validity.mul_f64((0.9 + 0.2 * self.draw()) / 3.0)
    }

    /// After a renewal that failed.
    pub(super) fn renewal_retry(validity: Duration) -> Duration {
        validity / RENEWAL_RETRY_PART
    }

    /// After a failure.
    pub(super) fn retry(&mut self) -> Duration {
        RETRY.mul_f64(0.5 + self.draw())
    }

    /// Before an unclear write is repeated.
    pub(super) fn repeat(&mut self) -> Duration {
        REPEAT.mul_f64(0.5 + self.draw())
    }

    /// After a lost compare.
    pub(super) fn conflict(&mut self) -> Duration {
        self.up_to(CONFLICT_SPREAD)
    }

    /// How long one of so many members waits; `None` where they are no crowd.
    pub(super) fn crowd(&mut self, members: usize) -> Option<Duration> {
        (members > CROWD).then(|| self.up_to(CROWD_SPREAD))
    }

    /// Before the read that follows a watch's end. All watches at one etcd member end together.
    pub(super) fn after_watch(&mut self, members: usize) -> Duration {
        self.crowd(members).unwrap_or_else(|| self.conflict())
    }

    /// A number in `0..1`, by `SplitMix64`.
    fn draw(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^= word >> 31;
        f64::from(u32::try_from(word >> 32).unwrap_or_default()) / f64::from(u32::MAX)
    }
}

// === impl Writing ===

impl Writing {
    /// A write is under way or unclear.
    pub(super) const fn is_writing(&self) -> bool {
        self.pending.is_some()
    }

    /// A write may be sent now.
    pub(super) fn is_free(&self, now: BootInstant) -> bool {
        self.pending.is_none() && self.track.is_due(now)
    }

    /// Sends a write. `known` is the revision that is known.
    pub(super) fn send(
        &mut self,
        write: Write,
        session: Option<SessionId>,
        known: i64,
        out: &mut Vec<Action>,
    ) {
        out.push(Action::Write(Box::new(write.clone())));
        self.pending = Some(Pending { write, session, known });
        self.track.start();
    }

    /// Sends an unclear write again, unchanged.
    pub(super) fn repeat(&mut self, now: BootInstant, out: &mut Vec<Action>) {
        if let Some(pending) = self.pending.as_ref().filter(|_| self.track.is_due(now)) {
            out.push(Action::Write(Box::new(pending.write.clone())));
            self.track.start();
        }
    }

    /// The write is clear. With it comes what was known when it was sent.
    pub(super) fn answered(&mut self) -> Option<(Write, i64)> {
        self.track.finish();
        self.pending.take().map(|pending| (pending.write, pending.known))
    }

    /// The write is unclear.
    pub(super) fn failed(&mut self, until: BootInstant) {
        self.track.wait_until(until);
    }

    /// Gives an unclear write of another session up: it can only fail, because it compares that session's record.
    pub(super) fn keep_only(&mut self, session: Option<SessionId>) {
        if self.pending.as_ref().is_some_and(|pending| pending.session != session) {
            self.give_up();
        }
    }

    /// Gives an unclear write up. One that is under way is awaited.
    pub(super) fn give_up(&mut self) {
        if !self.track.is_busy() {
            self.pending = None;
        }
    }

    /// When an unclear write, or the next one, may be sent.
    pub(super) fn until(&self) -> Option<BootInstant> {
        self.track.until()
    }
}
