//! The machine's tracks, each with at most one action in flight, and the pauses between their actions.
//!
//! Every pause is spread, so that pods that started together drift apart.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use super::action::QuarantineRequest;
use super::claim::Claim;
use super::together::{needs_renewals, shortest_validity};
use crate::time::BootInstant;

/// Between two reads of a store that has no name for us, or that does not answer.
const RETRY: Duration = Duration::from_secs(1);

/// Retries slow down to four seconds. A store that too many pods have asked recovers, and a pod starts soon
/// enough after an outage.
const MOST_DOUBLINGS: u32 = 2;

/// A renewal that took this part of the validity was answered by a store that has more to do than it can. etcd fails
/// renewals that it cannot answer within a second, which is this part of the default.
const SLOW_PART: u32 = 30;

/// A failed renewal is tried again after this part of the validity at first. A store that is away, or comes back, is
/// not burdened by that.
const RENEWAL_RETRY_PART: u32 = 30;

/// The same after the answer that the store cannot keep up. With the second that etcd takes for this answer, all pods
/// together ask it half as often again as without failures, and four tries fit between a renewal and the deadline, or
/// three after a renewal that was slow.
const OVERLOAD_RETRY_PART: u32 = 6;

/// The same without a slot: the lease outlasts the validity.
const IDLE_RETRY_PART: u32 = 10;

/// The same without a slot, after the answer that the store cannot keep up.
const IDLE_OVERLOAD_RETRY_PART: u32 = 3;

/// It slows down to twice that. With four times that, the last tenth of V can pass without a try, so that an etcd that
/// comes back in time is found too late for an app of a Stop pool.
const MOST_RENEWAL_DOUBLINGS: u32 = 1;

/// After a lost compare. Others are claiming at this moment, and the spread keeps them apart.
const CONFLICT_SPREAD: Duration = Duration::from_millis(50);

/// What a track is doing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Track(State);

/// The track of claims, releases and everything in the queue. It works on one claim at a time.
#[derive(Clone, Debug, Default)]
pub(super) struct ClaimTrack {
    track: Track,
    /// The index of the claim that the last request was about.
    current: usize,
    /// When the last read was sent.
    read_at: BootInstant,
    /// Requests in a row that had no good answer.
    failures: u32,
    /// What to do for other pods once there is nothing to claim.
    chore: Option<QuarantineRequest>,
    watching: bool,
}

/// A deterministic jitter: differs from pod to pod and from round to round, and is the same in every replay.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    uid: String,
    round: u64,
    /// Renewals in a row that failed.
    unrenewed: u32,
    /// The last grant or renewal was answered late.
    slow: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Idle,
    Busy,
    /// Nothing before this instant.
    Until(BootInstant),
}

// === impl Track ===

impl Track {
    /// An action was sent.
    pub(crate) fn start(&mut self) {
        self.0 = State::Busy;
    }

    /// The answer is here, or is not awaited any more: the next action may follow at once.
    pub(crate) fn finish(&mut self) {
        self.0 = State::Idle;
    }

    pub(crate) fn wait_until(&mut self, instant: BootInstant) {
        self.0 = State::Until(instant);
    }

    /// Ends a pause, but not an action.
    pub(crate) fn hurry(&mut self) {
        self.0 = match self.0 {
            State::Busy => State::Busy,
            State::Idle | State::Until(_) => State::Idle,
        };
    }

    /// Shortens a pause.
    pub(crate) fn bring_forward(&mut self, instant: BootInstant) {
        if let State::Until(later) = self.0 {
            self.0 = State::Until(later.min(instant));
        }
    }

    pub(crate) fn is_due(self, now: BootInstant) -> bool {
        match self.0 {
            State::Idle => true,
            State::Busy => false,
            State::Until(instant) => now >= instant,
        }
    }

    pub(crate) fn is_busy(self) -> bool {
        self.0 == State::Busy
    }

    /// The end of a pause.
    pub(crate) fn until(self) -> Option<BootInstant> {
        match self.0 {
            State::Until(instant) => Some(instant),
            State::Idle | State::Busy => None,
        }
    }
}

// === impl ClaimTrack ===

impl ClaimTrack {
    /// A request about this claim was sent.
    pub(super) fn start(&mut self, index: usize) {
        self.current = index;
        self.track.start();
    }

    /// A read for this claim was sent.
    pub(super) fn start_read(&mut self, index: usize, now: BootInstant) {
        self.read_at = now;
        self.start(index);
    }

    /// A request had a good answer.
    pub(super) fn answered(&mut self) {
        self.failures = 0;
        self.track.finish();
    }

