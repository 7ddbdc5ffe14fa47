//! The rules of the protocol that can be left out, one at a time.

use cairn_model_check::names;

names! {
    /// A rule. The model keeps all of them unless its configuration leaves one out. The numbers are those of
    /// docs/coordination.md, "What breaks without it".
    Rule;

    /// 1: a hand-over goes to a member whose record names the map in force.
    HandOverToEligible,
    /// 2: V is fixed for a uid.
    ValidityIsFixed,
    /// 3: a grant names the session of its owner, and not only the pod.
    GrantNamesSession,
    /// 4: every write compares the epoch.
    WritesCompareEpoch,
    /// 4: nothing is written into a store without an epoch.
    NothingWithoutEpoch,
    /// 5: members and shards are seen at one revision.
    PictureOfOneRevision,
    /// 6: C4 compares the map.
    ClaimComparesMap,
    /// 6: C9 compares that no shard has an owner.
    ResizeComparesShards,
    /// 7: C4 compares the own record.
    ClaimComparesMine,
    /// 7: C6 compares the own record.
    TakeOverComparesMine,
    /// 8: C5 compares the fence.
    HandOverComparesFence,
    /// 8: C6 compares the grant as seen.
    TakeOverComparesGrant,
    /// 9: C5 compares the own record.
    HandOverComparesMine,
    /// 9: C7 compares the own record.
    FreeComparesMine,
    /// 10: C6 by (a) waits for the takeover delay.
    TakeOverWaits,
    /// 10: the takeover delay includes Q.
    DelayIncludesMargin,
    /// 10: the takeover delay has room for clock rates.
    DelayOutlastsDrift,
    /// 10: the takeover delay begins when the end of the session was seen, not when it is suspected.
    DelayFromSight,
    /// 10: the takeover delay begins when the answer was received that shows the end, not when it was asked for.
    DelayFromReceipt,
    /// 11: a viewer with another map deletes what the last old members left.
    ViewersFree,
    /// 12: C10 puts a key that keeps the dropped pod out.
    DropPutsOut,
    /// 12: C1 compares that key.
    JoinComparesOut,
    /// 13: the leader's value is put only under the leader's fence.
    ValueComparesFence,
    /// 13: the leader's value is put only over the value that was read.
    ValueComparesValue,
    /// 14: no C4, C5, C6 is sent during a hold.
    HoldIsRespected,
    /// 14: a hold lasts as long as a deadline of before it, and Q.
    HoldOutlastsDeadlines,
    /// 14: the hold is put not later than the epoch.
    HoldComesWithEpoch,
    /// 14: the hold is put without a lease first, and then on a lease that was granted after that.
    HoldIsSettledLater,
    /// 14: a restored store gets a new epoch.
    RestoreMovesEpoch,
    /// 16: a renewal looks at the session.
    RenewalChecksSession,
    /// 16: a renewal looks at the nonce.
    RenewalChecksNonce,
    /// 16: a renewal looks at the epoch.
    RenewalChecksEpoch,
    /// 17: the deadline counts from the send of the renewal.
    DeadlineFromSend,
    /// 18: another epoch ends the session before anything else in an answer is used.
    EpochEndsSessionFirst,
    /// 19: a picture never goes back.
    PictureNeverGoesBack,
    /// 19: after C3 only reads that were sent after its answer count.
    ReadsFollowResume,
    /// 21: a confirmation names the fence of its stop.
    ConfirmationNamesStop,
    /// 21: a confirmation names the process of its stop.
    ConfirmationNamesProcess,
    /// 22: a hand-over waits for the confirmation or for the deadline told.
    HandOverAfterStop,
    /// 22: a hand-over by time waits for Q after the deadline told.
    HandOverAfterMargin,
    /// 23: nothing is handed over before D after C3.
    ResumedWaits,
    /// 23: nothing is handed over before D after C1.
    JoinedWaits,
    /// 23: not even if the app has confirmed.
    ConfirmedWaits,
    /// 24: what was told to be stopping is not served again under its fence.
    StopIsFinal,
    /// 24: not while a hand-over of it is under way, either.
    SentIsFinal,
    /// The plan: nobody within quota moves anything.
    NobodyWithinQuotaMoves,
    /// Heartbeat: no deadline is told beyond the last heartbeat and its time.
    DeadlinesEndWithHeartbeat,
}
