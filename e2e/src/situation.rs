//! Sentences that need the same thing to be away at the same time: one waits for all of them.
//!
//! All sentences of a situation whose threads wait when its turn comes run together on a cluster that they have alone,
//! each in its namespace. The situation begins when each of them is prepared, and ends when each of them has seen what
//! it wants to see. A sentence that fails leaves, and the others go on.

use std::any::Any;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::cluster::Cluster;
use crate::{Done, Failure};

/// What is away. It is back when this is dropped.
pub type Guard = Box<dyn Any + Send>;

/// Something that several sentences need.
#[derive(Debug)]
pub struct Situation {
    /// Its name in the queue.
    pub topic: &'static str,
    /// How it begins.
    pub enter: fn(&Cluster) -> Result<Guard, Failure>,
    gathering: Mutex<Option<Arc<Meeting>>>,
}

/// A sentence's part in a situation. A sentence leaves by dropping it.
#[derive(Debug)]
pub struct Part {
    meeting: Arc<Meeting>,
    enter: fn(&Cluster) -> Result<Guard, Failure>,
}

/// The sentences that go through a situation together.
#[derive(Debug)]
pub(crate) struct Meeting {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    cluster: Option<Result<Cluster, String>>,
    members: usize,
    arrived: usize,
    phase: Phase,
    guard: Option<Guard>,
    failure: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Before,
    During,
    Over,
}

/// What a sentence of a situation is.
pub(crate) enum Role {
    /// It gets the cluster for all.
    Leader(Part),
    /// Another one does.
    Member(Part),
}

// === impl Situation ===

impl Situation {
    /// A situation of this name, which begins so.
    pub const fn new(topic: &'static str, enter: fn(&Cluster) -> Result<Guard, Failure>) -> Self {
        Self { topic, enter, gathering: Mutex::new(None) }
    }

    /// Takes part in the next meeting.
    pub(crate) fn join(&self) -> Role {
        let mut gathering = self.gathering.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = gathering.is_none();
        let meeting = Arc::clone(gathering.get_or_insert_with(Arc::default));
        meeting.lock().members += 1;
        let part = Part { meeting, enter: self.enter };
        if is_first { Role::Leader(part) } else { Role::Member(part) }
    }

