//! The machine's state, and the one place where events enter it.

use std::time::Duration;

use super::claim::{Claim, Held, Phase};
use super::doubt::{Doubt, Progress};
use super::track::Track;
use super::{Action, Config, EndReason, Event, Failure, LeaseId, QuarantineRequest};
use crate::pool::PoolName;
use crate::time::{BootInstant, Now};

/// Between two attempts at a release: whoever has refused one is not asked in a busy loop.
const RELEASE_RETRY: Duration = Duration::from_millis(10);

/// The lease and claims of one pod.
#[derive(Clone, Debug)]
pub struct Machine {
    pub(super) config: Config,
    pub(super) lease: Option<Lease>,
    /// In byte order of the pools' names.
    pub(super) claims: Vec<Claim>,
    pub(super) claiming: Track,
    /// The claim that the claiming track is at, and when it last asked the store about it.
    pub(super) current: usize,
    pub(super) asked: BootInstant,
    /// A watch is open.
    pub(super) watching: bool,
    pub(super) renewing: Track,
    pub(super) reserving: Track,
    pub(super) epoch: i64,
    pub(super) terminating: bool,
    /// There will be no name, for this reason; what is left is to leave the queue.
    pub(super) failing: Option<String>,
    pub(super) finished: bool,
    /// Claiming actions in a row that had no good answer.
    pub(super) failures: u32,
    /// What is to be done for others once nothing is wanted.
    pub(super) chore: Option<QuarantineRequest>,
    /// What speaks against the claims, and how far the store had come when each track last asked.
    pub(super) doubt: Doubt,
    pub(super) looked_at: Progress,
    pub(super) renewed_at: Progress,
    /// Counts renewals, so that the jitter differs from one to the next.
    pub(super) round: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Lease {
    pub(super) id: LeaseId,
    pub(super) ttl: Duration,
    /// Send instant of the grant or of the last renew pair that answered well.
    pub(super) believed_from: BootInstant,
    /// A ticket has hung on it. Another sidecar of this pod may have found it, taken the lease up and won
    /// a slot on it: it is never revoked, but left to run out.
    pub(super) carried_ticket: bool,
}

// === impl Machine ===

impl Machine {
    /// A machine that has not begun.
    pub fn new(config: Config) -> Self {
        let mut names = config.pools.clone();
        names.sort();
        names.dedup();
        let before = |name: &PoolName| {
            config.inherited.iter().find(|inherited| inherited.pool == *name).cloned()
        };
        let claims = names.into_iter().map(|name| Claim::new(before(&name), name)).collect();
        Self {
            config,
            lease: None,
            claims,
            claiming: Track::Idle,
            current: 0,
            asked: BootInstant::default(),
            watching: false,
            renewing: Track::Idle,
            reserving: Track::Idle,
            epoch: 0,
            terminating: false,
            failing: None,
            finished: false,
            failures: 0,
            chore: None,
            doubt: Doubt::default(),
            looked_at: Progress::default(),
            renewed_at: Progress::default(),
            round: 0,
        }
    }

    /// Takes one event in and says what to do.
    pub fn step(&mut self, now: Now, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.finished {
            return actions;
        }
        if self.lease.is_none() {
            self.doubt.settle_clocks(now);
        } else if self.doubt.read_clocks(now, self.shortest_validity() / 3) {
            // At once: until a pair has answered nothing is believed.
            self.renewing = self.renewing.hurried();
        }
        match event {
            Event::Start | Event::Tick => {}
            Event::Terminate => {
                self.terminating = true;
                // A pod that waits, for whatever, has nothing to wait for any more.
                self.claiming = self.claiming.hurried();
            }
            Event::Woken => self.on_woken(now, false),
            Event::WatchEnded => self.on_woken(now, true),
            // The release has been told until when the claim may be believed: nothing prolongs that.
            Event::Renewed(_) if self.terminating => self.renewing = Track::Idle,
            Event::Renewed(renewal) => {
                self.renewing = Track::Idle;
                self.on_renewed(now, &renewal, &mut actions);
            }
            Event::RenewingFailed => {
                self.renewing = Track::Until(now.boot.after(self.renew_retry()));
            }
            Event::Reserved(extended) => self.on_extended(now, extended),
            Event::ReservingFailed => self.on_extending_failed(now),
            other => {
                self.claiming = Track::Idle;
                if !matches!(other, Event::ClaimingFailed(_)) {
                    self.failures = 0;
                }
                self.on_claiming(now, other, &mut actions);
            }
        }
        self.next(now, &mut actions);
        actions
    }

