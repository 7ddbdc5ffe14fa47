//! One process of a pod: the session machine on the pod's clock, and the store's transactions behind a faulty link.
//!
//! It can be frozen and killed at any of its steps. Requests that it has sent go on without it.

mod planted;

use std::sync::Arc;

use cairn_core::claim::Fence;
use cairn_core::coordination::picture::Change;
use cairn_core::coordination::session::{Action, Command, Config, EndReason, Event, Machine};
use cairn_core::coordination::write::{WriteAnswer, WriteKind};
use cairn_core::time::BootInstant;
use cairn_store::Coordination;
use cairn_store::coordination::Watch;
use futures::StreamExt as _;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::bug::Bug;
use super::clock::MemberClock;
use super::input::Input;
use super::journal::{Journal, LeaderValue};
use super::link::Link;
use super::newer::Newer;
use super::slot::{Slot, Told};
use super::switches::Switches;
use crate::boottime;

/// Why a process has ended by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was to die at this step.
    Died,
    /// Its machine has ended.
    Finished(EndReason),
}

/// What a process is made of.
#[derive(Debug)]
pub struct Setup {
    /// The machine's.
    pub config: Config,
    /// The group, behind a link with the same switches.
    pub coordination: Coordination<Link>,
    /// The pod's clock.
    pub clock: MemberClock,
    /// The way to the app.
    pub slot: Slot,
    /// What the history does to it.
    pub switches: Arc<Switches>,
    /// The step after which it dies.
    pub dies_at: Option<u32>,
    /// The half step of its first hand-over at which it dies.
    pub dies_handing_over: Option<u32>,
    /// It is of the next release.
    pub newer: Option<Newer>,
    /// Where it is noted what was told and seen.
    pub journal: Journal,
    /// The planted bug.
    pub bug: Option<Bug>,
}

/// Whether a step's requests have left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Half {
    Before,
    After,
}

/// A running process. It is killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    inbox: UnboundedSender<Input>,
    task: Option<JoinHandle<Ended>>,
    switches: Arc<Switches>,
}

struct Driver {
    setup: Setup,
    machine: Machine,
    inbox: UnboundedSender<Input>,
    watch: Option<JoinHandle<()>>,
    watches: u64,
    steps: u32,
    /// How many of them since something was told to stop.
    handing_over: Option<u32>,
    /// The epoch, while the last write was a join.
    joins: Option<i64>,
}

// === impl Process ===

impl Process {
    /// Starts a process, and connects the app to it.
    pub fn start(setup: Setup) -> Self {
        let (inbox, outbox) = mpsc::unbounded_channel();
        let switches = Arc::clone(&setup.switches);
        setup.slot.connect(inbox.clone());
        let machine = Machine::new(setup.config.clone());
        let driver = Driver {
            setup,
            machine,
            inbox: inbox.clone(),
            watch: None,
            watches: 0,
            steps: 0,
            handing_over: None,
            joins: None,
        };
        let task = Some(tokio::spawn(driver.run(outbox)));
        Self { inbox, task, switches }
    }

    /// Tells it something.
    pub fn tell(&self, event: Event) {
        // A process that has ended hears nothing.
        let _ = self.inbox.send(Input::Event(event));
    }

    /// What the history does to it.
    pub fn switches(&self) -> &Switches {
        &self.switches
    }

