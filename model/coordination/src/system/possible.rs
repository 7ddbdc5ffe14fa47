//! What may happen in a state.

use super::{PodState, SystemState};
use crate::action::Action;
use crate::config::Config;
use crate::place::{Pod, ProcessId, Shard};
use crate::process::{Process, Renewal, Renewed, Use};
use crate::rule::Rule;
use crate::write::InFlight;

impl SystemState {
    /// Every step that is possible.
    pub(crate) fn enabled(&self, config: &Config, actions: &mut Vec<Action>) {
        for pod in config.every_pod() {
            self.of_pod(pod, actions);
            for id in pod.processes() {
                if let Some(process) = self.process(id) {
                    self.of_process(config, id, process, actions);
                }
            }
        }
        self.of_writes(actions);
        self.of_store(config, actions);
        actions.push(Action::Tick);
    }

    fn of_pod(&self, pod: Pod, actions: &mut Vec<Action>) {
        let PodState { processes, .. } = &self.pods[pod];
        let twin = processes.has_room() && self.faults.twins > 0;
        if processes.older.is_none() || twin {
            actions.push(Action::Start(pod));
        }
        if self.faults.drops > 0 && self.store.members[pod].is_some() {
            actions.push(Action::Drop(pod));
        }
        if self.dropped[pod] {
            actions.push(Action::Readmit(pod));
        }
        if self.faults.expiries > 0 && self.store.members[pod].is_some() {
            actions.push(Action::Expire(pod));
        }
    }

    fn of_process(
        &self,
        config: &Config,
        id: ProcessId,
        process: &Process,
        actions: &mut Vec<Action>,
    ) {
        let faults = &self.faults;
        if faults.crashes > 0 {
            actions.push(Action::Crash(id));
        }
        if faults.slow > 0 {
            actions.push(Action::TickSlow(id));
        }
        if faults.fast > 0 {
            actions.push(Action::TickFast(id));
        }
        let defined = self.store.epoch != 0 || !config.keeps(Rule::NothingWithoutEpoch);
        match process.waiting {
            None if process.session.is_none() && defined && !self.store.out[id.pod] => {
                actions.push(Action::Enter(id));
            }
            Some(write) if !self.writes.iter().any(|other| other.write == write) => {
                actions.push(Action::Repeat(id));
            }
            _ => {}
        }
        if process.session.is_some() {
            self.of_renewal(config, id, process, actions);
            self.of_app(config, id, process, actions);
            if process.waiting.is_none() {
                self.of_session(config, id, process, actions);
            }
        }
        if self.confirmation.is_some_and(|confirmation| confirmation.pod == id.pod) {
            actions.push(Action::ConfirmLate(id));
        }
    }

    fn of_renewal(
        &self,
        config: &Config,
        id: ProcessId,
        process: &Process,
        actions: &mut Vec<Action>,
    ) {
        if config.split_renewals {
            actions.push(match process.renewal {
                None => Action::SendRenewal(id),
                Some(Renewal { seen: None, .. }) => Action::ReadRenewal(id),
                Some(_) => Action::AnswerRenewal(id),
            });
        } else if process.deadline < process.validity
            || process.check(config, &self.store) != Renewed::Good
            || !config.keeps(Rule::ReadsFollowResume)
        {
            actions.push(Action::Renew(id));
        }
        if self.faults.late_reads > 0 && process.read.is_none() {
            actions.push(Action::Read(id));
        }
        if !config.keeps(Rule::DelayFromReceipt) && process.asked.is_none() {
            actions.push(Action::Ask(id));
        }
        let silent = config.heartbeat > self.pods[id.pod].heartbeat
            || process.heartbeat.is_some_and(|left| left < config.heartbeat);
        if silent {
            actions.push(Action::Beat(id));
        }
        if process.read.is_some() {
            actions.push(Action::AnswerRead(id));
        }
    }

    fn of_app(&self, config: &Config, id: ProcessId, process: &Process, actions: &mut Vec<Action>) {
        for shard in config.every_shard() {
            match process.uses[shard] {
                Use::Serving(_) if process.may_stop(config, &self.store, shard) => {
                    actions.push(Action::Stop(id, shard));
                }
                Use::None | Use::Serving(_) => {}
                Use::Stopping(stopping) => {
                    if !stopping.confirmed {
                        actions.push(Action::Confirm(id, shard));
                        if self.faults.late_confirmations > 0 && self.confirmation.is_none() {
                            actions.push(Action::ConfirmTwice(id, shard));
                        }
                    }
                    let final_by =
                        if stopping.sent { Rule::SentIsFinal } else { Rule::StopIsFinal };
                    if !config.keeps(final_by) {
                        actions.push(Action::ServeAgain(id, shard));
                    }
                }
            }
        }
    }

    fn of_session(
        &self,
        config: &Config,
        id: ProcessId,
        process: &Process,
        actions: &mut Vec<Action>,
    ) {
        let store = &self.store;
        if self.faults.drains > 0 && !process.draining {
            actions.push(Action::Drain(id));
        }
        if self.faults.values > 0 && process.put_value(store, Shard::Zero, 0).is_some() {
            actions.push(Action::PutValue(id));
        }
        if self.faults.leaves > 0 {
            actions.push(Action::Leave(id));
        }
        if process.resize(config, store).is_some() {
            actions.push(Action::Resize(id));
        }
        for shard in config.every_shard() {
            if process.claim(config, store, shard).is_some() {
                actions.push(Action::Claim(id, shard));
            }
            for to in config.every_pod() {
                if process.hand_over(config, store, shard, to).is_some() {
                    actions.push(Action::HandOver(id, shard, to));
                }
            }
            if process.free(config, store, shard).is_some() {
                actions.push(Action::Free(id, shard));
            }
            if process.take_over(config, store, shard).is_some() {
                actions.push(Action::TakeOver(id, shard));
            }
        }
    }

    fn of_writes(&self, actions: &mut Vec<Action>) {
        let known = self.epochs > 1 && !self.writes.is_empty() && self.next_known().is_some();
        for (index, InFlight { copies, .. }) in self.writes.iter().enumerate() {
            actions.push(Action::Land(index));
            if known {
                actions.push(Action::LandAtKnown(index));
            }
            if self.faults.lost > 0 {
                actions.push(Action::LandUnanswered(index));
            }
            if self.faults.copies > 0 && *copies < 2 {
                actions.push(Action::Copy(index));
            }
        }
    }

    fn of_store(&self, config: &Config, actions: &mut Vec<Action>) {
        if self.faults.wipes > 0 {
            actions.push(Action::Wipe);
        }
        let two_steps = config.two_step_hold && self.faults.epochs > 0;
        if two_steps && !config.keeps(Rule::HoldIsSettledLater) && !self.hold_author.is_there() {
            actions.push(Action::GrantHold);
        }
        if self.is_unsettled() {
            actions.push(Action::SettleHold);
        }
        if self.store.epoch == 0 {
            actions.push(Action::Define);
        }
        if self.faults.restores > 0 {
            actions.push(match self.snapshot {
                None => Action::Snapshot,
                Some(_) => Action::Restore,
            });
        }
        if self.faults.epochs > 0 && self.may_move_epoch(config) {
            actions.push(Action::MoveEpoch);
        }
    }
}
