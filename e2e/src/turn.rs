//! Which sentences of one process run at the same time, and in which order.
//!
//! Every sentence has a thread (`--test-threads`) and waits here for its turn. First come those that share the cluster,
//! a few at a time, because they need the machine's cores. Then come those that need a cluster alone, on two clusters
//! side by side, and those that start a cluster of their own: they mostly wait for deadlines. Of each kind, the longest
//! come first. Between processes a file lock keeps sentences apart: [`Cluster::share`](crate::cluster::Cluster::share).

use std::cell::Cell;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Moment;

/// How many run at a time. They keep two cores busy.
const PLACES: usize = 4;
/// How many start clusters of their own at a time.
const CLUSTERS: usize = 2;
/// A second cluster is worth its start when at least this many sentences wait for a cluster alone.
const WORTH_A_CLUSTER: usize = 4;
/// All threads have asked for their turns by then, so that the first turn is the right one's.
const GATHERING: Duration = Duration::from_millis(500);
/// The sentences that take minutes, by their topics, the longest first.
const LONGEST: [&str; 19] = [
    "etcd",
    "previous",
    "gone-ids",
    "term-ids",
    "retag-ids",
    "gone-names",
    "term-names",
    "retag-names",
    "carbon",
    "frozen",
    "full-sidecar",
    "orchard",
    "full-webhook",
    "enrol-rotation",
    "wiped",
    "without the webhook",
    "etcd is frozen past the deadline",
    "rotations",
    "own",
];

/// What a sentence needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The shared cluster, beside others.
    Beside,
    /// A cluster on which nothing else happens.
    Alone,
    /// No cluster: it starts its own.
    Apart,
}

/// The clusters on which sentences run alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// The shared cluster.
    First,
    /// A second one, which exists for nothing else.
    Second,
}

/// The turn of a sentence, until this is dropped.
#[derive(Debug)]
pub struct Turn {
    need: Need,
    lane: Lane,
    nested: bool,
    topic: String,
    asked: Moment,
    began: Moment,
}

/// While this exists, another sentence may use the place of this one.
#[derive(Debug)]
pub struct Rest(());

