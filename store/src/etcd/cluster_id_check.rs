//! Checks which cluster sends the answers.
//!
//! A list of endpoints may name a member of another cluster by mistake, or a member that came back with another
//! cluster's data. Its answers are not about our lease and slots. So every answer is checked against the known cluster.
//!
//! A cluster may also be replaced as a whole. A successor is accepted when an administrator has recorded it
//! ([`ClusterIdCheck::accept`]). Unless the cluster was configured, or named by the webhook, a successor is also
//! accepted when the known cluster has been silent for the longest lease TTL of the process's pools, counted from the
//! successor's first answer. Every claim of the known cluster has ended by then, and every endpoint was asked many
//! times. An answer of the known cluster, or of a third one, starts the count anew.
//!
//! Pure: time is passed in as a value.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::cluster::{ClusterId, ExpectedCluster};

/// The silence before any pool is known: the lease TTL of numeric pools, the longest one of the shipped pools.
const UNKNOWN_LEASE: Duration = Duration::from_secs(61);

/// At most this much between two answers of a successor counts as silence of the known cluster. A process that was
/// suspended did not send requests. Claims are retried every four seconds at least.
const LONGEST_STEP: Duration = Duration::from_secs(10);

/// The known cluster, and a successor that may be accepted.
#[derive(Debug)]
pub(super) struct ClusterIdCheck {
    state: Mutex<State>,
    /// The known cluster, for processes that record it.
    known: watch::Sender<Option<ClusterId>>,
}

#[derive(Debug)]
struct State {
    /// Whether only an administrator may replace the known cluster.
    required: bool,
    known: Option<ClusterId>,
    /// The cluster that the first answer must be of.
    named: Option<ClusterId>,
    /// How long the known cluster must be silent.
    silence: Duration,
    successor: Option<Successor>,
}

/// Another cluster that answers instead of the known one.
#[derive(Clone, Copy, Debug)]
struct Successor {
    id: ClusterId,
    last_answer: Instant,
    /// How long the known cluster has been silent since its first answer.
    silent: Duration,
}

/// An answer of another cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClusterMismatch {
    pub(super) known: ClusterId,
    pub(super) found: ClusterId,
    /// How long the known cluster must be silent before the other one is accepted; `None` for never.
    pub(super) accepted_after: Option<Duration>,
}

// === impl ClusterIdCheck ===

impl ClusterIdCheck {
    pub(super) fn new(expected: ExpectedCluster) -> Self {
        let known = expected.id();
        let required = matches!(expected, ExpectedCluster::Required(_));
        let state = State { required, known, named: None, silence: UNKNOWN_LEASE, successor: None };
        Self { state: Mutex::new(state), known: watch::Sender::new(known) }
    }

    /// The known cluster, now and after each change.
    pub(super) fn subscribe(&self) -> watch::Receiver<Option<ClusterId>> {
        self.known.subscribe()
    }

    pub(super) fn known(&self) -> Option<ClusterId> {
        *self.known.borrow()
    }

    /// Sets how long the known cluster must be silent: the longest lease TTL of the process's pools.
    pub(super) fn set_silence(&self, silence: Duration) {
        self.with_state(|state| state.silence = silence);
    }

    /// Checks the cluster of an answer.
    pub(super) fn check(&self, now: Instant, found: ClusterId) -> Result<(), ClusterMismatch> {
        let checked = self.with_state(|state| state.check(now, found));
        self.publish();
        checked
    }

    /// Requires this cluster, unless another one is known. Answers the known one. A named cluster is known once it has
    /// answered.
    pub(super) fn expect(&self, named: ClusterId) -> ClusterId {
        self.with_state(|state| state.expect(named))
    }

    /// Accepts a successor that an administrator has recorded.
    pub(super) fn accept(&self, found: ClusterId) {
        self.with_state(|state| state.know(found));
        self.publish();
    }

    fn publish(&self) {
        let known = self.with_state(|state| state.known);
        self.known.send_if_modified(|published| std::mem::replace(published, known) != known);
    }

    fn with_state<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        // No code panics while it is locked.
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

// === impl State ===

impl State {
    fn check(&mut self, now: Instant, found: ClusterId) -> Result<(), ClusterMismatch> {
        let known = self.known.or(self.named).unwrap_or(found);
        if known == found {
            self.known = Some(found);
            self.successor = None;
            return Ok(());
        }
        let accepted_after = (!self.required).then_some(self.silence);
        let silent = match self.successor {
            Some(before) if before.id == found => {
                let step = now.saturating_duration_since(before.last_answer);
                before.silent + step.min(LONGEST_STEP)
            }
            _ => Duration::ZERO,
        };
        self.successor = Some(Successor { id: found, last_answer: now, silent });
        if accepted_after.is_some_and(|needed| silent >= needed) {
            self.know(found);
        }
        // This answer is refused all the same: its request was meant for the known cluster.
        Err(ClusterMismatch { known, found, accepted_after })
    }

    fn expect(&mut self, named: ClusterId) -> ClusterId {
        self.named = Some(named);
        let known = self.known.unwrap_or(named);
        self.required |= known == named;
        known
    }

