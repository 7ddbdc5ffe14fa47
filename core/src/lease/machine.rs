//! The machine: the pod's lease, its claims and its tracks. Events enter here and go to the handler of their subject.

use std::time::Duration;

use super::action::Action;
use super::claim::Claim;
use super::claiming::ClaimHandler;
use super::config::Config;
use super::event::{Event, Failure};
use super::evidence::Evidence;
use super::phase::{Phase, PodLease};
use super::release::ReleaseHandler;
use super::renewing::RenewHandler;
use super::reserving::{self, ReserveHandler};
use super::silence::SilenceHandler;
use super::status::{ClaimStatus, StatusReader};
use super::together::{needed_ttl, shortest_validity};
use super::track::{ClaimTrack, Pace, Track};
use super::view::PoolView;
use crate::claim::Fence;
use crate::pool::PoolName;
use crate::time::{BootInstant, Now, UnixMillis};
use crate::time_limits::TimeLimits;

/// Between two attempts at a release. A process that is to end has a second for it and asks the next member soon, but
/// not in a busy loop.
const RELEASE_RETRY: Duration = Duration::from_millis(10);

/// A pod without a claim waits so long for an answer, after one that came too late. etcd itself gives a request up
/// after 7 s, so a longer wait brings no answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The lease and claims of one pod.
#[derive(Clone, Debug)]
pub struct Machine {
    pub(super) config: Config,
    mode: Mode,
    lease: Option<PodLease>,
    /// In byte order of the pools' names.
    claims: Vec<Claim>,
    epoch: i64,
    evidence: Evidence,
    claiming: ClaimTrack,
    renewing: Track,
    reserving: Track,
    pace: Pace,
}

/// What the machine is about.
#[derive(Clone, Debug)]
enum Mode {
    Running,
    /// There will be no name, for this reason. What is left is to leave the queue.
    Failing(String),
    /// The app has ended: give everything back.
    Terminating,
    Ended,
}

// === impl Machine ===

impl Machine {
    /// A machine that has not begun.
    pub fn new(config: Config) -> Self {
        let mut names = config.pools.clone();
        names.sort();
        names.dedup();
        let claim = |name: PoolName| {
            let before = config.inherited(&name).cloned();
            Claim::new(name, before)
        };
        Self {
            mode: Mode::Running,
            lease: None,
            claims: names.into_iter().map(claim).collect(),
            epoch: 0,
            evidence: Evidence::default(),
            claiming: ClaimTrack::default(),
            renewing: Track::default(),
            reserving: Track::default(),
            pace: Pace::new(&config.holder.uid),
            config,
        }
    }

    /// Takes one event in and says what to do.
    pub fn step(&mut self, now: Now, event: Event) -> Vec<Action> {
        let mut out = Vec::new();
        if let Mode::Ended = self.mode {
            return out;
        }
        self.take_clocks(now);
        self.route(now, event, &mut out);
        if !self.note_end(&out) {
            self.next(now, &mut out);
        }
        out
    }

    /// The next instant at which something changes by itself. Wake up then, and send [`Event::Tick`].
    pub fn wake_at(&self, now: Now) -> Option<BootInstant> {
        let tracks = [self.claiming.until(), self.renewing.until()].into_iter().flatten();
        let believable = self.claims.iter().filter_map(|claim| claim.phase().believable());
        let deadlines = believable.filter_map(|held| self.evidence.deadline(held));
        let reserve = reserving::due_at(self.reserving, &self.claims, now);
        tracks.chain(deadlines).chain(reserve).filter(|instant| *instant > now.boot).min()
    }

    /// Every claim at this instant, in the user's order of pools.
    pub fn statuses(&self, now: Now) -> Vec<ClaimStatus> {
        let reader = StatusReader { config: &self.config, evidence: &self.evidence, now };
        let claim = |pool: &PoolName| self.claims.iter().find(|claim| claim.pool().name() == pool);
        let claims = self.config.pools.iter().filter_map(claim);
        claims.map(|claim| reader.status(claim)).collect()
    }

    /// The lease TTL that the pod's pools need.
    pub fn needed_ttl(&self) -> Duration {
        needed_ttl(&self.claims)
    }

