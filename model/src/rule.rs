//! The rules of the protocol that can be left out, one at a time.

use cairn_model_check::names;

names! {
    /// A rule. The model keeps all of them unless its configuration leaves one out.
    Rule;

    /// Keys: a pool's spec is put only when it differs. A put of the same spec moves its mod
    /// revision and fails every claim in flight.
    SpecPutOnlyWhenDifferent,
    /// Keys: a numeric slot is keyed by its number, and not by its shown name.
    SlotsKeyedByNumber,
    /// Keys: V and Q are fixed at the grant and written in the slot; an edit of the pool applies to
    /// new leases.
    TermsFixedAtGrant,
    /// T0: an own owner record or ticket means that the process was restarted. The lease of **that key** is
    /// adopted and renewed.
    FoundLeaseIsTaken,
    /// T1: the ticket is put by a transaction within, guarded by "no slot and no ticket of mine".
    TicketIsGuarded,
    /// T2: R is the create revision of the ticket, never a response header.
    TicketRevisionIsItsOwn,
    /// T2: the rank is the number of older tickets, counted; the store's count knows no filter.
    RankCountsOlderTickets,
    /// T3: adoption does not renew; the claim is held only once a renew pair has answered.
    AdoptionIsVerified,
    /// T5: guarded by the mod revision of our own last put; the create revision is shared with
    /// younger incarnations.
    ReleaseComparesModRevision,
    /// T5: a release that failed revokes nothing. The lease expires.
    FailedReleaseRevokesNothing,
    /// T6: a force release never touches the pod's lease.
    ForceReleaseSparesTheLease,
    /// Several pools are claimed in byte order of their names, whatever the annotation's order.
    PoolsInByteOrder,
    /// Ambiguous results: the owner record proves success only with the own nonce and the current lease.
    OwnAttemptsAreRecognised,
    /// Time: a renewal is a keepalive **and** a read of the own slots.
    RenewalsArePairs,
    /// Time: deadlines are on a clock that counts the sleep of the machine.
    ClockCountsSleep,
    /// Waiting: every waiter reads again once per V; watches only make it faster.
    WaitersReread,
    /// Waiting: d tickets ahead count as abandoned only after d idle ticks.
    IdleBeforeOvertaking,
    /// Clock: a new holder reads the reservation in the transaction that grants the name.
    ReservationLearntInside,

    /// T1/T2: guarded by "the pod has no slot in this pool".
    ClaimsAreGuardedByOwner,
    /// T1: guarded by the queue's sentinel as seen together with an empty queue.
    ClaimsAreGuardedBySentinel,
    /// T1/T2: guarded by "the name is not quarantined".
    ClaimsAreGuardedByQuarantine,
    /// T6: the quarantine lasts for the V + Q that the **slot** records.
    ForceReleaseUsesGrantedTerms,
    /// Epoch: an empty store is frozen together with its first spec.
    EmptyStoreIsFrozen,
    /// Time: S ≥ V + Q + 2 · drift.
    LeaseOutlastsDrift,

    /// Found by this model. A pool may be edited between the grant of the lease and the claim: V as
    /// written in the slot is never more than the lease, as granted, has room for.
    ClaimsFitTheLease,
    /// Found by this model. A repeated grant of the same lease gives a deadline from
    /// its **first** send: the first one may have been applied.
    RepeatedGrantsCountFromFirstSend,
    /// Found by this model. Idle time means that nothing happened in the queue, the slots and the
    /// quarantines **while a grant was possible**. A new spec or the end of a freeze starts it anew.
    IdleEndsWithSpecAndFreeze,
    /// Found by this model. During a freeze a pair does not revive a claim whose deadline has passed, and
    /// verifies no adoption. A restored store may show slots that were granted to other pods since.
    NothingResumesDuringFreeze,
    /// Found by this model. During a freeze an own owner record in a read, with the own nonce and
    /// lease, makes no held claim. It waits for a pair, as an adoption does.
    NothingFoundDuringFreeze,
    /// Found by this model. A read at R without a target is followed by a current read before
    /// the pod waits: the known spec may be older than R, and no watch from R on reports it.
    EmptyPastReadsAreFollowed,
    /// Found by this model. The quarantine of T6 lasts V + Q + 2 · drift: holder and store
    /// measure V and Q on different clocks.
    ForceReleaseOutlastsDrift,
    /// Found by this model. T6 may land late, with a quarantine whose lease has almost expired. So T6
    /// puts the quarantine without a lease; the lease is granted after the quarantine was read.
    ForceReleaseIsSettledLater,
    /// Found by this model. A store that was wiped counts revisions anew: T5 (and T4) compare the mod
    /// revision of the owner record too. No put of another pod moves it.
    ReleaseComparesOwner,
    /// Found by this model, for the same reason. A pair compares the slot's holder and nonce, and not
    /// only its revisions.
    PairsCheckHolder,
    /// Found by this model. A pod that lost one of its slots releases those of later pools before it
    /// waits for the lost one's pool. Otherwise two pods can wait for each other in spite of the order.
    LaterPoolsAreYielded,
    /// Found by this model. A re-claim ahead of the queue (T7) shifts the pairs of tickets and names
    /// without a failed compare. So it puts a key of its own, which T2 compares.
    ReclaimsInvalidateRanks,
    /// Found by this model. T7 compares that this pod has no ticket. A late T7 of a process that died
    /// would leave a ticket on a holder, as a late T1 would.
    ReclaimComparesTicket,
    /// Found by this model. A T2 that relies on idle time may land after a freeze that began when it was
    /// in flight. So a freeze moves the epoch, and T2 compares it.
    RedeemsAreOfOneEpoch,

    /// T5 of a process that ends while its app lives on: the quarantine names the pod, and lasts as long as
    /// the app may believe.
    ReleaseNamesItsPod,
    /// The quarantine that names a pod lasts until the deadline, and then for Q.
    QuarantinesOutlastDeadlines,
    /// A process re-claims exactly the name that is saved in its volume.
    SavedNamesAreReclaimed,
    /// T7 out of a quarantine compares the quarantine's mod revision.
    ReclaimComparesQuarantine,
    /// During a freeze a name is re-claimed only while the deadline that was in force has not passed.
    OnlyBelieversReclaim,
}

// === impl Rule ===

impl Rule {
    /// The rule of this name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|rule| rule.name() == name)
    }
}