    fn know(&mut self, id: ClusterId) {
        self.known = Some(id);
        self.successor = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: ClusterId = ClusterId::new(7);
    const OTHER: ClusterId = ClusterId::new(8);
    const THIRD: ClusterId = ClusterId::new(9);

    /// Answers of one cluster, one per second.
    fn answers(check: &ClusterIdCheck, from: Instant, seconds: u64, id: ClusterId) -> bool {
        (0..seconds).all(|second| check.check(from + Duration::from_secs(second), id).is_err())
    }

    fn after(begin: Instant, seconds: u64) -> Instant {
        begin + Duration::from_secs(seconds)
    }

    #[test]
    fn the_first_cluster_that_answers_is_known_unless_another_one_is_expected() {
        let now = Instant::now();
        let check = ClusterIdCheck::new(ExpectedCluster::Any);
        assert_eq!(check.check(now, OURS), Ok(()));
        assert_eq!(check.known(), Some(OURS));
        for expected in [ExpectedCluster::Remembered(OURS), ExpectedCluster::Required(OURS)] {
            let check = ClusterIdCheck::new(expected);
            assert!(check.check(now, OTHER).is_err(), "{expected:?}");
            assert_eq!(check.check(now, OURS), Ok(()));
        }
    }

    #[test]
    fn another_cluster_is_never_accepted_while_the_known_one_answers() {
        let check = ClusterIdCheck::new(ExpectedCluster::Any);
        let begin = Instant::now();
        for round in 0..20 {
            assert_eq!(check.check(after(begin, round * 60), OURS), Ok(()));
            assert!(answers(&check, after(begin, round * 60), 60, OTHER));
        }
        assert_eq!(check.known(), Some(OURS));
    }

    #[test]
    fn a_successor_is_accepted_after_the_known_cluster_was_silent_for_a_lease_ttl() {
        let check = ClusterIdCheck::new(ExpectedCluster::Remembered(OURS));
        let begin = Instant::now();
        assert!(answers(&check, begin, 61, OTHER));
        assert_eq!(check.known(), Some(OURS), "60 s are not enough");
        assert!(
            check.check(after(begin, 61), OTHER).is_err(),
            "its request was meant for the known cluster"
        );
        assert_eq!(check.known(), Some(OTHER));
        assert_eq!(check.check(after(begin, 62), OTHER), Ok(()));
        let mismatch = check.check(after(begin, 63), OURS).unwrap_err();
        assert_eq!((mismatch.known, mismatch.found), (OTHER, OURS));
    }

    #[test]
    fn the_silence_is_as_long_as_the_longest_lease_ttl_of_the_pools() {
        let check = ClusterIdCheck::new(ExpectedCluster::Remembered(OURS));
        check.set_silence(Duration::from_secs(300));
        let begin = Instant::now();
        assert!(answers(&check, begin, 300, OTHER));
        assert_eq!(check.known(), Some(OURS));
        assert!(check.check(after(begin, 300), OTHER).is_err());
        assert_eq!(check.known(), Some(OTHER));
    }

    #[test]
    fn two_other_clusters_that_answer_in_turn_are_not_accepted() {
        let check = ClusterIdCheck::new(ExpectedCluster::Remembered(OURS));
        let begin = Instant::now();
        for second in 0..300 {
            let id = if second % 50 == 49 { THIRD } else { OTHER };
            assert!(check.check(after(begin, second), id).is_err());
        }
        assert_eq!(check.known(), Some(OURS));
    }

    #[test]
    fn the_time_of_a_suspended_process_does_not_count_as_silence() {
        let check = ClusterIdCheck::new(ExpectedCluster::Remembered(OURS));
        let begin = Instant::now();
        assert!(check.check(begin, OTHER).is_err());
        assert!(check.check(after(begin, 3600), OTHER).is_err());
        assert_eq!(check.known(), Some(OURS));
    }

    #[test]
    fn only_an_administrator_replaces_a_required_cluster() {
        let check = ClusterIdCheck::new(ExpectedCluster::Required(OURS));
        let begin = Instant::now();
        assert!(answers(&check, begin, 600, OTHER));
        assert_eq!(check.known(), Some(OURS));
        let known = check.subscribe();
        check.accept(OTHER);
        assert!(known.has_changed().unwrap());
        assert_eq!(check.check(begin, OTHER), Ok(()));
    }

    #[test]
    fn a_cluster_that_the_webhook_names_is_required_unless_another_one_is_known() {
        let begin = Instant::now();
        let check = ClusterIdCheck::new(ExpectedCluster::Any);
        assert_eq!(check.expect(OURS), OURS);
        assert_eq!(check.check(begin, OTHER).unwrap_err().accepted_after, None);
        assert!(answers(&check, begin, 600, OTHER));
        assert_eq!(check.known(), None, "it has not answered");
        assert_eq!(check.expect(THIRD), THIRD, "the webhook may correct itself");
        assert_eq!(check.check(begin, THIRD), Ok(()));
        assert_eq!((check.known(), check.expect(OURS)), (Some(THIRD), THIRD));
        for expected in [ExpectedCluster::Remembered(OURS), ExpectedCluster::Required(OURS)] {
            let check = ClusterIdCheck::new(expected);
            assert_eq!(check.expect(OTHER), OURS, "{expected:?}");
            assert_eq!(check.check(begin, OURS), Ok(()));
        }
        let remembered = ClusterIdCheck::new(ExpectedCluster::Remembered(OURS));
        remembered.expect(OTHER);
        let mismatch = remembered.check(begin, OTHER).unwrap_err();
        assert!(mismatch.accepted_after.is_some(), "the former cluster may be silent for good");
    }
}
