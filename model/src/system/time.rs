//! Ticks: on every pod's own clock, and on the store's. And the timestamps that holders emit.

use crate::action::Drift;
use crate::config::Config;
use crate::key::Pod;
use crate::process::{Held, Phase, Process};
use crate::request::Request;
use crate::system::SystemState;

/// How far ahead timestamps are reserved.
const WINDOW: i8 = 1;

impl SystemState {
    pub(super) fn tick(&mut self, config: &Config, drift: Drift) {
        let ticks = if drift == Drift::Fast { 2 } else { 1 };
        let stalling = u8::try_from(self.stalling(ticks)).unwrap_or(u8::MAX);
        self.faults.stalls = self.faults.stalls.saturating_sub(stalling);
        match drift {
            Drift::None => {}
            Drift::Slow(_) => self.faults.slow -= 1,
            Drift::Fast => self.faults.fast -= 1,
            Drift::Asleep(_) => self.faults.sleeps -= 1,
        }
        for pod in config.every_pod() {
            if drift == Drift::Slow(pod) || drift == Drift::Asleep(pod) {
                self.miss(pod);
            } else {
                self.age(config, pod);
            }
        }
        self.late_requests.iter_mut().for_each(|late| late.request.tick());
        self.timestamps.tick();
        self.store.tick(ticks);
    }

    /// A holder whose deadline has not passed emits the next timestamp of its name.
    pub(super) fn emit(&mut self, config: &Config, pod: Pod, index: usize) {
        let Some((held, instant)) = self.next_timestamp(config, pod, index) else { return };
        let (pool, name) = (held.0, held.1);
        let nonce = self.process(pod, index).map_or(0, |process| process.nonce);
        self.verdict.timestamp_repeated |= !self.timestamps.emit(pool, name, (pod, nonce), instant);
        let process =
            self.pods.get_mut(usize::from(pod)).and_then(|pod| pod.processes.get_mut(index));
        for claim in process.into_iter().flat_map(|process| &mut process.claims) {
            if let Phase::Held(Held { clock: Some(clock), .. }) = &mut claim.phase {
                clock.emitted = Some(instant);
            }
        }
    }

    /// The pool and name of the claim whose clock allows a timestamp, and the timestamp.
    pub(super) fn next_timestamp(
        &self,
        config: &Config,
        pod: Pod,
        index: usize,
    ) -> Option<((u8, u8), i8)> {
        let process = self.process(pod, index)?;
        let beliefs = &self.pods.get(usize::from(pod))?.beliefs;
        process.claims.iter().find_map(|claim| {
            let held = claim.held()?;
            let believed = beliefs.iter().any(|belief| {
                belief.is_about(claim.pool, held.name) && belief.holds() && held.verified
            });
            let instant = held.clock?.next(config.wall(pod)).filter(|_| believed)?;
            // A second timestamp of one instant adds no state.
            let fresh = held.clock?.emitted != Some(instant);
            fresh.then_some(((claim.pool, held.name), instant))
        })
    }

    fn age(&mut self, config: &Config, pod: Pod) {
        let count = self.pods.get(usize::from(pod)).map_or(0, |state| state.processes.len());
        for index in 0..count {
            self.with(config, pod, index, |process, context| {
                process.tick(context);
                Vec::new()
            });
        }
        if let Some(state) = self.pods.get_mut(usize::from(pod)) {
            state.beliefs.retain_mut(crate::belief::Belief::tick);
        }
    }

    fn miss(&mut self, pod: Pod) {
        if let Some(state) = self.pods.get_mut(usize::from(pod)) {
            state.processes.iter_mut().for_each(Process::oversleep);
        }
    }
}

impl Process {
    /// Whether it may reserve more timestamps.
    pub(crate) fn may_reserve(&self, now: i8) -> bool {
        self.call.is_none()
            && !self.terminating
            && self.claims.iter().any(|claim| {
                let clock = claim.held().and_then(|held| held.clock);
                clock.is_some_and(|clock| clock.stamp.until < now + WINDOW)
            })
    }

    /// Sends T4. It never reserves less than before, nor more than a window ahead of the clock.
    pub(crate) fn reserve(&mut self, context: &crate::process::Context<'_>) {
        let now = context.config.wall(context.pod);
        let next = self.claims.iter().find_map(|claim| {
            let held = claim.held()?;
            let clock = held.clock?;
            let until = clock.stamp.until.max(now + WINDOW);
            let request = Request::Reserve {
                name: held.name,
                own_mod_revision: held.own_mod_revision,
                seen: clock.stamp.revision,
                until,
            };
            Some((claim.pool, request))
        });
        if let Some((pool, request)) = next {
            self.call = Some(crate::process::Call { pool, request, age: 0, again: false });
        }
    }
}