    /// Later sentences meet another time.
    pub(crate) fn close(&self) {
        *self.gathering.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

// === impl Part ===

impl Part {
    /// The leader has got a cluster, or has failed to.
    pub(crate) fn announce(&self, cluster: Result<Cluster, String>) {
        self.meeting.lock().cluster = Some(cluster);
        self.meeting.changed.notify_all();
    }

    /// The cluster, once the leader has got it.
    pub(crate) fn cluster(&self) -> Result<Cluster, Failure> {
        let state = self.meeting.wait_while(|state| state.cluster.is_none());
        match &state.cluster {
            Some(Ok(cluster)) => Ok(cluster.clone()),
            Some(Err(failure)) => Err(Failure::new(failure.clone())),
            None => Err(Failure::new("nobody got a cluster")),
        }
    }

    /// The sentence is prepared. Waits until all are, and until the situation has begun.
    pub fn begin(&self) -> Done {
        self.arrive(Phase::Before)
    }

    /// The sentence has seen what it wanted to see. Waits until all have, and until the situation is over.
    pub fn end(&self) -> Done {
        self.arrive(Phase::During)
    }

    /// A handle with which the leader waits until everybody has left.
    pub(crate) fn meeting(&self) -> Arc<Meeting> {
        Arc::clone(&self.meeting)
    }

    fn arrive(&self, phase: Phase) -> Done {
        let mut state = self.meeting.lock();
        state.arrived += 1;
        self.advance(&mut state);
        drop(state);
        let state = self.meeting.wait_while(|state| state.phase == phase);
        state.failure.clone().map_or(Ok(()), |failure| Err(Failure::new(failure)))
    }

    /// Begins or ends the situation when all members have arrived.
    fn advance(&self, state: &mut State) {
        if state.arrived == 0 || state.arrived < state.members {
            return;
        }
        state.arrived = 0;
        state.phase = match state.phase {
            Phase::Before => {
                let entered = match &state.cluster {
                    Some(Ok(cluster)) => (self.enter)(cluster),
                    _ => Err(Failure::new("nobody got a cluster")),
                };
                match entered {
                    Ok(guard) => state.guard = Some(guard),
                    Err(failure) => state.failure = Some(format!("{failure:?}")),
                }
                Phase::During
            }
            Phase::During | Phase::Over => {
                state.guard = None;
                Phase::Over
            }
        };
        self.meeting.changed.notify_all();
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let mut state = self.meeting.lock();
        state.members = state.members.saturating_sub(1);
        if state.members == 0 {
            state.guard = None;
        }
        self.advance(&mut state);
        drop(state);
        self.meeting.changed.notify_all();
    }
}

// === impl Meeting ===

impl Meeting {
    /// Waits until everybody has left.
    pub(crate) fn is_over(&self) {
        drop(self.wait_while(|state| state.members > 0));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A sentence that fails does so without this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while(&self, condition: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let waited = self.changed.wait_while(self.lock(), |state| condition(state));
        waited.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Meeting {
    fn default() -> Self {
        let state = State {
            cluster: None,
            members: 0,
            arrived: 0,
            phase: Phase::Before,
            guard: None,
            failure: None,
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    static ENTERED: AtomicUsize = AtomicUsize::new(0);
    static LEFT: AtomicUsize = AtomicUsize::new(0);

    struct Counts;

    impl Drop for Counts {
        fn drop(&mut self) {
            LEFT.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn enter(cluster: &Cluster) -> Result<Guard, Failure> {
        if cluster.name() != "ours" {
            return Err(Failure::new("another cluster"));
        }
        ENTERED.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(Counts))
    }

    #[test]
    fn a_situation_begins_and_ends_once_for_all_and_a_sentence_that_fails_stops_nobody() {
        let situation = Situation::new("test", enter);
        let Role::Leader(leader) = situation.join() else { panic!("not the first") };
        let others: Vec<Part> = (0..3)
            .map(|_| match situation.join() {
                Role::Member(part) => part,
                Role::Leader(_) => panic!("two leaders"),
            })
            .collect();
        situation.close();
        leader.announce(Ok(Cluster::named("ours")));
        let meeting = leader.meeting();
        thread::scope(|scope| {
            for (index, part) in others.into_iter().enumerate() {
                scope.spawn(move || {
                    part.cluster().unwrap();
                    if index == 0 {
                        return;
                    }
                    part.begin().unwrap();
                    assert_eq!(LEFT.load(Ordering::SeqCst), 0);
                    if index == 1 {
                        return;
                    }
                    part.end().unwrap();
                    assert_eq!(LEFT.load(Ordering::SeqCst), 1);
                });
            }
            leader.begin().unwrap();
            assert_eq!(ENTERED.load(Ordering::SeqCst), 1);
            leader.end().unwrap();
            drop(leader);
            meeting.is_over();
        });
        assert_eq!((ENTERED.load(Ordering::SeqCst), LEFT.load(Ordering::SeqCst)), (1, 1));
        assert!(matches!(situation.join(), Role::Leader(_)), "the next meeting is another one");
    }

    #[test]
    fn everybody_learns_why_there_is_no_cluster_or_no_situation() {
        let refusing = Situation::new("test", |_| Err(Failure::new("it stays")));
        let Role::Leader(part) = refusing.join() else { panic!("not the first") };
        part.announce(Ok(Cluster::named("none")));
        assert!(part.begin().unwrap_err().to_string().contains("it stays"));
        let refusing = Situation::new("test", enter);
        let Role::Leader(part) = refusing.join() else { panic!("not the first") };
        part.announce(Err("no room".to_owned()));
        assert!(part.cluster().unwrap_err().to_string().contains("no room"));
    }
}
