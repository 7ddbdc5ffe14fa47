//! The queue of pods to write to: each pod once at a time, with growing pauses after failures.
//!
//! Pure: time is passed in. Not for: fairness between namespaces. A check takes microseconds and a write milliseconds,
//! so a pod waits at most for the pods of one burst.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use super::pod::PodId;
use cairn_kit::backoff::Backoff;

/// The pauses of a pod after failed writes.
const RETRIES: Backoff =
    Backoff { first: Duration::from_millis(250), longest: Duration::from_secs(30) };

/// The queue.
#[derive(Debug, Default)]
pub struct Queue {
    due: HashMap<PodId, Instant>,
    order: BTreeSet<(Instant, PodId)>,
    /// With the instants at which they were due.
    running: HashMap<PodId, Instant>,
    /// Pods that were marked while they were running.
    again: HashMap<PodId, Instant>,
    failures: HashMap<PodId, u32>,
}

// === impl Queue ===

impl Queue {
    /// Makes the pod due at this instant; the earliest of several instants counts.
    pub fn mark(&mut self, pod: &PodId, at: Instant) {
        if self.running.contains_key(pod) {
            let again = self.again.entry(pod.clone()).or_insert(at);
            *again = at.min(*again);
            return;
        }
        match self.due.get(pod) {
            Some(earlier) if *earlier <= at => return,
            Some(later) => drop(self.order.remove(&(*later, pod.clone()))),
            None => {}
        }
        self.due.insert(pod.clone(), at);
        self.order.insert((at, pod.clone()));
    }

    /// The next pod that is due. It counts as running until [`Self::done`] or [`Self::failed`].
    pub fn take(&mut self, now: Instant) -> Option<PodId> {
        if self.order.first().is_none_or(|(at, _)| *at > now) {
            return None;
        }
        let (at, pod) = self.order.pop_first()?;
        self.due.remove(&pod);
        self.running.insert(pod.clone(), at);
        Some(pod)
    }

    /// The pod was not written to. It is due as before, so that it keeps its turn.
    pub fn put_back(&mut self, pod: &PodId) {
        if let Some(at) = self.running.remove(pod) {
            self.again.remove(pod);
            self.mark(pod, at);
        }
    }

    /// The pod was checked and, if needed, written to.
    pub fn done(&mut self, pod: &PodId) {
        self.failures.remove(pod);
        self.running.remove(pod);
        if let Some(at) = self.again.remove(pod) {
            self.mark(pod, at);
        }
    }

    /// The write failed; the pod is due again after a pause.
    pub fn failed(&mut self, pod: &PodId, now: Instant) {
        let failures = self.failures.entry(pod.clone()).or_default();
        *failures = failures.saturating_add(1);
        let pause = RETRIES.after(*failures);
        self.running.remove(pod);
        self.again.remove(pod);
        self.mark(pod, now + pause);
    }

    /// The pod was deleted.
    pub fn forget(&mut self, pod: &PodId) {
        if let Some(at) = self.due.remove(pod) {
            self.order.remove(&(at, pod.clone()));
        }
        self.again.remove(pod);
        self.failures.remove(pod);
    }

    /// The number of running pods.
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// When the next pod is due.
    pub fn next(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(uid: &str) -> PodId {
        PodId { namespace: "shop".into(), uid: uid.into() }
    }

    #[test]
    fn a_pod_that_is_marked_often_is_looked_at_once() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.mark(&pod("a"), now + Duration::from_secs(5));
        queue.mark(&pod("a"), now);
        queue.mark(&pod("a"), now + Duration::from_secs(9));
        assert_eq!(queue.take(now), Some(pod("a")));
        assert_eq!(queue.take(now), None);
        assert_eq!(queue.next(), None);
    }

    #[test]
    fn a_pod_that_changes_while_it_is_written_to_is_looked_at_again_afterwards() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.mark(&pod("a"), now);
        queue.take(now).unwrap();
        queue.mark(&pod("a"), now);
        assert_eq!(queue.take(now), None);
        queue.done(&pod("a"));
        assert_eq!(queue.take(now), Some(pod("a")));
        queue.done(&pod("a"));
        assert_eq!(queue.take(now), None);
    }

    #[test]
    fn a_pod_that_was_put_back_keeps_its_turn() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        let later = now + Duration::from_secs(1);
        queue.mark(&pod("b"), now);
        queue.mark(&pod("a"), now + Duration::from_millis(1));
        assert_eq!(queue.take(later), Some(pod("b")));
        queue.mark(&pod("b"), later);
        queue.put_back(&pod("b"));
        assert_eq!(queue.running(), 0);
        assert_eq!(queue.take(later), Some(pod("b")));
        assert_eq!(queue.take(later), Some(pod("a")));
        assert_eq!(queue.take(later), None);
    }

    #[test]
    fn failures_make_pauses_longer_and_a_success_makes_them_short_again() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        let mut pauses = Vec::new();
        let mut at = now;
        for _ in 0..12 {
            queue.mark(&pod("a"), at);
            queue.take(at).unwrap();
            queue.failed(&pod("a"), at);
            let next = queue.next().unwrap();
            pauses.push(next - at);
            at = next;
        }
        assert!(pauses[0] < Duration::from_millis(400), "{pauses:?}");
        assert!(pauses[11] > Duration::from_secs(15), "{pauses:?}");
        assert!(pauses.iter().all(|pause| *pause < RETRIES.longest * 2));
        queue.take(at).unwrap();
        queue.done(&pod("a"));
        queue.mark(&pod("a"), at);
        queue.take(at).unwrap();
        queue.failed(&pod("a"), at);
        assert!(queue.next().unwrap() - at < Duration::from_millis(400));
    }

    #[test]
    fn a_pod_that_is_gone_is_not_looked_at() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.mark(&pod("a"), now);
        queue.mark(&pod("b"), now);
        queue.forget(&pod("a"));
        assert_eq!(queue.take(now), Some(pod("b")));
        assert_eq!(queue.take(now), None);
    }
}
