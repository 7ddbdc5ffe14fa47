//! The rules of the protocol that can be left out, one by one, to see what they are for.

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A rule. The model keeps all of them unless its configuration leaves one out.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Rule {
            $($(#[$doc])* $name,)*
        }

        impl Rule {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// As the command line calls it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
}

rules! {
    /// Keys: a pool's spec is put only when it differs. A put of the same spec moves its mod
    /// revision, and fails every claim that is under way.
    SpecPutOnlyWhenDifferent,
    /// Keys: a numeric slot is keyed by its number, whatever it is shown like.
    SlotsKeyedByNumber,
    /// Keys: V and Q are fixed at the grant and written in the slot; an edit of the pool applies to
    /// new leases.
    TermsFixedAtGrant,
    /// T0: an owner key or ticket of ours means that we restarted: the lease that **it** hangs on is
    /// taken and renewed.
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
    /// T5: a release that failed revokes nothing: the lease runs out.
    FailedReleaseRevokesNothing,
    /// T6: a force release never touches the pod's lease.
    ForceSparesTheLease,
    /// Several pools are claimed in byte order of their names, whatever the annotation's order.
    PoolsInByteOrder,
    /// Ambiguous results: the owner key proves success only with our nonce and our current lease.
    OwnAttemptsAreRecognised,
    /// Time: a renewal is a keepalive **and** a read of the own slots.
    RenewalsArePairs,
    /// Time: deadlines are on a clock that runs on while the machine sleeps.
    ClockCountsSleep,
    /// Waiting: every waiter reads again once per V; watches only make it faster.
    WaitersReread,
    /// Waiting: a ticket ahead counts as abandoned only after silence: d ticks of it, d ranks.
    SilenceBeforeOvertaking,
    /// Clock: a new holder learns the reservation inside the transaction that made it one.
    ReservationLearntInside,

    /// T1/T2: guarded by "no slot of mine in this pool".
    ClaimsAreGuardedByOwner,
    /// T1: guarded by the queue's sentinel as seen together with an empty queue.
    ClaimsAreGuardedBySentinel,
    /// T1/T2: guarded by "the name is not at rest".
    ClaimsAreGuardedByQuarantine,
    /// T6: the name rests for the V + Q written in the **slot**.
    ForceRestsAsGranted,
    /// Epoch: an empty store gets a hold together with its first spec.
    WipeLeavesHold,
    /// Time: S ≥ V + Q + 2 · drift.
    LeaseOutlastsDrift,

    /// Found by this model. A pool may be edited between the grant of the lease and the claim: V as
    /// written in the slot is never more than the lease, as granted, has room for.
    ClaimsSuitTheLease,
    /// Found by this model. A grant that is asked for again, with the same lease, gives a deadline from
    /// its **first** send: the first one may have been applied.
    RepeatedGrantsCountFromFirstSend,
    /// Found by this model. Silence means that nothing happened in the queue, the slots and the
    /// quarantines **while a grant was possible**: a new spec or the end of a hold starts it anew.
    SilenceEndsWithSpecAndHold,
    /// Found by this model. During a hold, a pair gives no claim back whose deadline has passed, and
    /// verifies no adoption: a restored store may show slots that were given away since.
    NothingResumesDuringHold,
    /// Found by this model. During a hold, an owner key of ours that a read finds, with our own nonce and
    /// lease, makes no claim that is held: it waits for a pair, as an adoption does.
    NothingFoundDuringHold,
    /// Found by this model. A look at R that names no target is followed by a current read before
    /// anything is waited for: the spec that is known may be older than R, and no watch from R on tells.
    VainLooksAreFollowed,
    /// Found by this model. The V + Q for which T6 lets a name rest grow by 2 · drift: holder and store
    /// measure them on different clocks.
    ForceRestsOutlastDrift,
    /// Found by this model. T6 may land late, with a quarantine whose lease has almost run out: it
    /// puts the quarantine without a lease; the lease is granted once it has been seen.
    ForceRestsUntilSettled,
    /// Found by this model. A store that was wiped counts revisions anew: T5 (and T4) compare the mod
    /// revision of the owner key too, which nobody else's put can share with the slot's.
    ReleaseComparesOwner,
    /// Found by this model, for the same reason. A pair looks at the slot's holder and nonce too, not
    /// at its revisions alone.
    PairsCheckHolder,
    /// Found by this model. A pod that lost one of its slots gives back those of later pools before it
    /// waits for the lost one's pool: otherwise the order of pools prevents no embrace.
    LaterPoolsAreYielded,
    /// Found by this model. A re-claim ahead of the queue (T7) shifts the pairs of tickets and names
    /// without failing anybody's compare: it puts a key of its own, which T2 compares.
    ReclaimShiftsThePairs,
    /// Found by this model. T7 compares that this pod has no ticket: a late one of a process that died
    /// would leave a ticket on a holder, as a late T1 would.
    ReclaimComparesTicket,
    /// Found by this model. A T2 that counts on silence may land after a hold that began when it was
    /// under way: holds come with a new epoch, and T2 compares the epoch.
    TakesAreOfOneEpoch,

    /// T5 of a process that ends while its app lives on: the quarantine names the pod, and rests for as long as
    /// the app may believe.
    ReleaseNamesItsPod,
    /// The rest that names a pod lasts for what is left until the deadline, and then Q.
    RestsOutlastDeadlines,
    /// A process takes exactly the name back that the volume says its app was told.
    MarkedNamesReturn,
    /// T7 out of a rest compares the mod revision of the quarantine that named this pod.
    ReturnsCompareRest,
    /// During a hold a name is claimed again only while the deadline that was in force has not passed.
    BelieversAloneReclaim,
}

// === impl Rule ===

impl Rule {
    /// The rule of this name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|rule| rule.name() == name)
    }
}
