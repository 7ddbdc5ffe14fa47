//! One process of a pod: the session machine on the pod's clock, and the store's transactions behind a faulty link.
//!
//! It can be frozen and killed at any of its steps. Requests that it has sent go on without it.

use std::sync::Arc;

use cairn_core::coordination::session::{Action, Command, Config, EndReason, Event, Machine};
use cairn_core::coordination::write::WriteKind;
use cairn_store::Coordination;
use cairn_store::coordination::Watch;
use futures::StreamExt as _;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::bug::Bug;
use super::clock::MemberClock;
use super::input::Input;
use super::link::Link;
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
    /// The planted bug.
    pub bug: Option<Bug>,
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
            // It dies before its requests leave, or after.
            if dies && self.steps.is_multiple_of(2) {
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
            if dies {
                return Ended::Died;
            }
            // It may be frozen between the step and what it tells the app.
            self.setup.switches.running().await;
            self.publish();
            input = self.wait(&mut outbox).await;
        }
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
        let now = self.setup.clock.now();
        let mut event = match input {
            Input::Watched(watch, _) if watch != self.watches => return Vec::new(),
            Input::Event(event) | Input::Watched(_, event) => event,
            Input::Command(command) => {
                // A refusal is an answer, too.
                let _ = self.machine.command(now, command);
                Event::Tick
            }
        };
        let mut actions = Vec::new();
        if let Some(bug) = self.setup.bug {
            bug.event(now.boot, &mut event);
            let status = self.machine.status(now);
            if let Some(epoch) = self.joins
                && let Some(old) = bug.before_join(&self.setup.config.uid, epoch, &status, &event)
            {
                actions = self.machine.step(now, old);
            }
        }
        actions.extend(self.machine.step(now, event));
        if self.setup.bug == Some(Bug::Unconfirmed) {
            let stops = self.machine.status(now).stopping;
            let stops: Vec<_> = stops.into_iter().filter(|stop| !stop.confirmed).collect();
            if !stops.is_empty() {
                let stops = stops.into_iter().map(|stop| stop.stop).collect();
                let _ = self.machine.command(now, Command::Stopped(stops));
                actions.extend(self.machine.step(now, Event::Tick));
            }
        }
        actions
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
        let map = self.setup.config.terms.map.map_or(0, |map| map.shards);
        let status = self.machine.status(self.setup.clock.now());
        self.setup.slot.tell(Told::of(&status, map));
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(watch) = &self.watch {
            watch.abort();
        }
    }
}
