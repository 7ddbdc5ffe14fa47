//! Milestones: the events that a check must reach.
//!
//! A promise that holds in every state says little when nothing happened that could break it. So every step is
//! classified by milestones, and each scenario names the milestones that it must reach. A milestone depends on
//! one step alone and is counted beside the states, so that it makes no two states differ.
//! Not for: judging. A milestone is no error.

use cairn_model_check::names;

mod step;

pub(crate) use step::Step;

names! {
    /// A kind of step.
    Milestone;

    /// T1 took a name.
    ClaimedAtOnce,
    /// T1's other branch put a ticket.
    Queued,
    /// T2 took a name.
    ClaimedByTicket,
    /// T2 took a name although an older ticket existed whose pod had been idle.
    PassedAnOlderTicket,
    /// T2 failed.
    RedeemFailed,
    /// T1 or T2 failed during a freeze.
    RefusedByFreeze,
    /// T2 failed because a pod had re-claimed its name ahead of the queue.
    RefusedByReclaim,
    /// T2 failed because the epoch had changed and the freeze had ended.
    RefusedByEpoch,
    /// A name was claimed with less than the pool's V, because the lease had no room for it.
    TermsWereShortened,
    /// The read at the ticket's own revision named a target.
    ReadAtTicket,
    /// The revision of a ticket could not be read any more.
    PastWasCompacted,
    /// T3 made a younger incarnation of a slot.
    Adopted,
    /// A pair verified an adoption.
    AdoptionWasVerified,
    /// A process found its pod's ticket and adopted the ticket's lease.
    ContinuedWaiting,
    /// T4 reserved timestamps.
    Reserved,
    /// A holder emitted a timestamp for a name for which an earlier holder had emitted one.
    SuccessorEmitted,
    /// T5 released a slot.
    Released,
    /// T5 failed because another incarnation had the slot.
    ReleaseFailed,
    /// T5 released the slot of a later pool.
    Yielded,
    /// T6 released a slot by force.
    ForceReleased,
    /// Time passed while a T6 was in flight and its slot still existed.
    ForceReleaseWasLate,
    /// A quarantine was settled.
    Settled,
    /// T7 took the old name.
    Reclaimed,
    /// T7 took the old name ahead of a ticket.
    ReclaimedAheadOfQueue,
    /// T7 took the old name during a freeze.
    ReclaimedDuringFreeze,
    /// T7 took a name out of the quarantine that a process of the same pod had left.
    ReclaimedFromQuarantine,
    /// The same, ahead of a ticket.
    ReclaimedFromQuarantineAheadOfQueue,
    /// Another pod had the old name: lost for good.
    LostForGood,
    /// A claim, a release or an adoption was applied, and its answer was lost.
    AppliedWithoutAnswer,
    /// After a lost answer the owner record proved that the attempt was applied.
    RecognisedOwnAttempt,
    /// After a lost answer nothing was found, and the same request was sent again.
    SentAgain,
    /// A repeated grant was answered.
    GrantWasRepeated,
    /// A claim that was given up took a slot.
    ClaimLandedLate,
    /// A claim landed after its retry or its copy had taken the slot.
    ClaimLandedAfterItsRetry,
    /// A claim of a process that had died took a slot.
    ClaimOfDeadProcessLanded,
    /// A pair found a younger process in its slot: the older one ends.
    Fenced,
    /// A pair found a slot gone though its lease was there.
    SlotWasFoundGone,
    /// A pair found the lease gone.
    LeaseWasFoundGone,
    /// A pair that answered after the deadline showed the slot unchanged: the claim is held again.
    ResumedLate,
    /// The same during a freeze: the claim is not held again.
    NotResumedDuringFreeze,
    /// A read during a freeze found a slot of this process: not believed yet.
    FoundDuringFreeze,
    /// One half of a pair was answered before the other.
    HalfAPairAnswered,
    /// A pair was given up.
    PairWasGivenUp,
    /// A waiter behind the front read again.
    FarWaiterRead,
    /// A waiter whose watch had broken read again.
    WaiterWithBrokenWatchRead,
    /// A holder's process died, and its app ran on.
    HolderDied,
    /// A holder's process ended, and its app lived on.
    Interrupted,
    /// A waiter's process died, and its ticket stayed.
    WaiterDied,
    /// A pod got a process after one had died.
    Restarted,
    /// A pod got a second process beside the first.
    Twinned,
    /// The spec was edited while a claim with the old one was in flight.
    EditedUnderClaim,
    /// The store was wiped while an app had a name.
    WipedUnderHolder,
    /// A restored store had a slot of one pod while another pod's app had the name.
    RestoredOldHolder,
    /// A store that counts anew reached a revision that a process remembers.
    RevisionsMet,
    /// A slot expired with its lease.
    SlotExpired,
    /// A ticket expired with its lease.
    TicketExpired,
    /// A freeze ended.
    FreezeEnded,
    /// A quarantine ended.
    QuarantineEnded,
    /// An app's deadline passed while a process of its pod was alive.
    DeadlinePassed,
    /// A holder's clock missed a tick.
    HolderWasSlow,
    /// The store's clock counted a tick twice while a name was held.
    StoreWasFast,
}