    /// How long one attempt at one etcd member may take: a sixth of the validity, so that the next member is asked
    /// while the claim is still believed. A pod that has no claim loses nothing by a late answer, so it waits longer
    /// after an attempt that had none. A release never waits longer, and neither does a process that had claims before.
    pub fn time_limits(&self) -> TimeLimits {
        let first = shortest_validity(&self.claims) / 6;
        let has_none = |claim: &Claim| matches!(claim.phase(), Phase::Pending(_));
        let waits = matches!(self.mode, Mode::Running)
            && self.config.inherited.is_empty()
            && self.claims.iter().all(has_none);
        TimeLimits { first, longest: if waits { first.max(PATIENCE) } else { first } }
    }

    /// Takes note of the latest timestamp that was minted under a claim, for its release.
    pub fn note_minted(&mut self, pool: &PoolName, fence: Fence, until: UnixMillis) {
        let claim = self.claims.iter_mut().find(|claim| claim.pool().name() == pool);
        let held = |claim: &&mut Claim| claim.phase().held().is_some_and(|h| h.fence == fence);
        if let Some(claim) = claim.filter(held) {
            claim.time_mut().note_minted(until);
        }
    }

    fn route(&mut self, now: Now, event: Event, out: &mut Vec<Action>) {
        let terminating = matches!(self.mode, Mode::Terminating);
        match event {
            Event::Start | Event::Tick => {}
            Event::Silent(silent) => self.silence().note(silent),
            Event::Terminate => {
                self.mode = Mode::Terminating;
                // Nothing is waited for any more: the release follows at once.
                self.claiming.hurry();
            }
            // The release has been told until when the claim may be believed: nothing prolongs that.
            Event::Renewed(_) if terminating => self.renewing.finish(),
            Event::Renewed(renewal) => {
                self.renewing.finish();
                if !self.renew(now, out).on_renewed(&renewal) {
                    self.lose_lease(now, "the lease ran out before it was renewed");
                }
            }
            Event::RenewingFailed { overloaded } => self.renew(now, out).on_failed(overloaded),
            Event::Reserved(answer) => self.reserve(now, out).on_answer(answer),
            Event::ReservingFailed => self.reserve(now, out).on_failed(),
            Event::Woken => self.claim(now, out).queue().on_woken(),
            Event::WatchEnded => self.claim(now, out).queue().on_watch_ended(),
            Event::ClaimingFailed(failure) => self.on_claiming_failed(now, &failure),
            Event::Begun(granted, view) => {
                self.lease = Some(PodLease::new(granted, false));
                self.renew(now, out).on_granted(granted.sent);
                self.on_view(now, &view, out);
            }
            Event::Viewed(view) => self.on_view(now, &view, out),
            Event::Defined | Event::Settled => self.claiming.answered(),
            Event::Claimed(won) => self.claim(now, out).on_claimed(won),
            Event::Conflict => self.claim(now, out).on_conflict(),
            Event::Queued(queued) => self.claim(now, out).queue().on_queued(queued),
            Event::Origin(origin) => self.claim(now, out).queue().on_origin(origin),
            Event::Past(past) => self.claim(now, out).queue().on_past(past, terminating),
            Event::LeftQueue => self.claim(now, out).queue().on_left(),
            Event::Resumed(resumed) => self.claim(now, out).resume().on_resumed(resumed),
            Event::Adopted(adopted) => self.claim(now, out).resume().on_adopted(adopted),
            Event::Released(done) => self.release(now, out).on_released(done),
        }
    }

    /// Lets each idle track send its next request.
    fn next(&mut self, now: Now, out: &mut Vec<Action>) {
        if self.claiming.is_due(now.boot) {
            self.next_on_claiming(now, out);
        }
        if self.note_end(out) {
            return;
        }
        if self.claiming.is_watching() {
            self.claim(now, out).queue().unwatch();
        }
        if let Mode::Terminating = self.mode {
            return;
        }
        if self.renewing.is_due(now.boot) {
            self.renew(now, out).next();
        }
        if self.reserving.is_due(now.boot) {
            self.reserve(now, out).next();
        }
    }

