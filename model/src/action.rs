//! Everything that can happen next.

use std::fmt;

use crate::key::{Name, Pod, Pool};

/// One step. A process is named by its pod and its place among the pod's processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    /// A request reaches the store and is answered.
    Deliver(Pod, usize),
    /// A request reaches the store; its answer is lost.
    LoseAnswer(Pod, usize),
    /// A request is given up; it may land later, or never.
    GiveUp(Pod, usize),
    /// A request reaches the store and is answered; a copy of it is still under way.
    Duplicate(Pod, usize),
    /// A read of the past is refused: compacted, or not there yet.
    RefusePast(Pod, usize),
    /// What somebody gave up, or an administrator sent, lands.
    Land(usize),
    /// A pair is sent.
    Renew(Pod, usize),
    /// The keepalive of a pair reaches the store.
    KeepAlive(Pod, usize),
    /// The read of a pair reaches the store.
    ReadOwn(Pod, usize),
    /// A pair has answered.
    Renewed(Pod, usize),
    /// A pair is given up.
    DropPair(Pod, usize),
    /// A waiter wakes up and reads.
    Reread(Pod, usize),
    /// A waiter's watch breaks.
    Deafen(Pod, usize),
    /// T4 is sent.
    Reserve(Pod, usize),
    /// A holder emits a timestamp.
    Emit(Pod, usize),
    /// A process ends in good order.
    Terminate(Pod, usize),
    /// A process ends in good order while its app lives on.
    Interrupt(Pod, usize),
    /// A process dies.
    Crash(Pod, usize),
    /// A pod gets a new process.
    Start(Pod),
    /// An administrator sends T6.
    Force(Pool, Name),
    /// A quarantine without a lease gets one.
    Settle(Pool, Name),
    /// A spec is edited.
    Edit(Pool),
    /// The same spec is put again.
    Reput(Pool),
    /// A hold is laid on a pool.
    Freeze(Pool),
    /// The store comes back empty, and is set up.
    Wipe,
    /// A snapshot of the store is taken.
    Snapshot,
    /// The store comes back as the snapshot, and is declared restored.
    Restore,
    /// Others write, until the next revision is one that somebody remembers.
    Meet,
    /// Time passes.
    Tick(Drift),
}

/// How somebody's clock differs in one tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Drift {
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
            Self::GiveUp(pod, i) => write!(f, "pod {pod}.{i} gives a request up"),
            Self::Duplicate(pod, i) => write!(f, "pod {pod}.{i} is answered, a copy is under way"),
            Self::RefusePast(pod, i) => write!(f, "pod {pod}.{i} cannot read the past"),
            Self::Land(stray) => write!(f, "stray {stray} lands"),
            Self::Renew(pod, i) => write!(f, "pod {pod}.{i} sends a pair"),
            Self::KeepAlive(pod, i) => write!(f, "pod {pod}.{i}'s keepalive lands"),
            Self::ReadOwn(pod, i) => write!(f, "pod {pod}.{i}'s read lands"),
            Self::Renewed(pod, i) => write!(f, "pod {pod}.{i}'s pair has answered"),
            Self::DropPair(pod, i) => write!(f, "pod {pod}.{i} gives a pair up"),
            Self::Reread(pod, i) => write!(f, "pod {pod}.{i} wakes up"),
            Self::Deafen(pod, i) => write!(f, "pod {pod}.{i}'s watch breaks"),
            Self::Reserve(pod, i) => write!(f, "pod {pod}.{i} sends a reservation"),
            Self::Emit(pod, i) => write!(f, "pod {pod}.{i} emits a timestamp"),
            Self::Terminate(pod, i) => write!(f, "pod {pod}.{i} ends"),
            Self::Interrupt(pod, i) => write!(f, "pod {pod}.{i} ends, its app lives on"),
            Self::Crash(pod, i) => write!(f, "pod {pod}.{i} dies"),
            Self::Start(pod) => write!(f, "pod {pod} gets a new process"),
            Self::Force(pool, name) => write!(f, "an administrator takes {name} of pool {pool}"),
            Self::Settle(pool, name) => write!(f, "the rest of {name} of pool {pool} gets a lease"),
            Self::Edit(pool) => write!(f, "pool {pool} is edited"),
            Self::Reput(pool) => write!(f, "pool {pool} is put again"),
            Self::Freeze(pool) => write!(f, "pool {pool} is put on hold"),
            Self::Wipe => write!(f, "the store is wiped"),
            Self::Snapshot => write!(f, "a snapshot is taken"),
            Self::Restore => write!(f, "the snapshot is restored"),
            Self::Meet => write!(f, "others write, until revisions meet old ones"),
            Self::Tick(Drift::None) => write!(f, "a tick"),
            Self::Tick(Drift::Slow(pod)) => write!(f, "a tick that pod {pod}'s clock misses"),
            Self::Tick(Drift::Fast) => write!(f, "a tick that the store counts twice"),
            Self::Tick(Drift::Asleep(pod)) => write!(f, "a tick that pod {pod} sleeps through"),
        }
    }
}
