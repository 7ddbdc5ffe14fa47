//! One member: the session machine of the sidecar on the machine's clock, the store's transactions, and an app that
//! stops at once when it is told to, confirms it, and writes the journal.
//!
//! Not for: files, HTTP and gRPC, by which a real app is told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cairn_core::coordination::member::MemberState;
use cairn_core::coordination::owner::Ownable;
use cairn_core::coordination::session::{
    Action, Command, Config, EndReason, Event, Machine, Status, StopId,
};
use cairn_core::coordination::write::WriteAnswer;
use cairn_core::time::BootInstant;
use cairn_kit::clock;
use cairn_store::Coordination;
use cairn_store::coordination::Watch;
use futures::StreamExt as _;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::journal::Journal;
use super::metered::Metered;
use super::probe::Probe;

/// What a member is made of.
#[derive(Debug)]
pub struct Setup {
    /// Its number in the journal.
    pub number: usize,
    /// The machine's.
    pub config: Config,
    /// The group.
    pub coordination: Coordination<Metered>,
    /// Where it writes what it serves.
    pub journal: Journal,
    /// What it is watched for.
    pub probe: Arc<Probe>,
}

/// What the outside sees of a member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Since when it has its session.
    pub since: Option<BootInstant>,
    /// Its state.
    pub state: MemberState,
    /// How many shards it serves.
    pub shards: usize,
    /// Whether it leads.
    pub leads: bool,
    /// How many members it knows.
    pub members: usize,
    /// How many shards it knows the owners of.
    pub owned: usize,
    /// How many sessions it has lost.
    pub lost: u64,
}

/// A running member. Its process is killed when this is dropped.
#[derive(Debug)]
pub struct Member {
    inbox: UnboundedSender<Input>,
    seen: watch::Receiver<Seen>,
    task: JoinHandle<EndReason>,
}

#[derive(Debug)]
enum Input {
    Event(Event),
    /// From the watch with this number.
    Watched(u64, Event),
    Command(Command),
    /// The answer to a write that was sent then.
    Written(BootInstant, Event),
}

struct Driver {
    setup: Setup,
    machine: Machine,
    inbox: UnboundedSender<Input>,
    seen: watch::Sender<Seen>,
    watch: Option<JoinHandle<()>>,
    watches: u64,
    /// The app's spans, by their places in the journal.
    open: BTreeMap<(Ownable, i64), usize>,
    /// The deadline that the app was told last.
    until: BootInstant,
    since: Option<BootInstant>,
}

// === impl Member ===

impl Member {
    /// Starts a member.
    pub fn start(setup: Setup) -> Self {
        let (inbox, outbox) = mpsc::unbounded_channel();
        let (sender, seen) = watch::channel(Seen::default());
        let driver = Driver {
            machine: Machine::new(setup.config.clone()),
            setup,
            inbox: inbox.clone(),
            seen: sender,
            watch: None,
            watches: 0,
            open: BTreeMap::new(),
            until: BootInstant::default(),
            since: None,
        };
        Self { inbox, seen, task: tokio::spawn(driver.run(outbox)) }
    }

    /// What it is now.
    pub fn seen(&self) -> Seen {
        *self.seen.borrow()
    }

    /// Waits until it is so. False when it ends before, or when the time is over.
    pub async fn wait(&mut self, limit: Duration, is: impl FnMut(&Seen) -> bool) -> bool {
        matches!(timeout(limit, self.seen.wait_for(is)).await, Ok(Ok(_)))
    }

    /// What its app asks for.
    pub fn command(&self, command: Command) {
        let _ = self.inbox.send(Input::Command(command));
    }

    /// The pod is being deleted: it gives everything away, then it leaves.
    pub fn drain(&self) {
        let _ = self.inbox.send(Input::Event(Event::Drain));
    }

    /// Waits until it has ended by itself. `None` when it does not in time.
    pub async fn ended(&mut self, limit: Duration) -> Option<EndReason> {
        timeout(limit, &mut self.task).await.ok()?.ok()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.task.abort();
    }
}

// === impl Driver ===

impl Driver {
    async fn run(mut self, mut outbox: UnboundedReceiver<Input>) -> EndReason {
        let mut input = Input::Event(Event::Start);
        loop {
            for action in self.take(input) {
                if let Some(reason) = self.carry_out(action) {
                    return reason;
                }
            }
            let stops = self.tell();
            input = if stops.is_empty() {
                self.wait(&mut outbox).await
            } else {
                Input::Command(Command::Stopped(stops))
            };
        }
    }

