//! Publishing: from what the driver believes to files, and from files to what may be said.
//!
//! One task takes each [`Snapshot`], passes it through [`told::Memory`], has [`tree::Tree`] write
//! the files in the blocking pool, looks at the gate, and only then hands it on as [`Applied`]. When
//! a write fails the claim is not said to be held, and the write is tried again.

use std::future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cairn_kit::clock::Clock;
use cairn_kit::errors::report;
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::sleep;
use tracing::{info, warn};

use crate::applied::{self, Applied};
use crate::gate;
use crate::snapshot::{Claim, Snapshot};

pub mod file;
pub mod mark;
pub mod plan;
pub mod told;
pub mod tree;

use file::FileError;
use plan::Plan;
use told::Memory;
use tree::Tree;

/// The kubelet refreshes the annotations about once a second; looking more often than that lets
/// the app start right after it did.
const GATE_PERIOD: Duration = Duration::from_millis(200);
/// A full or read-only volume does not mend faster.
const RETRY_PERIOD: Duration = Duration::from_secs(1);
/// How late the deadline of an earlier life may be noticed. A period and not one long sleep:
/// timers stand still while the machine sleeps, deadlines do not.
const MEMORY_PERIOD: Duration = Duration::from_millis(500);

/// The publishing task's state.
#[derive(Debug)]
pub struct Publisher {
    tree: Arc<Tree>,
    memory: Memory,
    gate_file: Option<PathBuf>,
    /// The pod's UID, under which it is remembered that the gate was open; `None` outside a pod.
    pod: Option<String>,
    opened: bool,
    /// Whether the annotations have shown the names that are held now.
    gate_open: bool,
    clock: Arc<dyn Clock>,
    applied: watch::Sender<Arc<Applied>>,
}

/// Why something could not be published.
#[derive(Debug, Error)]
pub enum PublishError {
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The runtime ends.
    #[error("file work was cut off")]
    Task(#[from] JoinError),
}

// === impl Publisher ===

impl Publisher {
    /// Publishes into a tree; what may be said starts with `first`. `pod` is the UID of a pod, whose gate opens
    /// once.
    pub fn new(
        tree: Tree,
        gate_file: Option<PathBuf>,
        pod: Option<String>,
        clock: Arc<dyn Clock>,
        first: &Snapshot,
    ) -> (Self, applied::Watch) {
        let mut memory = Memory::new(tree.told());
        let reviewed = memory.review(first, clock.now());
        let opened = pod.as_ref().is_some_and(|uid| tree.was_opened(uid));
        let (applied, watch) = watch::channel(Arc::new(Applied {
            snapshot: Arc::new(reviewed),
            opened,
            ..Applied::default()
        }));
        let publisher = Self {
            tree: Arc::new(tree),
            memory,
            gate_file,
            pod,
            opened,
            gate_open: false,
            clock,
            applied,
        };
        (publisher, watch)
    }

    /// Publishes each snapshot until the driver is gone and its last one is published.
    pub async fn run(&mut self, mut snapshots: watch::Receiver<Arc<Snapshot>>) {
        loop {
            let snapshot = Arc::clone(&snapshots.borrow_and_update());
            let applied = self.apply(&snapshot).await;
            let pause = self.pause(&snapshot, &applied);
            self.applied.send_if_modified(|current| {
                let changed = **current != applied;
                if changed {
                    log(current, &applied);
                    *current = Arc::new(applied);
                }
                changed
            });
            tokio::select! {
                changed = snapshots.changed() => if changed.is_err() { return },
                () = pause_for(pause) => {}
            }
        }
    }

    /// Removes the files that an app must not go on with while no sidecar runs beside it.
    pub async fn withdraw(&self) -> Result<(), PublishError> {
        let tree = Arc::clone(&self.tree);
        Ok(spawn_blocking(move || tree.withdraw()).await??)
    }

    /// Removes the files: the claims were given up.
    pub async fn clear(&self) -> Result<(), PublishError> {
        let tree = Arc::clone(&self.tree);
        Ok(spawn_blocking(move || tree.clear()).await??)
    }

