//! The steps from a state.

use std::fmt;

use crate::key::{Name, Pod, Pool};

/// One step. A process is named by its pod and its index among the pod's processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A request reaches the store and is answered.
    Deliver(Pod, usize),
    /// A request reaches the store; its answer is lost.
    LoseAnswer(Pod, usize),
    /// A request is given up. It may land later, or never.
    GiveUp(Pod, usize),
    /// A request reaches the store and is answered. A copy of it is still in flight.
    Duplicate(Pod, usize),
    /// A read of a past revision is refused: it was compacted, or has not arrived.
    RefusePastRead(Pod, usize),
    /// A late request, or one of an administrator, reaches the store.
    Land(usize),
    /// A pair is sent.
    Renew(Pod, usize),
    /// The keepalive of a pair reaches the store.
    KeepAlive(Pod, usize),
    /// The read of a pair reaches the store.
    ReadSlots(Pod, usize),
    /// A pair has answered.
    Renewed(Pod, usize),
    /// A pair is given up.
    DropPair(Pod, usize),
    /// A waiter wakes up and reads.
    Reread(Pod, usize),
    /// A waiter's watch breaks.
    BreakWatch(Pod, usize),
    /// T4 is sent.
    Reserve(Pod, usize),
    /// A holder emits a timestamp.
    Emit(Pod, usize),
    /// A process releases and ends.
    Terminate(Pod, usize),
    /// A process releases and ends while its app lives on.
    Interrupt(Pod, usize),
    /// A process dies.
    Crash(Pod, usize),
    /// A pod gets a new process.
    Start(Pod),
    /// An administrator sends T6.
    ForceRelease(Pool, Name),
    /// A quarantine without a lease is settled.
    Settle(Pool, Name),
    /// A spec is edited.
    EditSpec(Pool),
    /// The same spec is put again.
    PutSpecAgain(Pool),
    /// A pool is frozen.
    Freeze(Pool),
    /// The store becomes empty, and is set up.
    Wipe,
    /// A snapshot of the store is taken.
    Snapshot,
    /// The store is replaced by the snapshot, and an administrator declares it restored.
    Restore,
    /// Other clients write until the next revision is one that a process remembers.
    MeetRevisions,
    /// Time passes.
    Tick(Drift),
}

/// How one clock differs in one tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Drift {
    None,
    /// This pod's clock misses it.
    Slow(Pod),
    /// The store's clock counts it twice.
    Fast,
    /// This pod's machine sleeps, and its clock does not count that.
    Asleep(Pod),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deliver(pod, i) => write!(f, "pod {pod}.{i} is answered"),
            Self::LoseAnswer(pod, i) => {
                write!(f, "pod {pod}.{i}'s request lands, its answer is lost")
            }
            Self::GiveUp(pod, i) => write!(f, "pod {pod}.{i} gives up a request"),
            Self::Duplicate(pod, i) => write!(f, "pod {pod}.{i} is answered, a copy is in flight"),
            Self::RefusePastRead(pod, i) => write!(f, "pod {pod}.{i} cannot read a past revision"),
            Self::Land(index) => write!(f, "late request {index} lands"),
            Self::Renew(pod, i) => write!(f, "pod {pod}.{i} sends a pair"),
            Self::KeepAlive(pod, i) => write!(f, "pod {pod}.{i}'s keepalive lands"),
            Self::ReadSlots(pod, i) => write!(f, "pod {pod}.{i}'s read lands"),
            Self::Renewed(pod, i) => write!(f, "pod {pod}.{i}'s pair has answered"),
            Self::DropPair(pod, i) => write!(f, "pod {pod}.{i} gives up a pair"),
            Self::Reread(pod, i) => write!(f, "pod {pod}.{i} wakes up"),
            Self::BreakWatch(pod, i) => write!(f, "pod {pod}.{i}'s watch breaks"),
            Self::Reserve(pod, i) => write!(f, "pod {pod}.{i} sends a reservation"),
            Self::Emit(pod, i) => write!(f, "pod {pod}.{i} emits a timestamp"),
            Self::Terminate(pod, i) => write!(f, "pod {pod}.{i} ends"),
            Self::Interrupt(pod, i) => write!(f, "pod {pod}.{i} ends, its app lives on"),
            Self::Crash(pod, i) => write!(f, "pod {pod}.{i} dies"),
            Self::Start(pod) => write!(f, "pod {pod} gets a new process"),
            Self::ForceRelease(pool, name) => {
                write!(f, "an administrator sends T6 for {name} of pool {pool}")
            }
            Self::Settle(pool, name) => {
                write!(f, "the quarantine of {name} of pool {pool} is settled")
            }
            Self::EditSpec(pool) => write!(f, "pool {pool} is edited"),
            Self::PutSpecAgain(pool) => write!(f, "pool {pool} is put again"),
            Self::Freeze(pool) => write!(f, "pool {pool} is frozen"),
            Self::Wipe => write!(f, "the store is wiped"),
            Self::Snapshot => write!(f, "a snapshot is taken"),
            Self::Restore => write!(f, "the snapshot is restored"),
            Self::MeetRevisions => {
                write!(f, "other clients write until the next revision is an old one")
            }
            Self::Tick(Drift::None) => write!(f, "a tick"),
            Self::Tick(Drift::Slow(pod)) => write!(f, "a tick that pod {pod}'s clock misses"),
            Self::Tick(Drift::Fast) => write!(f, "a tick that the store counts twice"),
            Self::Tick(Drift::Asleep(pod)) => write!(f, "a tick that pod {pod} sleeps through"),
        }
    }
}