    async fn wait(&self, outbox: &mut UnboundedReceiver<Input>) -> Input {
        let tick = Input::Event(Event::Tick);
        let now = clock::now();
        let Some(wake) = self.machine.wake_at(now) else {
            return outbox.recv().await.unwrap_or(tick);
        };
        match timeout(wake.since(now.boot), outbox.recv()).await {
            Ok(Some(input)) => input,
            Ok(None) | Err(_) => tick,
        }
    }

    fn take(&mut self, input: Input) -> Vec<Action> {
        let before = clock::now();
        let probe = Arc::clone(&self.setup.probe);
        let event = match input {
            Input::Watched(watch, _) if watch != self.watches => return Vec::new(),
            Input::Event(event) | Input::Watched(_, event) => event,
            Input::Written(sent, event) => {
                if let Event::Written(WriteAnswer::Committed { revision }) = &event {
                    probe.wrote(*revision, sent);
                }
                event
            }
            Input::Command(command) => {
                // A refusal is an answer, too.
                let _ = self.machine.command(before, command);
                Event::Tick
            }
        };
        let (steps, revision) = match &event {
            Event::Renewed(_) => (&probe.renewed, None),
            Event::Changed(found) if !found.changes.is_empty() => {
                (&probe.changed, Some(found.revision))
            }
            _ => (&probe.other, None),
        };
        let actions = self.machine.step(before, event);
        let after = clock::now().boot;
        steps.add(after.since(before.boot));
        if let Some(revision) = revision {
            probe.applied(revision, after);
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
                self.watch = Some(self.watch(Watch { from, shards, progress, elsewhere }));
            }
            action => {
                let (coordination, inbox) = (self.setup.coordination.clone(), self.inbox.clone());
                tokio::spawn(async move {
                    let sent = clock::now().boot;
                    let performed = Box::pin(coordination.perform(sent, action)).await;
                    if let Some(event) = performed.event {
                        let _ = inbox.send(Input::Written(sent, event));
                    }
                });
            }
        }
        None
    }

    fn watch(&self, watch: Watch) -> JoinHandle<()> {
        let (number, inbox) = (self.watches, self.inbox.clone());
        let probe = Arc::clone(&self.setup.probe);
        let mut changes = Box::pin(self.setup.coordination.watch(watch));
        tokio::spawn(async move {
            while let Some(found) = changes.next().await {
                let event = match found {
                    Ok(changes) => {
                        if !changes.changes.is_empty() {
                            probe.delivered(changes.revision, clock::now().boot);
                        }
                        Event::Changed(changes)
                    }
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

    /// Tells the app, which stops and begins at once. Answers with what it confirms.
    fn tell(&mut self) -> Vec<StopId> {
        let status = self.machine.status(clock::now());
        let shards = status.shards.iter().map(|(shard, fence)| (Ownable::Shard(*shard), *fence));
        let leader = status.leader.own.map(|fence| (Ownable::Leader, fence));
        let now = clock::now().boot;
        let serving: Vec<(Ownable, i64)> = shards.chain(leader).collect();
        let (journal, until) = (&self.setup.journal, self.until);
        self.open.retain(|key, place| {
            let serves = serving.contains(key);
            if !serves {
                journal.end(*place, now.min(until));
            }
            serves
        });
        for (of, fence) in serving {
            let number = self.setup.number;
            self.open.entry((of, fence)).or_insert_with(|| journal.begin(of, number, fence, now));
        }
        self.until = status.valid_until;
        self.show(&status, now);
        let open = status.stopping.into_iter().filter(|stop| !stop.confirmed);
        open.map(|stop| stop.stop).collect()
    }

    fn show(&mut self, status: &Status, now: BootInstant) {
        self.since = status.session.map(|_| self.since.unwrap_or(now));
        let seen = Seen {
            since: self.since,
            state: status.state,
            shards: status.shards.len(),
            leads: status.leader.own.is_some(),
            members: status.picture.members.len(),
            owned: status.picture.shards.len(),
            lost: status.lost,
        };
        self.seen.send_if_modified(|before| std::mem::replace(before, seen) != seen);
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.unwatch();
        // A process that is killed serves until then.
        let now = clock::now().boot.min(self.until);
        for place in self.open.values() {
            self.setup.journal.end(*place, now);
        }
    }
}
