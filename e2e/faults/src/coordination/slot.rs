//! What the processes of a pod tell its app, as a sidecar's files do, and where the app's commands go.
//!
//! A process that has died leaves what it has told last: the app must see by itself when it has expired.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cairn_core::claim::Fence;
use cairn_core::coordination::owner::Ownable;
use cairn_core::coordination::session::{Command, Status, StopId};
use cairn_core::time::BootInstant;
use tokio::sync::mpsc::UnboundedSender;

use super::input::Input;

/// What an app was told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The number of shards of the map.
    pub map: u32,
    /// The deadline, on the pod's clock.
    pub valid_until: BootInstant,
    /// What may be served until then.
    pub serving: Vec<(Ownable, Fence)>,
    /// What must be stopped, under which fence it was served, and what confirms it.
    pub stopping: Vec<(Ownable, Fence, StopId)>,
}

/// The place between the processes of a pod and its app. Clones are the same place.
#[derive(Clone, Debug, Default)]
pub struct Slot(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    told: Mutex<Told>,
    inbox: Mutex<Option<UnboundedSender<Input>>>,
    frozen: AtomicBool,
    beat: Mutex<Option<BootInstant>>,
    resting: AtomicBool,
}

// === impl Told ===

impl Told {
    /// What a status tells the app of a member with this map.
    pub fn of(status: &Status, map: u32) -> Self {
        let epoch = status.session.map_or(0, |session| session.epoch);
        let shards = status.shards.iter().map(|(shard, fence)| (Ownable::Shard(*shard), *fence));
        let leader = status.leader.own.map(|fence| (Ownable::Leader, fence));
        let all = shards.chain(leader);
        let stopping = status.stopping.iter().map(|stopping| {
            let fence = Fence { epoch, revision: stopping.owned.fence };
            (stopping.of, fence, stopping.stop.clone())
        });
        Self {
            map,
            valid_until: status.valid_until,
            serving: all.map(|(of, revision)| (of, Fence { epoch, revision })).collect(),
            stopping: stopping.collect(),
        }
    }
}

// === impl Slot ===

impl Slot {
    /// Tells the app.
    pub fn tell(&self, told: Told) {
        *self.0.told.lock().unwrap_or_else(PoisonError::into_inner) = told;
    }

    /// What was told last.
    pub fn told(&self) -> Told {
        self.0.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Commands go to this process from now on.
    pub fn connect(&self, inbox: UnboundedSender<Input>) {
        *self.0.inbox.lock().unwrap_or_else(PoisonError::into_inner) = Some(inbox);
    }

    /// Sends a command to the present process. Without one it is lost, as a refused connection is.
    pub fn command(&self, command: Command) {
        let inbox = self.0.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(inbox) = inbox.as_ref() {
            let _ = inbox.send(Input::Command(command));
        }
    }

    /// A process has taken a heartbeat in at this instant of the pod's clock.
    pub fn note_beat(&self, at: BootInstant) {
        *self.0.beat.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
    }

    /// The last heartbeat that a process has taken in.
    pub fn last_beat(&self) -> Option<BootInstant> {
        *self.0.beat.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The app does nothing any more that makes it write.
    pub fn rest_app(&self) {
        self.0.resting.store(true, Ordering::Relaxed);
    }

    /// Whether the app rests.
    pub fn app_rests(&self) -> bool {
        self.0.resting.load(Ordering::Relaxed)
    }

    /// Stops the app while time goes on, or lets it go on.
    pub fn freeze_app(&self, frozen: bool) {
        self.0.frozen.store(frozen, Ordering::Relaxed);
    }

    /// Whether the app is stopped.
    pub fn app_is_frozen(&self) -> bool {
        self.0.frozen.load(Ordering::Relaxed)
    }
}
