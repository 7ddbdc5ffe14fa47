//! What a check comes past: the troubles and the turns that it is about.
//!
//! A promise that holds in every state says little when nothing ever happened to it. So every step that
//! is taken is also asked what it was an instance of, and each scenario names what it must have come
//! past. A milestone depends on one step alone, and is kept beside the states: it makes none differ.
//! Not for: judging; that a step is remarkable does not make it wrong.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

mod passed;

pub(crate) use passed::Step;

macro_rules! milestones {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A kind of step.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Milestone {
            $($(#[$doc])* $name,)*
        }

        impl Milestone {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
        }
    };
}

milestones! {
    /// T1 took a name.
    ClaimedAtOnce,
    /// T1's other branch put a ticket.
    Queued,
    /// T2 took a name.
    ClaimedByTicket,
    /// T2 took a name although an older ticket was there: that one had been silent.
    PassedAnOlderTicket,
    /// T2 failed.
    TakeFailed,
    /// T1 or T2 failed while there was a hold.
    TurnedAwayByHold,
    /// T2 failed because somebody had claimed ahead of the queue.
    TurnedAwayByShift,
    /// T2 failed because the epoch was another one, and no hold was there any more.
    TurnedAwayByEpoch,
    /// A name was claimed on less than the pool's V, for which the lease had no room.
    TermsWereShortened,
    /// The first look of a ticket, at its own revision, named a target.
    LookedBack,
    /// The revision of a ticket could not be read any more.
    PastWasCompacted,
    /// T3 made a younger incarnation of a slot.
    Adopted,
    /// A pair verified an adoption.
    AdoptionWasVerified,
    /// A process found its pod's ticket, and took the lease that it hangs on.
    WentOnWaiting,
    /// T4 reserved timestamps.
    Reserved,
    /// A holder emitted a timestamp of a name that another one had emitted for.
    SuccessorEmitted,
    /// T5 gave a slot back.
    Released,
    /// T5 failed: the slot was another incarnation's.
    ReleaseFailed,
    /// T5 gave the slot of a later pool back.
    Yielded,
    /// T6 took a slot away.
    ForceReleased,
    /// Time passed while a T6 was under way whose slot still stood: it lands late.
    ForceWasLate,
    /// A quarantine without a lease got one.
    Settled,
    /// T7 took the old name again.
    Reclaimed,
    /// T7 took the old name ahead of a ticket.
    ReclaimedAheadOfQueue,
    /// T7 took the old name during a hold.
    ReclaimedDuringHold,
    /// T7 took a name back out of the rest that a process of the same pod had left.
    TakenBack,
    /// The same, ahead of a ticket.
    TakenBackAheadOfQueue,
    /// The old name was another pod's: lost for good.
    LostForGood,
    /// A claim, a release or an adoption was applied, and its answer was lost.
    AppliedWithoutAnswer,
    /// After a lost answer, the owner key proved the attempt a success.
    RecognisedOwnAttempt,
    /// After a lost answer, nothing was found, and the same was sent again.
    SentAgain,
    /// A grant was answered that had been sent before.
    GrantWasRepeated,
    /// A claim that was given up took a slot.
    ClaimLandedLate,
    /// A claim landed after its own repetition, or its twin, had taken the slot.
    ClaimLandedAfterItsRetry,
    /// A claim of a process that had died took a slot.
    ClaimOfTheDeadLanded,
    /// A pair found a younger process in its slot: the older one ends.
    Fenced,
    /// A pair found a slot gone though its lease was there.
    SlotWasFoundGone,
    /// A pair found the lease gone.
    LeaseWasFoundGone,
    /// A pair that answered after the deadline found the slot unchanged: the claim goes on.
    ResumedLate,
    /// The same, but for a hold: the claim does not go on.
    KeptFromResuming,
    /// A read found a slot of this very process under a hold: not believed yet.
    FoundUnderHold,
    /// Half a pair was there before the other.
    HalfAPairAnswered,
    /// A pair was given up.
    PairWasGivenUp,
    /// A waiter too far behind to watch the queue read again.
    FarWaiterRead,
    /// A waiter whose watch had broken read again.
    DeafWaiterRead,
    /// A holder's process died, its app running on.
    HolderDied,
    /// A holder's process ended, its app living on.
    Interrupted,
    /// A waiter's process died, its ticket staying behind.
    WaiterDied,
    /// A pod got a process after one had died.
    Restarted,
    /// A pod got a second process beside the first.
    Twinned,
    /// The spec was edited while a claim by the old one was under way.
    EditedUnderClaim,
    /// The store came back empty while an app held a name.
    WipedUnderHolder,
    /// The store came back with a slot of one pod while another pod's app held the name.
    RestoredOldHolder,
    /// A store that counts anew reached a revision that somebody remembers.
    RevisionsMet,
    /// A slot ran out with its lease.
    SlotRanOut,
    /// A ticket ran out with its lease.
    TicketRanOut,
    /// A hold ended.
    HoldRanOut,
    /// A name had rested.
    RestEnded,
    /// An app's deadline passed while a process of its pod was alive.
    DeadlinePassed,
    /// A holder's clock missed a tick.
    HolderWasSlow,
    /// The store's clock counted a tick twice while a name was held.
    StoreWasFast,
}

/// How often each milestone was passed.
#[derive(Debug)]
pub(crate) struct Tally(Vec<AtomicU64>);

// === impl Tally ===

impl Default for Tally {
    fn default() -> Self {
        Self(Milestone::ALL.iter().map(|_| AtomicU64::new(0)).collect())
    }
}

impl Tally {
    pub(crate) fn count(&self, milestone: Milestone) {
        if let Some(count) = self.0.get(milestone as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Those that were passed, and how often.
    pub(crate) fn passed(&self) -> Vec<(Milestone, u64)> {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed));
        Milestone::ALL.iter().copied().zip(counts).filter(|(_, count)| *count > 0).collect()
    }
}

impl fmt::Display for Milestone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
