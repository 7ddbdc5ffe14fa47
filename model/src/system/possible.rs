//! Which steps are possible.

use crate::action::{Action, Drift};
use crate::config::Config;
use crate::key::{Key, Pod};
use crate::process::{Phase, Process};
use crate::request::Request;
use crate::rule::Rule;
use crate::system::SystemState;
use crate::txn::Value;

impl SystemState {
    /// Every step that is possible, faults included.
    pub(crate) fn enabled(&self, config: &Config, actions: &mut Vec<Action>) {
        self.benign(config, actions);
        for (pod, index, process) in self.processes() {
            self.faults_of(pod, index, process, actions);
            if config.clock {
                self.clock_of(config, pod, index, process, actions);
            }
        }
        actions.extend((0..self.late_requests.len()).map(Action::Land));
        for pod in config.every_pod() {
            self.starts_of(pod, actions);
        }
        self.administration(config, actions);
        self.drifts(config, actions);
        if self.may_tick(1) {
            actions.push(Action::Tick(Drift::None));
        }
    }

    /// Whether this number of ticks of the store's clock ends no more leases of processes than stalls
    /// are allowed.
    fn may_tick(&self, ticks: u8) -> bool {
        self.stalling(ticks) <= usize::from(self.faults.stalls)
    }

    /// The number of processes that would lose their leases.
    pub(super) fn stalling(&self, ticks: u8) -> usize {
        let loses = |process: &Process| {
            process.has_begun()
                && !process.terminating
                && process.lease.is_some_and(|lease| self.store.runs_out(lease, ticks))
        };
        self.processes().filter(|(_, _, process)| loses(process)).count()
    }

    /// The steps without a fault, except the passing of time.
    pub(crate) fn benign(&self, config: &Config, actions: &mut Vec<Action>) {
        for (pod, index, process) in self.processes() {
            if process.call.is_some() {
                actions.push(Action::Deliver(pod, index));
            }
            match &process.pair {
                Some(pair) => {
                    if pair.is_answered() {
                        actions.push(Action::Renewed(pod, index));
                    }
                    if pair.kept.is_none() {
                        actions.push(Action::KeepAlive(pod, index));
                    }
                    if pair.seen.is_none() {
                        actions.push(Action::ReadSlots(pod, index));
                    }
                }
                None if process.may_renew() => actions.push(Action::Renew(pod, index)),
                None => {}
            }
            if process.wants_reread(&self.context(config, pod)).is_some() {
                actions.push(Action::Reread(pod, index));
            }
        }
        for (key, entry) in self.store.keys() {
            if let (Key::Quarantine(pool, name), Value::Unsettled(_)) = (key, entry.value) {
                actions.push(Action::Settle(pool, name));
            }
        }
    }

    fn faults_of(&self, pod: Pod, index: usize, process: &Process, actions: &mut Vec<Action>) {
        if let Some(call) = &process.call {
            let writes = call.request.writes();
            if self.faults.timeouts > 0 {
                // A read without an answer and a lost grant have the same effect as late ones.
                if writes || call.request == Request::Begin {
                    actions.push(Action::LoseAnswer(pod, index));
                }
                if writes {
                    actions.push(Action::GiveUp(pod, index));
                }
            }
            if self.faults.duplicates > 0 && writes {
                actions.push(Action::Duplicate(pod, index));
            }
            if matches!(call.request, Request::ReadAt { .. }) {
                actions.push(Action::RefusePastRead(pod, index));
            }
        }
        if process.pair.is_some() && self.faults.timeouts > 0 {
            actions.push(Action::DropPair(pod, index));
        }
        let waits = |wait: fn(&crate::process::Wait) -> bool| {
            process.claims.iter().any(|claim| match &claim.phase {
                Phase::Waiting(state) => wait(state),
                _ => false,
            })
        };
        if self.faults.broken_watches > 0 && waits(|wait| !wait.watch_broken) {
            actions.push(Action::BreakWatch(pod, index));
        }
        if self.faults.crashes > 0 {
            actions.push(Action::Crash(pod, index));
        }
        if self.faults.releases > 0
            && !process.terminating
            && process.claims.iter().any(|claim| claim.held().is_some())
        {
            actions.push(Action::Terminate(pod, index));
        }
        if self.faults.interrupts > 0
            && !process.terminating
            && process.claims.iter().any(|claim| claim.held().is_some())
        {
            actions.push(Action::Interrupt(pod, index));
        }
    }

    fn clock_of(
        &self,
        config: &Config,
        pod: Pod,
        index: usize,
        process: &Process,
        actions: &mut Vec<Action>,
    ) {
        if process.may_reserve(config.wall(pod)) {
            actions.push(Action::Reserve(pod, index));
        }
        if self.next_timestamp(config, pod, index).is_some() {
            actions.push(Action::Emit(pod, index));
        }
    }

    fn starts_of(&self, pod: Pod, actions: &mut Vec<Action>) {
        let Some(state) = self.pods.get(usize::from(pod)) else { return };
        let starts = match state.processes.len() {
            0 => self.faults.restarts > 0 && !state.over,
            1 => self.faults.twins > 0,
            _ => false,
        };
        if starts {
            actions.push(Action::Start(pod));
        }
    }

    fn administration(&self, config: &Config, actions: &mut Vec<Action>) {
        if self.faults.force_releases > 0 {
            actions.extend(self.store.keys().filter_map(|(key, _)| match key {
                Key::Slot(pool, name) => Some(Action::ForceRelease(pool, name)),
                _ => None,
            }));
        }
        for (pool, edits) in (0..).zip(&self.edits) {
            if self.faults.edits > 0 && config.spec(pool, edits + 1).is_some() {
                actions.push(Action::EditSpec(pool));
            }
            if self.faults.repeated_puts > 0 && !config.keeps(Rule::SpecPutOnlyWhenDifferent) {
                actions.push(Action::PutSpecAgain(pool));
            }
            if self.faults.freezes > 0 {
                actions.push(Action::Freeze(pool));
            }
        }
        if config.revisions_regress && self.store.may_meet() && self.remembers_future() {
            actions.push(Action::MeetRevisions);
        }
        if self.faults.wipes > 0 {
            actions.push(Action::Wipe);
        }
        if self.faults.restores > 0 {
            actions.push(if self.snapshot.is_some() { Action::Restore } else { Action::Snapshot });
        }
    }

    fn drifts(&self, config: &Config, actions: &mut Vec<Action>) {
        for pod in config.every_pod().filter(|_| self.may_tick(1)) {
            if self.faults.slow > 0 {
                actions.push(Action::Tick(Drift::Slow(pod)));
            }
            if self.faults.sleeps > 0 && !config.keeps(Rule::ClockCountsSleep) {
                actions.push(Action::Tick(Drift::Asleep(pod)));
            }
        }
        if self.faults.fast > 0 && self.may_tick(2) {
            actions.push(Action::Tick(Drift::Fast));
        }
    }
}
