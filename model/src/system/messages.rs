//! Requests and answers: delivered, lost, given up, repeated, late.

use crate::belief::Belief;
use crate::config::Config;
use crate::key::{Key, Name, Pod};
use crate::process::{Context, Effect, Process, Watch};
use crate::protocol;
use crate::request::{Caller, LateRequest, Request};
use crate::rule::Rule;
use crate::store::{Event, LeaseNotFound};
use crate::system::{SavedClaim, SystemState};
use crate::txn::{LeaseId, TxnReply, Value};

impl SystemState {
    pub(super) fn deliver(&mut self, config: &Config, pod: Pod, index: usize) {
        let Some((caller, request)) = self.in_flight(pod, index) else { return };
        match self.perform(config, caller, &request) {
            Some(reply) => {
                self.with(config, pod, index, |process, context| process.answered(context, reply));
            }
            None => self.refuse_past_read(config, pod, index),
        }
    }

    pub(super) fn lose_answer(&mut self, config: &Config, pod: Pod, index: usize) {
        self.faults.timeouts -= 1;
        let Some((caller, request)) = self.in_flight(pod, index) else { return };
        self.perform(config, caller, &request);
        self.unanswered(config, pod, index);
    }

    pub(super) fn give_up(&mut self, config: &Config, pod: Pod, index: usize) {
        self.faults.timeouts -= 1;
        let Some((caller, request)) = self.in_flight(pod, index) else { return };
        self.send_late(caller, request);
        self.unanswered(config, pod, index);
    }

    pub(super) fn duplicate(&mut self, config: &Config, pod: Pod, index: usize) {
        self.faults.duplicates -= 1;
        let Some((caller, request)) = self.in_flight(pod, index) else { return };
        self.send_late(caller, request);
        self.deliver(config, pod, index);
    }

    pub(super) fn refuse_past_read(&mut self, config: &Config, pod: Pod, index: usize) {
        self.with(config, pod, index, |process, _| {
            if let Some(call) = &mut process.call {
                call.request = Request::Read;
            }
            Vec::new()
        });
    }

    pub(super) fn land(&mut self, config: &Config, index: usize) {
        let LateRequest { caller, request } = self.late_requests.remove(index);
        self.perform(config, caller, &request);
    }

    /// The keepalive of a pair lands.
    pub(super) fn keep_alive(&mut self, config: &Config, pod: Pod, index: usize) {
        let lease = self.process(pod, index).and_then(|process| process.lease);
        let kept = lease.is_some_and(|lease| self.store.keep_alive(lease));
        self.with(config, pod, index, |process, context| process.kept(context, kept));
    }

    /// The read of a pair lands.
    pub(super) fn read_slots(&mut self, config: &Config, pod: Pod, index: usize) {
        self.with(config, pod, index, |process, context| {
            process.read_slots(context);
            Vec::new()
        });
    }

    /// A pair is sent. Unless its halves are split, it lands and is answered at once.
    pub(super) fn renew(&mut self, config: &Config, pod: Pod, index: usize) {
        self.with(config, pod, index, |process, _| {
            process.renew();
            Vec::new()
        });
        if !config.split {
            self.read_slots(config, pod, index);
            self.keep_alive(config, pod, index);
        }
    }

    pub(super) fn drop_pair(&mut self, config: &Config, pod: Pod, index: usize) {
        self.faults.timeouts -= 1;
        self.with(config, pod, index, |process, _| {
            process.pair = None;
            Vec::new()
        });
    }

    /// The request in flight, with its caller.
    pub(super) fn in_flight(&self, pod: Pod, index: usize) -> Option<(Caller, Request)> {
        let process = self.process(pod, index)?;
        let call = process.call.as_ref()?;
        Some((process.caller(pod, call.pool), call.request.clone()))
    }

    /// Keeps a request that may land late. Nobody waits for its answer.
    pub(super) fn send_late(&mut self, caller: Caller, request: Request) {
        if request.writes() {
            self.late_requests.push(LateRequest { caller, request });
        }
    }