    async fn apply(&mut self, snapshot: &Snapshot) -> Applied {
        let shown = self.memory.review(snapshot, self.clock.now());
        let plan = Plan::of(&shown);
        let tree = Arc::clone(&self.tree);
        let written = spawn_blocking(move || tree.apply(&plan).map_err(PublishError::from)).await;
        let trouble =
            written.map_err(PublishError::from).flatten().err().map(|error| report(&error));
        let gate = self.look_at_gate(&shown).await;
        let mut applied = Applied { snapshot: Arc::new(shown), trouble, gate, opened: self.opened };
        if let Err(error) = self.note_opened(&mut applied).await {
            warn!("{}; a restarted sidecar will hold the app back again", report(&error));
        }
        applied
    }

    /// Remembers that the gate is open, the first time that it is.
    async fn note_opened(&mut self, applied: &mut Applied) -> Result<(), PublishError> {
        let Some(uid) = self.pod.clone().filter(|_| !self.opened && applied.held().is_ok()) else {
            return Ok(());
        };
        (self.opened, applied.opened) = (true, true);
        let tree = Arc::clone(&self.tree);
        Ok(spawn_blocking(move || tree.set_opened(&uid)).await??)
    }

    /// What the gate waits for; asked only while every claim is held, and again after a change of
    /// names.
    async fn look_at_gate(&mut self, shown: &Snapshot) -> Option<String> {
        let path = self.gate_file.clone()?;
        if !all_held(shown) {
            self.gate_open = false;
            return Some("the claims are not held yet".to_owned());
        }
        if self.gate_open {
            return None;
        }
        let claims: Vec<_> = shown.claims.iter().map(|claim| claim.identity.clone()).collect();
        let looked = spawn_blocking(move || {
            let text = std::fs::read_to_string(&path)
                .map_err(|error| format!("cannot read --gate-file {}: {error}", path.display()))?;
            gate::shows(&text, &claims)
        });
        match looked.await {
            Ok(Ok(())) => {
                self.gate_open = true;
                None
            }
            Ok(Err(closed)) => Some(closed),
            Err(error) => Some(format!("the gate cannot be looked at: {error}")),
        }
    }

    /// When to look again though the driver has nothing new.
    fn pause(&self, snapshot: &Snapshot, applied: &Applied) -> Option<Duration> {
        if applied.trouble.is_some() {
            Some(RETRY_PERIOD)
        } else if applied.gate.is_some() && all_held(&applied.snapshot) {
            Some(GATE_PERIOD)
        } else if self.memory.is_pending(snapshot) {
            Some(MEMORY_PERIOD)
        } else {
            None
        }
    }
}

fn all_held(snapshot: &Snapshot) -> bool {
    snapshot.claims.iter().all(Claim::is_held)
}

async fn pause_for(pause: Option<Duration>) {
    match pause {
        Some(pause) => sleep(pause).await,
        None => future::pending().await,
    }
}

/// One line per transition, none per renewal.
fn log(before: &Applied, after: &Applied) {
    for claim in &after.snapshot.claims {
        let identity = &claim.identity;
        let former =
            before.snapshot.claims.iter().find(|former| former.identity.pool == identity.pool);
        let same = former.is_some_and(|former| {
            former.identity.state == identity.state && former.identity.reason == identity.reason
        });
        if same {
            continue;
        }
        let slot = identity.slot.as_ref();
        info!(
            pool = %identity.pool,
            state = %identity.state,
            name = slot.map(|slot| slot.name.as_str()),
            fence = slot.map(|slot| tracing::field::display(slot.fence)),
            reason = identity.reason.as_deref(),
            "published"
        );
    }
    if let Some(trouble) = after.trouble.as_ref().filter(|_| before.trouble != after.trouble) {
        warn!(trouble, "not published");
    }
    if before.gate != after.gate {
        info!(waits_for = after.gate.as_deref(), "gate");
    }
}
