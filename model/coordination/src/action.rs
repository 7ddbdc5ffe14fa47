//! The steps of a run.

use std::fmt;

use crate::place::{Pod, ProcessId, Shard};

/// What may happen. Writes are named by their index among those under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A pod gets a process.
    Start(Pod),
    /// A process dies.
    Crash(ProcessId),
    /// C1 or C3 is sent.
    Enter(ProcessId),
    /// A renewal is sent, read and answered at once.
    Renew(ProcessId),
    /// A renewal is sent.
    SendRenewal(ProcessId),
    /// It reads.
    ReadRenewal(ProcessId),
    /// It is answered.
    AnswerRenewal(ProcessId),
    /// A read of the shards is carried out.
    Read(ProcessId),
    /// It is answered.
    AnswerRead(ProcessId),
    /// A shard becomes `stopping`.
    Stop(ProcessId, Shard),
    /// The app confirms that it has stopped.
    Confirm(ProcessId, Shard),
    /// The same, and a copy of the confirmation stays under way.
    ConfirmTwice(ProcessId, Shard),
    /// The copy arrives.
    ConfirmLate(ProcessId),
    /// A stopping shard is served again.
    ServeAgain(ProcessId, Shard),
    /// C4 is sent.
    Claim(ProcessId, Shard),
    /// C5 is sent.
    HandOver(ProcessId, Shard, Pod),
    /// C6 is sent.
    TakeOver(ProcessId, Shard),
    /// C7 is sent.
    Free(ProcessId, Shard),
    /// The member drains: C2 is sent.
    Drain(ProcessId),
    /// C8 is sent.
    Leave(ProcessId),
    /// C9 is sent.
    Resize(ProcessId),
    /// A write without an answer is sent again.
    Repeat(ProcessId),
    /// A write is carried out and answered.
    Land(usize),
    /// The same, at a revision that somebody remembers of a store that is gone.
    LandAtKnown(usize),
    /// A write is carried out, and its answer is lost.
    LandUnanswered(usize),
    /// A write is doubled.
    Copy(usize),
    /// A member's record vanishes with its lease.
    Expire(Pod),
    /// The store is wiped.
    Wipe,
    /// Somebody puts an epoch into a store that has none.
    Define,
    /// A snapshot of the store is taken.
    Snapshot,
    /// The store is restored from it.
    Restore,
    /// The epoch moves.
    MoveEpoch,
    /// A new epoch's hold is put on a lease.
    SettleHold,
    /// A lease for a hold is granted before the epoch moves.
    GrantHold,
    /// An administrator drops a member.
    Drop(Pod),
    /// What keeps a dropped pod out ends.
    Readmit(Pod),
    /// The app calls.
    Beat(ProcessId),
    /// The leader puts a value.
    PutValue(ProcessId),
    /// A read is sent that may show the end of a session.
    Ask(ProcessId),
    /// A tick passes.
    Tick,
    /// A tick passes, but not on this process's clock.
    TickSlow(ProcessId),
    /// A tick passes, and two on this process's clock.
    TickFast(ProcessId),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(pod) => write!(f, "{pod} gets a process"),
            Self::Crash(id) => write!(f, "{id} dies"),
            Self::Enter(id) => write!(f, "{id} sends C1 or C3"),
            Self::Renew(id) => write!(f, "{id} renews"),
            Self::SendRenewal(id) => write!(f, "{id} sends a renewal"),
            Self::ReadRenewal(id) => write!(f, "{id}'s renewal reads"),
            Self::AnswerRenewal(id) => write!(f, "{id}'s renewal is answered"),
            Self::Read(id) => write!(f, "{id}'s read of the shards is carried out"),
            Self::AnswerRead(id) => write!(f, "{id}'s read of the shards is answered"),
            Self::Stop(id, shard) => write!(f, "{id} tells its app to stop {shard}"),
            Self::Confirm(id, shard) => write!(f, "{id}'s app confirms that {shard} has stopped"),
            Self::ConfirmTwice(id, shard) => {
                write!(f, "{id}'s app confirms that {shard} has stopped, twice")
            }
            Self::ConfirmLate(id) => write!(f, "the second confirmation reaches {id}"),
            Self::ServeAgain(id, shard) => write!(f, "{id} has {shard} served again"),
            Self::Claim(id, shard) => write!(f, "{id} claims {shard}"),
            Self::HandOver(id, shard, to) => write!(f, "{id} hands {shard} over to {to}"),
            Self::TakeOver(id, shard) => write!(f, "{id} takes {shard} over"),
            Self::Free(id, shard) => write!(f, "{id} frees {shard}"),
            Self::Drain(id) => write!(f, "{id} drains"),
            Self::Leave(id) => write!(f, "{id} leaves"),
            Self::Resize(id) => write!(f, "{id} puts its map"),
            Self::Repeat(id) => write!(f, "{id} sends its write again"),
            Self::Land(_) => f.write_str("done and answered"),
            Self::LandAtKnown(_) => f.write_str("done at a known revision"),
            Self::LandUnanswered(_) => f.write_str("done, and the answer is lost"),
            Self::Copy(_) => f.write_str("doubled"),
            Self::Expire(pod) => write!(f, "{pod}'s record vanishes"),
            Self::Wipe => f.write_str("the store is wiped"),
            Self::Define => f.write_str("an epoch is put"),
            Self::Snapshot => f.write_str("a snapshot is taken"),
            Self::Restore => f.write_str("the store is restored"),
            Self::MoveEpoch => f.write_str("the epoch moves"),
            Self::SettleHold => f.write_str("the hold is put on a lease"),
            Self::GrantHold => f.write_str("a lease for the hold is granted"),
            Self::Drop(pod) => write!(f, "an administrator drops {pod}"),
            Self::Readmit(pod) => write!(f, "{pod} is not kept out any more"),
            Self::Beat(id) => write!(f, "{id}'s app sends a heartbeat"),
            Self::PutValue(id) => write!(f, "{id} puts the leader's value"),
            Self::Ask(id) => write!(f, "{id} sends a read"),
            Self::Tick => f.write_str("a tick passes"),
            Self::TickSlow(id) => write!(f, "a tick passes, but not for {id}"),
            Self::TickFast(id) => write!(f, "a tick passes, and two for {id}"),
        }
    }
}