    /// The next instant at which something changes by itself; wake up and send [`Event::Tick`].
    pub fn wake_at(&self, now: Now) -> Option<BootInstant> {
        let tracks = [self.claiming, self.renewing].into_iter().filter_map(|track| match track {
            Track::Until(instant) => Some(instant),
            _ => None,
        });
        let deadlines = self.claims.iter().filter_map(|claim| self.deadline(claim));
        tracks
            .chain(deadlines)
            .chain(self.reserve_at(now))
            .filter(|instant| *instant > now.boot)
            .min()
    }

    /// When a claim stops being believed; `None` while there is nothing to believe in.
    pub(super) fn deadline(&self, claim: &Claim) -> Option<BootInstant> {
        match &claim.phase {
            Phase::Placed(held) | Phase::Regaining(held, _) => self.deadline_of(held),
            _ => None,
        }
    }

    /// The deadline that a pair has given, unless a clock has jumped since.
    pub(super) fn deadline_of(&self, held: &Held) -> Option<BootInstant> {
        let from = held.believed_from?;
        Some(self.doubt.cut(from, from.after(held.validity)))
    }

    /// Whether a deadline, be it of a lease that is gone, has not passed.
    pub(super) fn is_live(&self, held: &Held, now: Now) -> bool {
        self.deadline_of(held).is_some_and(|deadline| now.boot < deadline)
    }

    pub(super) fn finish(&mut self, outcome: EndReason, actions: &mut Vec<Action>) {
        self.finished = true;
        actions.push(Action::Finish(outcome));
    }

    fn on_claiming(&mut self, now: Now, event: Event, actions: &mut Vec<Action>) {
        match event {
            Event::Begun(granted, view) => {
                self.lease = Some(Lease {
                    id: granted.lease,
                    ttl: granted.ttl,
                    believed_from: granted.sent,
                    carried_ticket: false,
                });
                self.renewing = Track::Until(granted.sent.after(self.renew_period()));
                self.on_view(now, &view, actions);
            }
            Event::Viewed(view) => self.on_view(now, &view, actions),
            Event::Claimed(won) => self.on_claimed(now, won),
            Event::Resumed(resumed) => self.on_resumed(now, resumed, actions),
            Event::Adopted(adopted) => self.on_adopted(adopted),
            Event::Released(done) => self.on_released(done),
            Event::Conflict => self.on_outrun(now),
            Event::Queued(queued) => self.on_queued(queued),
            Event::Past(past) => self.on_past(now, past, actions),
            Event::LeftQueue => self.on_withdrawn(),
            Event::ClaimingFailed(failure) => self.on_claiming_failed(now, &failure),
            _ => {}
        }
    }

    fn on_claiming_failed(&mut self, now: Now, failure: &Failure) {
        self.failures = self.failures.saturating_add(1);
        if failure.lease_gone {
            self.on_lease_gone(now, &failure.message);
        }
        if let Some(claim) = self.claims.get_mut(self.current).filter(|claim| claim.wants()) {
            claim.uncertain |= claim.attempt.is_some();
            if let Some(waiting) = &mut claim.ticket {
                waiting.failed();
            }
            claim.say(&failure.message);
        }
        // A process that is to end has a second for it, and asks the next member at once.
        let pause = if self.terminating { RELEASE_RETRY } else { self.claim_retry() };
        self.claiming = Track::Until(now.boot.after(pause));
    }

    /// Decides what each idle track does next.
    fn next(&mut self, now: Now, actions: &mut Vec<Action>) {
        if self.finished {
            return;
        }
        if self.claiming.is_due(now.boot) {
            if self.terminating {
                self.next_release(now, actions);
            } else if let Some(sentence) = self.failing.clone() {
                self.next_failure(sentence, actions);
            } else {
                self.next_claim(now, actions);
            }
        }
        if !self.finished && self.watching && self.claims.iter().all(|claim| claim.ticket.is_none())
        {
            self.watching = false;
            actions.push(Action::Unwatch);
        }
        if !self.finished && !self.terminating && self.renewing.is_due(now.boot) {
            self.next_renewal(actions);
        }
        if !self.finished && !self.terminating {
            self.next_reservation(now, actions);
        }
    }
}