    /// A request had no good answer.
    pub(super) fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
        self.track.finish();
    }

    /// Pauses longer from failure to failure, so that not all pods ask a failing store at once.
    pub(super) fn pause(&mut self, now: BootInstant, pace: &Pace) {
        self.wait_until(now.after(pace.retry(self.failures)));
    }

    pub(super) fn wait_until(&mut self, instant: BootInstant) {
        self.track.wait_until(instant);
    }

    pub(super) fn hurry(&mut self) {
        self.track.hurry();
    }

    pub(super) fn bring_forward(&mut self, instant: BootInstant) {
        self.track.bring_forward(instant);
    }

    pub(super) fn is_due(&self, now: BootInstant) -> bool {
        self.track.is_due(now)
    }

    pub(super) fn until(&self) -> Option<BootInstant> {
        self.track.until()
    }

    pub(super) fn current(&self) -> usize {
        self.current
    }

    pub(super) fn read_at(&self) -> BootInstant {
        self.read_at
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    pub(super) fn set_chore(&mut self, chore: Option<QuarantineRequest>) {
        self.chore = chore;
    }

    pub(super) fn take_chore(&mut self) -> Option<QuarantineRequest> {
        self.chore.take()
    }

    pub(super) fn set_watching(&mut self, watching: bool) {
        self.watching = watching;
    }

    pub(super) fn is_watching(&self) -> bool {
        self.watching
    }
}

// === impl Pace ===

impl Pace {
    pub(super) fn new(uid: &str) -> Self {
        Self { uid: uid.to_owned(), round: 0, unrenewed: 0, slow: false }
    }

    /// The pauses after this one are spread anew.
    pub(super) fn advance(&mut self) {
        self.round += 1;
    }

    /// After a failed or vain request: ± 50 %, and longer from failure to failure.
    pub(super) fn retry(&self, failures: u32) -> Duration {
        let slower = 1 << failures.saturating_sub(1).min(MOST_DOUBLINGS);
        (RETRY * slower).mul_f64(0.5 + self.jitter(u64::from(failures)))
    }

    /// After a lost compare.
    pub(super) fn conflict(&self) -> Duration {
        CONFLICT_SPREAD.mul_f64(self.jitter(0))
    }

    /// Between two renewals: a third of the validity ± 10 %, so that three tries fit into it, and half of it with a
    /// store that is slow. Without a slot there is only the lease to keep, which outlasts the validity: two thirds of
    /// it.
    pub(super) fn renewal(&self, claims: &[Claim]) -> Duration {
        let part = match (needs_renewals(claims), self.slow) {
            (true, false) => 1.0 / 3.0,
            (true, true) => 1.0 / 2.0,
            (false, _) => 2.0 / 3.0,
        };
        shortest_validity(claims).mul_f64((0.9 + 0.2 * self.jitter(0)) * part)
    }

    /// After a failed renewal: the next member may answer. A store that is behind fails the renewals of all pods within
    /// a second, and must not be asked ten times as often for that: so pauses grow, and are spread.
    pub(super) fn renewal_retry(&mut self, claims: &[Claim], overloaded: bool) -> Duration {
        let slower = 1 << self.unrenewed.min(MOST_RENEWAL_DOUBLINGS);
        let (part, slower) = match (needs_renewals(claims), overloaded) {
            (true, false) => (RENEWAL_RETRY_PART, slower),
            (true, true) => (OVERLOAD_RETRY_PART, 1),
            (false, false) => (IDLE_RETRY_PART, slower),
            (false, true) => (IDLE_OVERLOAD_RETRY_PART, 1),
        };
        let jitter = self.jitter(u64::from(self.unrenewed));
        self.unrenewed = self.unrenewed.saturating_add(1);
        (shortest_validity(claims) / part * slower).mul_f64(0.75 + jitter / 2.0)
    }

    /// A grant or a renewal had a good answer after this time.
    pub(super) fn renewed(&mut self, claims: &[Claim], took: Duration) {
        self.unrenewed = 0;
        self.slow = took >= shortest_validity(claims) / SLOW_PART;
    }

    /// Between two reads of a waiting pod: the validity ± 10 %. A watch may miss a change, these reads may not.
    pub(super) fn reread(&self, validity: Duration) -> Duration {
        validity.mul_f64(0.9 + 0.2 * self.jitter(0))
    }

    /// A number in `0..1`.
    fn jitter(&self, ahead: u64) -> f64 {
        let mut hasher = DefaultHasher::new();
        (&self.uid, self.round + ahead).hash(&mut hasher);
        f64::from(u32::try_from(hasher.finish() >> 32).unwrap_or_default()) / f64::from(u32::MAX)
    }
}
