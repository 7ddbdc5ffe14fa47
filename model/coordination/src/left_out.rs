//! For each rule, the bounds in which the checker finds a broken promise without it.

use crate::bounds::{self, NONE};
use crate::config::{Config, Faults};
use crate::property::Promise;
use crate::rule::Rule;

/// A rule, and a promise that is broken without it.
#[derive(Clone, Debug)]
pub struct Case {
    /// The rule.
    pub rule: Rule,
    /// The promise.
    pub promise: Promise,
    /// Bounds in which the promise holds with the rule.
    pub config: Config,
}

/// The promises that need a rule, each with its bounds.
pub fn left_out(rule: Rule) -> Vec<Case> {
    let cases = promises(rule).iter();
    cases.map(|promise| Case { rule, promise: *promise, config: bounds(rule) }).collect()
}

fn promises(rule: Rule) -> &'static [Promise] {
    match rule {
        Rule::DelayIncludesMargin | Rule::HandOverAfterMargin => &[Promise::TakeoversRest],
        Rule::ClaimComparesMine | Rule::TakeOverComparesMine => &[Promise::OnlyParticipantsGain],
        Rule::HandOverToEligible => &[Promise::OneMap, Promise::OnlyParticipantsGain],
        Rule::ClaimComparesMap | Rule::ResizeComparesShards => &[Promise::OneMap],
        Rule::DropPutsOut | Rule::JoinComparesOut => &[Promise::DroppedStayOut],
        Rule::ValueComparesFence | Rule::ValueComparesValue => &[Promise::ValuesGoForward],
        Rule::NobodyWithinQuotaMoves => &[Promise::ShardsMoveOnce],
        Rule::DeadlinesEndWithHeartbeat => &[Promise::HeartbeatsLimit],
        Rule::ViewersFree => &[Promise::NobodyIsStuck],
        Rule::WritesCompareEpoch => {
            &[Promise::OneServer, Promise::FencesGrow, Promise::HoldsAreKept]
        }
        Rule::HoldIsRespected => &[Promise::OneServer, Promise::HoldsAreKept],
        Rule::RestoreMovesEpoch => &[Promise::OneServer, Promise::FencesGrow],
        _ => &[Promise::OneServer],
    }
}

fn bounds(rule: Rule) -> Config {
    match rule {
        Rule::HandOverToEligible | Rule::ClaimComparesMap | Rule::ResizeComparesShards => {
            bounds::maps(Faults { expiries: 1, ..NONE })
        }
        Rule::ViewersFree => bounds::stuck(bounds::resize(Faults { crashes: 1, ..NONE })),
        Rule::GrantNamesSession
        | Rule::TakeOverWaits
        | Rule::DelayIncludesMargin
        | Rule::DelayFromSight => bounds::expire(),
        Rule::DelayFromReceipt => bounds::short(Faults { expiries: 1, ..NONE }),
        Rule::DropPutsOut => bounds::short(Faults { drops: 1, ..NONE }),
        Rule::JoinComparesOut => bounds::short(Faults { drops: 1, copies: 1, ..NONE }),
        Rule::ValueComparesFence => bounds::short(Faults { values: 1, expiries: 1, ..NONE }),
        Rule::ValueComparesValue => bounds::values(NONE),
        Rule::NobodyWithinQuotaMoves => bounds::plan(3, NONE),
        Rule::DeadlinesEndWithHeartbeat => bounds::heartbeat(NONE),
        Rule::HoldComesWithEpoch | Rule::HoldIsSettledLater => bounds::two_steps(),
        Rule::DelayOutlastsDrift => bounds::drift(),
        Rule::PictureOfOneRevision => bounds::late_read_expire(),
        Rule::PictureNeverGoesBack => bounds::late_read(),
        Rule::TakeOverComparesGrant | Rule::RenewalChecksSession => bounds::expire_copy(),
        Rule::RenewalChecksNonce | Rule::ConfirmedWaits => {
            bounds::short(Faults { twins: 1, ..NONE })
        }
        Rule::RenewalChecksEpoch
        | Rule::EpochEndsSessionFirst
        | Rule::RestoreMovesEpoch
        | Rule::WritesCompareEpoch => bounds::restore(),
        Rule::HoldIsRespected => bounds::epoch(),
        Rule::HoldOutlastsDeadlines | Rule::NothingWithoutEpoch => bounds::wipe(),
        Rule::DeadlineFromSend => bounds::split(),
        Rule::ConfirmationNamesStop | Rule::StopIsFinal => bounds::confirmation(),
        Rule::ConfirmationNamesProcess => bounds::confirmation_crash(),
        Rule::SentIsFinal | Rule::HandOverAfterStop | Rule::HandOverAfterMargin => {
            bounds::plain(NONE)
        }
        Rule::ClaimComparesMine => bounds::drain_crash(),
        Rule::TakeOverComparesMine => {
            bounds::short(Faults { drains: 1, crashes: 1, expiries: 1, ..NONE })
        }
        Rule::FreeComparesMine => Config { frees: true, ..bounds::crash() },
        Rule::ResumedWaits => Config { validity: 2, ..bounds::crash() },
        Rule::JoinedWaits | Rule::ValidityIsFixed => {
            Config { validity: 2, ..bounds::crash_expire() }
        }
        Rule::HandOverComparesMine | Rule::HandOverComparesFence | Rule::ReadsFollowResume => {
            bounds::crash()
        }
    }
}