#[derive(Debug)]
struct Queue {
    opened: Option<Moment>,
    waiting: Vec<(Need, usize)>,
    beside: usize,
    apart: usize,
    first_is_taken: bool,
    second_is_taken: bool,
    second: Second,
    resting: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Second {
    Absent,
    Used,
    Over,
}

static QUEUE: Mutex<Queue> = Mutex::new(Queue::new());
static CHANGED: Condvar = Condvar::new();

thread_local! {
    /// A sentence inside of another one shares its turn.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

// === impl Turn ===

impl Turn {
    /// Waits for the turn of a sentence.
    pub fn wait(need: Need, topic: &str) -> Self {
        let asked = Moment::now();
        let turn = |lane, nested| Self {
            need,
            lane,
            nested,
            topic: topic.to_owned(),
            asked,
            began: Moment::now(),
        };
        if INSIDE.replace(true) {
            return turn(Lane::First, true);
        }
        let rank = rank(topic);
        let mut queue = lock();
        let opened = *queue.opened.get_or_insert(asked);
        queue.waiting.push((need, rank));
        loop {
            let lane = if opened.age() < GATHERING { None } else { queue.admit(need, rank) };
            if let Some(lane) = lane {
                CHANGED.notify_all();
                return turn(lane, false);
            }
            let waited = CHANGED.wait_timeout(queue, GATHERING);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The cluster on which it runs alone.
    pub fn lane(&self) -> Lane {
        self.lane
    }

    /// Whether this is the last turn on the second cluster. If so, nobody will get that cluster any more.
    pub fn ends_second(&self) -> bool {
        let mut queue = lock();
        let last = self.lane == Lane::Second && queue.count(Need::Alone) == 0;
        if last {
            queue.second = Second::Over;
        }
        last
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.nested {
            return;
        }
        INSIDE.set(false);
        let mut queue = lock();
        match (self.need, self.lane) {
            (Need::Beside, _) => queue.beside = queue.beside.saturating_sub(1),
            (Need::Apart, _) => queue.apart = queue.apart.saturating_sub(1),
            (Need::Alone, Lane::First) => queue.first_is_taken = false,
            (Need::Alone, Lane::Second) => queue.second_is_taken = false,
        }
        drop(queue);
        CHANGED.notify_all();
        let (took, asked) = (self.began.age().as_secs_f64(), self.asked.age().as_secs_f64());
        eprintln!("[{took:6.1} s after {:6.1} s in the queue] {}", asked - took, self.topic);
    }
}

// === impl Rest ===

impl Rest {
    /// Lends the place of the present sentence to another one.
    pub fn begin() -> Self {
        lock().resting += 1;
        CHANGED.notify_all();
        Self(())
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        let mut queue = lock();
        queue.resting = queue.resting.saturating_sub(1);
    }
}

// === impl Queue ===

impl Queue {
    const fn new() -> Self {
        Self {
            opened: None,
            waiting: Vec::new(),
            beside: 0,
            apart: 0,
            first_is_taken: false,
            second_is_taken: false,
            second: Second::Absent,
            resting: 0,
        }
    }

    /// Takes the turn if it is this one's.
    fn admit(&mut self, need: Need, rank: usize) -> Option<Lane> {
        let mut same = self.waiting.iter().filter(|(other, _)| *other == need);
        if same.any(|(_, other)| *other < rank) || self.running() >= PLACES + self.resting {
            return None;
        }
        let lane = match need {
            Need::Beside if self.first_is_taken => return None,
            // Those that share the cluster go first.
            Need::Apart | Need::Alone if self.count(Need::Beside) > 0 => return None,
            Need::Apart if self.apart >= CLUSTERS => return None,
            Need::Beside | Need::Apart => Lane::First,
            Need::Alone if !self.first_is_taken && self.beside == 0 => Lane::First,
            Need::Alone if self.second_is_free() => Lane::Second,
            Need::Alone => return None,
        };
        match (need, lane) {
            (Need::Beside, _) => self.beside += 1,
            (Need::Apart, _) => self.apart += 1,
            (Need::Alone, Lane::First) => self.first_is_taken = true,
            (Need::Alone, Lane::Second) => {
                (self.second_is_taken, self.second) = (true, Second::Used);
            }
        }
        if let Some(place) = self.waiting.iter().position(|one| *one == (need, rank)) {
            self.waiting.swap_remove(place);
        }
        Some(lane)
    }

    fn second_is_free(&self) -> bool {
        !self.second_is_taken
            && match self.second {
                Second::Absent => self.count(Need::Alone) >= WORTH_A_CLUSTER,
                Second::Used => true,
                Second::Over => false,
            }
    }

    fn count(&self, need: Need) -> usize {
        self.waiting.iter().filter(|(other, _)| *other == need).count()
    }

    fn running(&self) -> usize {
        let alone = usize::from(self.first_is_taken) + usize::from(self.second_is_taken);
        self.beside + self.apart + alone
    }
}

fn rank(topic: &str) -> usize {
    LONGEST.iter().position(|long| *long == topic).unwrap_or(LONGEST.len())
}

fn lock() -> MutexGuard<'static, Queue> {
    // No code panics while it is locked.
    QUEUE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(waiting: &[(Need, usize)]) -> Queue {
        Queue { waiting: waiting.to_vec(), ..Queue::new() }
    }

    #[test]
    fn the_longest_of_those_that_share_the_cluster_come_first_and_a_few_at_a_time() {
        let mut queue = queue(&[(Need::Alone, 0), (Need::Beside, 9), (Need::Beside, 1)]);
        assert_eq!(queue.admit(Need::Alone, 0), None);
        assert_eq!(queue.admit(Need::Beside, 9), None);
        assert_eq!(queue.admit(Need::Beside, 1), Some(Lane::First));
        queue.beside = PLACES;
        assert_eq!(queue.admit(Need::Beside, 9), None);
        queue.resting = 1;
        assert_eq!(queue.admit(Need::Beside, 9), Some(Lane::First));
    }

    #[test]
    fn whoever_needs_a_cluster_alone_has_it_alone_and_a_second_one_serves_a_long_queue() {
        let mut queue = queue(&[(Need::Alone, 7); 6]);
        queue.beside = 1;
        assert_eq!(queue.admit(Need::Alone, 7), Some(Lane::Second));
        assert_eq!(queue.admit(Need::Alone, 7), None, "somebody shares the first cluster");
        queue.beside = 0;
        assert_eq!(queue.admit(Need::Alone, 7), Some(Lane::First));
        queue.waiting.push((Need::Beside, 0));
        assert_eq!(queue.admit(Need::Beside, 0), None);
        queue.waiting.retain(|(need, _)| *need == Need::Alone);
        assert_eq!(queue.admit(Need::Alone, 7), None);
        queue.second_is_taken = false;
        assert_eq!(queue.admit(Need::Alone, 7), Some(Lane::Second));
        (queue.second, queue.second_is_taken) = (Second::Over, false);
        assert_eq!(queue.admit(Need::Alone, 7), None);
    }

    #[test]
    fn a_short_queue_is_not_worth_a_second_cluster() {
        let mut queue = queue(&[(Need::Alone, 7); 3]);
        assert_eq!(queue.admit(Need::Alone, 7), Some(Lane::First));
        assert_eq!(queue.admit(Need::Alone, 7), None);
    }

    #[test]
    fn clusters_of_ones_own_wait_for_those_that_share_one_and_not_for_those_alone() {
        let mut queue = queue(&[(Need::Apart, 0), (Need::Apart, 7), (Need::Apart, 7)]);
        queue.waiting.push((Need::Beside, 0));
        assert_eq!(queue.admit(Need::Apart, 0), None);
        queue.waiting.pop();
        queue.first_is_taken = true;
        assert_eq!(queue.admit(Need::Apart, 7), None, "a longer one is first");
        assert!(queue.admit(Need::Apart, 0).is_some() && queue.admit(Need::Apart, 7).is_some());
        assert_eq!(queue.admit(Need::Apart, 7), None);
    }
}
