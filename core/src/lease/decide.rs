//! What one read of the store means for one claim, and the request that follows. Pure: (claim, view) → decision.

use std::time::Duration;

use super::action::{ClaimRequest, QueueMode};
use super::claim::Claim;
use super::config::Config;
use super::known_pool::KnownPool;
use super::phase::{Held, PodLease, slot_record};
use super::reason;
use super::regain::Former;
use super::ticket::OwnTicket;
use super::view::PoolView;
use crate::clock::{self, Implausible};
use crate::pick;
use crate::pool::{OnExhausted, OnLoss, Pool};
use crate::time::{Now, UnixMillis};

/// What to do about a claim.
pub(super) enum Decision {
    /// Claim the slot of this key.
    Take(String),
    /// Claim exactly the slot that this pod had before.
    TakeBack(Former),
    /// Join the queue.
    Join,
    /// The read did not ask for what is needed: the rank of our ticket, or the slots.
    AskMore,
    /// Turn our ticket into the slot of this key.
    Redeem(String),
    /// Stay in the queue, for this reason.
    Stay(String),
    /// The pool is not in the store.
    Define,
    /// Read again later, for this reason.
    Wait(String),
    /// The name is another pod's for good, for this reason. A running pod never moves to another name.
    Lose(Held, String),
    /// The name cannot be had again, for this reason. Claim another one.
    GiveUp(String),
    /// There will be no name, for this reason.
    Fail(String),
}

/// What follows from a read. `former` is the slot that this pod had before.
pub(super) fn decide(
    claim: &Claim,
    view: &PoolView,
    lease_ttl: Duration,
    former: Option<Former>,
    now: UnixMillis,
) -> Decision {
    let known = claim.pool();
    // Every attempt compares the spec's version: with an older spec it would fail for ever.
    if let Some(why) = known.unusable() {
        return Decision::Wait(why.to_owned());
    }
    let Some(pool) = known.spec().filter(|_| view.epoch.is_some()) else {
        return Decision::Define;
    };
    if lease_ttl < pool.spec.lease_ttl() {
        return Decision::Wait(reason::lease_too_short(known.name()));
    }
    if let Some(why) = implausible_clock(known, view, now) {
        return Decision::Wait(why);
    }
    if let Some(former) = former {
        return take_back(claim, view, former);
    }
    // After the holders, who keep what they hold, and before the queue: a closed pool grants nothing new.
    if pool.spec.closed {
        return Decision::Wait(reason::closed(known.name()));
    }
    match claim.ticket() {
        Some(ticket) => redeem(pool, view, ticket),
        None => take(pool, view, now),
    }
}

/// The request for the slot of this key, or only for a ticket.
pub(super) fn claim_request(
    config: &Config,
    now: Now,
    claim: &Claim,
    lease: PodLease,
    view: &PoolView,
    key: Option<String>,
    former: Option<&Former>,
) -> ClaimRequest {
    let pool = claim.pool();
    ClaimRequest {
        path: pool.path(config),
        key,
        record: slot_record(config, now, pool.terms(), former.map(Former::held)),
        lease: lease.id(),
        queue: match former {
            None => QueueMode::Join,
            Some(former) => QueueMode::Ahead { despite_freeze: former.is_live() },
        },
        note: former.map_or(0, |former| former.note(view)),
        quarantine: former.and_then(Former::quarantine).unwrap_or_default(),
        clock: former.and_then(|former| former.lost_reservation(claim, view)),
        sentinel: view.sentinel,
        spec: pool.spec_revision(),
    }
}

/// Without a ticket.
fn take(pool: &Pool, view: &PoolView, now: UnixMillis) -> Decision {
    if view.without_lists {
        // Who may only join the queue needs no lists.
        return if view.queued > 0 || view.frozen { Decision::Join } else { Decision::AskMore };
    }
    let first = pick::soonest(&pool.names, &view.held, &view.quarantined, &view.clocks, now);
    match first.and_then(|index| pool.names.key(index)) {
        // Nobody waits: with the sentinel unchanged, nobody is overtaken either.
        Some(key) if view.queued == 0 && !view.frozen => Decision::Take(key.into_owned()),
        None if pool.spec.on_exhausted == OnExhausted::Fail && !view.frozen => {
            Decision::Fail(reason::exhausted(pool))
        }
        Some(_) | None => Decision::Join,
    }
}