    fn next_on_claiming(&mut self, now: Now, out: &mut Vec<Action>) {
        match &self.mode {
            Mode::Running => {}
            Mode::Failing(why) => {
                let why = why.clone();
                return self.release(now, out).next_failure(&why);
            }
            Mode::Terminating => return self.release(now, out).next(),
            Mode::Ended => return,
        }
        self.silence().give_up();
        let position =
            |wanted: fn(&Phase) -> bool| self.claims.iter().position(|claim| wanted(claim.phase()));
        if let Some(index) = position(|phase| matches!(phase, Phase::Yielding(_))) {
            self.release(now, out).give_back(index);
        } else if let Some(index) = position(|phase| matches!(phase, Phase::Adopting(_)))
            && self.lease.is_some()
        {
            self.claim(now, out).resume().adopt(index);
        } else {
            self.claim(now, out).next();
        }
    }

    /// A handler ends the machine with its last action. True when it has ended.
    fn note_end(&mut self, out: &[Action]) -> bool {
        if let Some(Action::Finish(_)) = out.last() {
            self.mode = Mode::Ended;
        }
        matches!(self.mode, Mode::Ended)
    }

    fn take_clocks(&mut self, now: Now) {
        if self.lease.is_none() {
            self.evidence.settle_clocks(now);
        } else if self.evidence.compare_clocks(now, shortest_validity(&self.claims) / 3) {
            // At once: until a renewal has answered nothing is believed.
            self.renewing.hurry();
        }
    }

    fn on_view(&mut self, now: Now, view: &PoolView, out: &mut Vec<Action>) {
        let terminating = matches!(self.mode, Mode::Terminating);
        if let Some(why) = self.claim(now, out).on_view(view, terminating) {
            self.mode = Mode::Failing(why);
        }
    }

    fn on_claiming_failed(&mut self, now: Now, failure: &Failure) {
        self.claiming.failed();
        if failure.lease_gone {
            self.lose_lease(now, &failure.message);
        }
        let claim = self.claims.get_mut(self.claiming.current());
        if let Some(claim) = claim.filter(|claim| claim.phase().wants()) {
            claim.request_failed(&failure.message);
        }
        if let Mode::Terminating = self.mode {
            self.claiming.wait_until(now.boot.after(RELEASE_RETRY));
        } else {
            self.claiming.pause(now.boot, &self.pace);
        }
    }

    /// The lease is known to be gone, and every slot with it.
    fn lose_lease(&mut self, now: Now, why: &str) {
        self.lease = None;
        self.renewing.finish();
        self.claiming.hurry();
        for claim in &mut self.claims {
            let held = claim.phase().held();
            let live = held.is_some_and(|held| self.evidence.is_live(held, now));
            claim.lose_lease(live, why);
        }
    }

    fn claim<'m>(&'m mut self, now: Now, out: &'m mut Vec<Action>) -> ClaimHandler<'m> {
        ClaimHandler {
            config: &self.config,
            now,
            claims: &mut self.claims,
            lease: &mut self.lease,
            epoch: &mut self.epoch,
            evidence: &mut self.evidence,
            track: &mut self.claiming,
            renewing: &mut self.renewing,
            pace: &mut self.pace,
            out,
        }
    }

    fn silence(&mut self) -> SilenceHandler<'_> {
        SilenceHandler { claims: &mut self.claims, track: &mut self.claiming }
    }

    fn release<'m>(&'m mut self, now: Now, out: &'m mut Vec<Action>) -> ReleaseHandler<'m> {
        ReleaseHandler {
            config: &self.config,
            now,
            claims: &mut self.claims,
            lease: self.lease,
            evidence: &self.evidence,
            track: &mut self.claiming,
            out,
        }
    }

    fn renew<'m>(&'m mut self, now: Now, out: &'m mut Vec<Action>) -> RenewHandler<'m> {
        RenewHandler {
            config: &self.config,
            now,
            claims: &mut self.claims,
            lease: &mut self.lease,
            epoch: self.epoch,
            evidence: &mut self.evidence,
            track: &mut self.renewing,
            claiming: &mut self.claiming,
            pace: &mut self.pace,
            out,
        }
    }

    fn reserve<'m>(&'m mut self, now: Now, out: &'m mut Vec<Action>) -> ReserveHandler<'m> {
        ReserveHandler {
            config: &self.config,
            now,
            lease_ttl: self.lease.map(PodLease::ttl).unwrap_or_default(),
            retry: now.boot.after(self.pace.retry(self.claiming.failures())),
            claims: &mut self.claims,
            track: &mut self.reserving,
            renewing: &mut self.renewing,
            out,
        }
    }
}