    /// Lets a process act, and applies its effects.
    pub(super) fn with(
        &mut self,
        config: &Config,
        pod: Pod,
        index: usize,
        act: impl FnOnce(&mut Process, &Context<'_>) -> Vec<Effect>,
    ) {
        let Some(mut process) = self.process(pod, index).cloned() else { return };
        let effects = act(&mut process, &self.context(config, pod));
        for effect in &effects {
            self.affect(config, pod, &process, *effect);
        }
        if let Some(state) = self.pods.get_mut(usize::from(pod)) {
            if effects.contains(&Effect::Exit) {
                state.over |= process.terminating && !process.interrupted;
                state.processes.remove(index);
            } else if let Some(slot) = state.processes.get_mut(index) {
                *slot = process;
            }
        }
    }

    fn affect(&mut self, config: &Config, pod: Pod, process: &Process, effect: Effect) {
        let Some(state) = self.pods.get_mut(usize::from(pod)) else { return };
        match effect {
            Effect::Believe { pool, name, left, quarantine } => {
                let mut former = state.beliefs.iter().filter(|belief| belief.pool == pool);
                let renamed = former.any(|belief| belief.unending && !belief.is_about(pool, name));
                self.verdict.renamed |= renamed;
                if config.saved_claims {
                    state.saved_claims.retain(|saved| saved.pool != pool);
                    state.saved_claims.push(SavedClaim { pool, name, believed: true });
                    state.saved_claims.sort_unstable_by_key(|saved| saved.pool);
                }
                state.beliefs.retain(|belief| belief.pool != pool);
                state.beliefs.push(Belief::new(pool, name, left, quarantine));
                state.beliefs.sort_unstable_by_key(|belief| belief.pool);
            }
            Effect::Forget(pool) => state.beliefs.retain(|belief| belief.pool != pool),
            Effect::Grant(quarantine, ticks) => self.store.grant(quarantine, ticks),
            Effect::Revoke(lease) => {
                // Without another late request on that lease it makes no difference when the revocation lands.
                if self.late_requests.iter().any(|late| late.caller.lease == Some(lease)) {
                    self.send_late(process.caller(pod, 0), Request::Revoke(lease));
                } else {
                    self.store.revoke(lease);
                }
            }
            Effect::Exit => {}
        }
    }

    fn unanswered(&mut self, config: &Config, pod: Pod, index: usize) {
        self.with(config, pod, index, Process::unanswered);
    }

    /// A request reaches the store. `None` when it reads a revision that the store does not have.
    fn perform(
        &mut self,
        config: &Config,
        caller: Caller,
        request: &Request,
    ) -> Option<Result<TxnReply, LeaseNotFound>> {
        let pool = caller.pool;
        match request {
            Request::Begin => {
                if let Some(lease) = caller.lease {
                    let ttl = self.ttl(config, caller.pod);
                    self.store.grant(lease, ttl);
                }
            }
            Request::ReadAt { ticket, .. } => {
                return self.store.read_at(*ticket).map(Ok);
            }
            Request::Revoke(lease) => {
                self.store.revoke(*lease);
                return Some(Ok(TxnReply::default()));
            }
            Request::ForceRelease { name, .. }
                if !config.keeps(Rule::ForceReleaseSparesTheLease) =>
            {
                let slot = self.store.get(Key::Slot(pool, *name));
                if let Some(lease) = slot.and_then(|slot| slot.lease) {
                    let reply = self.store.txn(&protocol::txn(config, caller, request)?);
                    self.store.revoke(lease);
                    return Some(reply);
                }
            }
            _ => {}
        }
        let free = self.free(config, pool);
        let reply = self.store.txn(&protocol::txn(config, caller, request)?);
        if let Ok(reply) = &reply {
            self.judge(config, caller, request, reply, free);
            if let (Request::Release { name, .. }, true) = (request, reply.succeeded && config.keep)
            {
                self.lives_on(caller, *name);
            }
        }
        Some(reply)
    }

    /// A slot of a `Keep` pool was released. An app that still uses the name never stops using it.
    fn lives_on(&mut self, caller: Caller, name: Name) {
        let state = self.pods.get_mut(usize::from(caller.pod));
        for belief in state.into_iter().flat_map(|state| &mut state.beliefs) {
            if belief.is_about(caller.pool, name) && belief.holds() {
                belief.unending = true;
            }
        }
    }

    /// S: the largest of the pod's pools.
    fn ttl(&self, config: &Config, pod: Pod) -> u8 {
        let pools = config.pods.get(usize::from(pod)).into_iter().flatten();
        let spec = |pool: &u8| match self.store.get(Key::Spec(*pool)).map(|entry| entry.value) {
            Some(Value::Spec(spec)) => Some(spec.ttl),
            _ => config.spec(*pool, 0).map(|spec| spec.ttl),
        };
        pools.filter_map(spec).max().unwrap_or_default()
    }

    /// A lease of this pod that is not in use, and that no process, request or snapshot refers to.
    pub(super) fn fresh_lease(&self, pod: Pod) -> LeaseId {
        let used = |id: LeaseId| {
            let of_process = self
                .pods
                .get(usize::from(pod))
                .into_iter()
                .flat_map(|state| state.processes.iter().filter_map(|process| process.lease));
            let of_late_requests = self.late_requests.iter().filter_map(|late| late.caller.lease);
            let of_store = self.store.leases();
            let past = self.snapshot.iter().flat_map(|store| store.leases());
            of_process.chain(of_late_requests).chain(of_store).chain(past).any(|other| other == id)
        };
        let number = (0..u8::MAX).find(|number| !used(LeaseId::Pod(pod, *number)));
        LeaseId::Pod(pod, number.unwrap_or(u8::MAX))
    }

    /// Notifies the waiters of changes.
    pub(super) fn notify(&mut self, config: &Config) {
        let reset = config.keeps(Rule::IdleEndsWithSpecAndFreeze);
        for event in self.store.take_events() {
            let (Event::Created(key) | Event::Changed(key) | Event::Deleted(key)) = event;
            let (pool, rules) = match key {
                Key::Spec(pool) | Key::Freeze(pool) => (pool, true),
                _ => match key.watched_in() {
                    Some(pool) => (pool, false),
                    None => continue,
                },
            };
            let deleted = matches!(event, Event::Deleted(_));
            for process in self.pods.iter_mut().flat_map(|state| &mut state.processes) {
                let Some(wait) = process.waits_in_mut(pool) else { continue };
                wait.changed |= !rules || reset;
                let seen = match wait.watch {
                    Watch::Queue => rules || deleted,
                    Watch::Ticket(Some(pod)) => rules || (deleted && key == Key::Ticket(pool, pod)),
                    Watch::Ticket(None) => rules,
                };
                wait.woken |= seen && !wait.watch_broken;
            }
        }
    }
}