/// With a ticket.
fn redeem(pool: &Pool, view: &PoolView, ticket: &OwnTicket) -> Decision {
    let Some(ahead) = &view.ahead else {
        return Decision::AskMore;
    };
    let position = reason::queue_position(ahead.rank);
    if view.frozen {
        return Decision::Stay(format!("{}; {position}", reason::frozen(&pool.name)));
    }
    let mut free = pick::free(&pool.names, &view.held, &view.quarantined);
    let target = free.clone().nth(ticket.effective_rank());
    if let Some(key) = target.and_then(|index| pool.names.key(index)) {
        return Decision::Redeem(key.into_owned());
    }
    if pool.spec.on_exhausted == OnExhausted::Fail {
        return Decision::Fail(reason::exhausted(pool));
    }
    Decision::Stay(match free.next() {
        None => format!("{}; {position}", reason::full(pool)),
        Some(_) => format!("{}; {position}", reason::reserved_ahead(&pool.name)),
    })
}

/// With a slot from before.
fn take_back(claim: &Claim, view: &PoolView, former: Former) -> Decision {
    let held = former.held();
    let keep = claim.pool().on_loss() == OnLoss::Keep;
    if !keep && !former.is_live() && former.quarantine().is_none() {
        return Decision::GiveUp(reason::lost("its deadline has passed"));
    }
    if view.frozen && !former.is_live() {
        return Decision::Wait(reason::frozen(claim.pool().name()));
    }
    if view.held.contains(&held.key) {
        let why = reason::given_away(&held.key);
        return if keep {
            Decision::Lose(held.clone(), why)
        } else {
            Decision::GiveUp(reason::lost(&why))
        };
    }
    if former.is_kept_from_us(view) {
        let why = format!("'{}' rests after another claim", held.key);
        return if keep { Decision::Wait(why) } else { Decision::GiveUp(reason::lost(&why)) };
    }
    Decision::TakeBack(former)
}

/// Why no node ID may be had with this clock.
fn implausible_clock(known: &KnownPool, view: &PoolView, now: UnixMillis) -> Option<String> {
    if !known.reserves() {
        return None;
    }
    let of_holders = view.clocks.iter().filter(|(key, _)| view.held.contains(*key));
    let latest = of_holders.map(|(_, until)| *until).max();
    match clock::check(now, latest) {
        Ok(()) => None,
        Err(Implausible::Behind) => Some(reason::clock_behind(known.name(), now)),
        Err(Implausible::Ahead) => Some(reason::clock_ahead(known.name(), now)),
    }
}

// === impl Decision ===

impl Decision {
    /// Adds to the reason of a freeze when it ends and, if wanted, how it is avoided without Kubernetes.
    pub(super) fn with_freeze_end(
        self,
        view: &PoolView,
        now: UnixMillis,
        names_new_store: bool,
    ) -> Self {
        let explain = |why: &str| reason::with_freeze_end(why, view, now, names_new_store);
        match self {
            Self::Wait(why) if view.frozen => Self::Wait(explain(&why)),
            Self::Stay(why) if view.frozen => Self::Stay(explain(&why)),
            Self::Take(_)
            | Self::TakeBack(_)
            | Self::Join
            | Self::AskMore
            | Self::Redeem(_)
            | Self::Stay(_)
            | Self::Define
            | Self::Wait(_)
            | Self::Lose(..)
            | Self::GiveUp(_)
            | Self::Fail(_) => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_of_a_freeze_says_when_it_ends_and_what_to_do() {
        let view = PoolView {
            frozen: true,
            frozen_for: Some(Duration::from_millis(45_900)),
            ..PoolView::default()
        };
        let now = UnixMillis(1_795_230_000_000);
        let told = |names_new_store| {
            let Decision::Wait(text) =
                Decision::Wait("frozen".to_owned()).with_freeze_end(&view, now, names_new_store)
            else {
                panic!("another decision")
            };
            text
        };
        assert_eq!(told(false), "frozen; this ends in 45s, at 2026-11-21T03:00:45Z");
        assert!(told(true).ends_with("start with --new-store instead"), "{}", told(true));
        let open = PoolView::default();
        let kept = Decision::Wait("full".to_owned()).with_freeze_end(&open, now, true);
        assert!(matches!(kept, Decision::Wait(text) if text == "full"));
    }
}