    /// Why it has ended by itself; `None` while it runs.
    pub async fn ended(&mut self) -> Option<Ended> {
        let task = self.task.take_if(|task| task.is_finished())?;
        match task.await {
            Ok(ended) => Some(ended),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Some(Ended::Died),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

// === impl Driver ===

impl Driver {
    async fn run(mut self, mut outbox: UnboundedReceiver<Input>) -> Ended {
        let mut input = Input::Event(Event::Start);
        loop {
            self.setup.switches.running().await;
            let actions = self.take(input);
            self.steps += 1;
            let dies = self.setup.dies_at == Some(self.steps);
            let handing_over = self.note_hand_over();
            // It dies before its requests leave, or after.
            if dies && self.steps.is_multiple_of(2) || handing_over == Some(Half::Before) {
                return Ended::Died;
            }
            for action in actions {
                if let Some(reason) = self.carry_out(action) {
                    if reason == EndReason::Left {
                        self.publish();
                    }
                    return Ended::Finished(reason);
                }
            }
            if dies || handing_over == Some(Half::After) {
                return Ended::Died;
            }
            // It may be frozen between the step and what it tells the app.
            self.setup.switches.running().await;
            self.publish();
            input = self.wait(&mut outbox).await;
        }
    }

    /// Counts the steps of a hand-over. Answers when it is to die in this one.
    fn note_hand_over(&mut self) -> Option<Half> {
        let dies_at = self.setup.dies_handing_over?;
        let stops = !self.machine.status(self.setup.clock.now()).stopping.is_empty();
        let step = match self.handing_over {
            Some(step) => step + 1,
            None if stops => 0,
            None => return None,
        };
        self.handing_over = Some(step);
        if step != dies_at / 2 {
            return None;
        }
        self.setup.journal.with(|evidence| evidence.deaths.insert(dies_at));
        Some(if dies_at.is_multiple_of(2) { Half::Before } else { Half::After })
    }

    async fn wait(&self, outbox: &mut UnboundedReceiver<Input>) -> Input {
        let clock = self.setup.clock;
        let tick = Input::Event(Event::Tick);
        let Some(wake) = self.machine.wake_at(clock.now()) else {
            return outbox.recv().await.unwrap_or(tick);
        };
        let pause = boottime::between(boottime::now(), clock.at(wake));
        match timeout(pause, outbox.recv()).await {
            Ok(Some(input)) => input,
            Ok(None) | Err(_) => tick,
        }
    }

    fn take(&mut self, input: Input) -> Vec<Action> {
        let mut now = self.setup.clock.now();
        let mut event = match input {
            Input::Watched(watch, _) if watch != self.watches => return Vec::new(),
            Input::Event(event) | Input::Watched(_, event) => event,
            Input::Command(command) => {
                if command == Command::Heartbeat {
                    self.setup.slot.note_beat(now.boot);
                }
                // A refusal is an answer, too.
                let _ = self.machine.command(now, command);
                Event::Tick
            }
        };
        self.note_values(&event);
        let mut actions = Vec::new();
        if let Some(again) = self.setup.newer.as_mut().and_then(|newer| newer.event(&mut event)) {
            actions.extend(self.machine.step(now, again));
        }
        if let Some(bug) = self.setup.bug {
            actions.extend(self.before(bug, &mut now, &mut event));
        }
        actions.extend(self.machine.step(now, event));
        if let Some(bug) = self.setup.bug {
            actions.extend(self.after(bug, now));
        }
        if self.setup.newer.is_some() {
            actions.iter_mut().for_each(Newer::announce);
        }
        actions
    }

    /// The judge wants to know which values of the leader there were.
    fn note_values(&self, event: &Event) {
        let (Event::Changed(changes) | Event::Written(WriteAnswer::Refused(changes))) = event
        else {
            return;
        };
        for change in &changes.changes {
            if let Change::LeaderValue(Some(value)) = change {
                let Some(put) = LeaderValue::from_bytes(&value.value) else { continue };
                let at = Fence { epoch: put.under.epoch, revision: value.revision };
                self.setup.journal.with(|evidence| evidence.values.insert(at, put));
            }
        }
    }

    /// Answers with the reason when the machine has ended.
    fn carry_out(&mut self, action: Action) -> Option<EndReason> {
        match action {
            Action::Finish(reason) => return Some(reason),
            Action::Unwatch => self.unwatch(),
            Action::Watch { from, shards, progress, elsewhere } => {
                self.unwatch();
                let watch = Watch { from, shards, progress, elsewhere };
                self.watch = Some(self.watch(watch));
            }
            action => {
                if let Action::Write(write) = &action {
                    let joins = matches!(write.kind, WriteKind::Join { .. });
                    self.joins = joins.then_some(write.epoch);
                }
                let coordination = self.setup.coordination.clone();
                let inbox = self.inbox.clone();
                let sent = self.setup.clock.now().boot;
                tokio::spawn(async move {
                    let performed = Box::pin(coordination.perform(sent, action)).await;
                    if let Some(event) = performed.event {
                        let _ = inbox.send(Input::Event(event));
                    }
                });
            }
        }
        None
    }

    fn watch(&self, watch: Watch) -> JoinHandle<()> {
        let (number, inbox) = (self.watches, self.inbox.clone());
        let mut changes = Box::pin(self.setup.coordination.watch(watch));
        tokio::spawn(async move {
            while let Some(found) = changes.next().await {
                let event = match found {
                    Ok(changes) => Event::Changed(changes),
                    Err(error) => Event::WatchEnded(error.report()),
                };
                let _ = inbox.send(Input::Watched(number, event));
            }
        })
    }

    fn unwatch(&mut self) {
        self.watches += 1;
        if let Some(watch) = self.watch.take() {
            watch.abort();
        }
    }

    fn publish(&self) {
        let Setup { config, clock, slot, journal, bug, .. } = &self.setup;
        let map = config.terms.map.map_or(0, |map| map.shards);
        let now = clock.now();
        let mut told = Told::of(&self.machine.status(now), map);
        if *bug == Some(Bug::OneFence) {
            told.serving.iter_mut().for_each(|(_, fence)| fence.revision = 1);
        }
        if let Some(heartbeat) = config.terms.heartbeat {
            let limit =
                slot.last_beat().map_or_else(BootInstant::default, |at| at.after(heartbeat));
            if told.valid_until > limit && told.valid_until > now.boot {
                let text = format!("{} was told {:?}, not {limit:?}", config.uid, told.valid_until);
                journal.with(|evidence| evidence.overruns.push((boottime::now(), text)));
            }
        }
        slot.tell(told);
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(watch) = &self.watch {
            watch.abort();
        }
    }
}
