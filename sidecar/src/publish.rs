//! Publishes the claims: first as files, then to those who read [`Applied`].
//!
//! One task takes each [`Snapshot`], passes it through [`PublishGuard`], lets [`Tree`] write the files in the
//! blocking pool, checks the gate, and only then sends it on as [`Applied`]. If a write fails, the claim is not
//! shown as held, and the write is retried.

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
pub mod guard;
pub mod mark;
pub mod plan;
pub mod tree;

use file::FileError;
use guard::PublishGuard;
use plan::Plan;
use tree::Tree;

/// How often the gate file is read. The kubelet refreshes it about once a second; a shorter period starts the app
/// soon after that.
const GATE_PERIOD: Duration = Duration::from_millis(200);
/// A full or read-only volume is not repaired faster.
const RETRY_PERIOD: Duration = Duration::from_secs(1);
/// How late the deadline of an earlier process may be noticed. It is a period and not one long sleep: timers stop
/// while the machine is suspended, and deadlines do not.
const GUARD_PERIOD: Duration = Duration::from_millis(500);

/// The publishing task's state.
#[derive(Debug)]
pub struct Publisher {
    tree: Arc<Tree>,
    guard: PublishGuard,
    gate_file: Option<PathBuf>,
    /// The pod's UID, recorded once the gate is open; `None` outside a pod.
    pod: Option<String>,
    opened: bool,
    /// Whether the annotations show the names that are held now.
    gate_open: bool,
    clock: Arc<dyn Clock>,
    applied: watch::Sender<Arc<Applied>>,
}

/// Why something could not be published.
#[derive(Debug, Error)]
pub enum PublishError {
    /// A file cannot be written or removed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The runtime ends before the work.
    #[error("file work was cut off")]
    Task(#[from] JoinError),
}

// === impl Publisher ===

impl Publisher {
    /// A publisher into a tree, and a receiver that starts with `first`. `pod` is the pod's UID; `None` outside a
    /// pod.
    pub fn new(
        tree: Tree,
        gate_file: Option<PathBuf>,
        pod: Option<String>,
        clock: Arc<dyn Clock>,
        first: &Snapshot,
    ) -> (Self, applied::Watch) {
        let mut guard = PublishGuard::new(tree.last_published());
        let reviewed = guard.review(first, clock.now());
        let opened = pod.as_ref().is_some_and(|uid| tree.was_opened(uid));
        let (applied, watch) = watch::channel(Arc::new(Applied {
            snapshot: Arc::new(reviewed),
            opened,
            ..Applied::default()
        }));
        let publisher = Self {
            tree: Arc::new(tree),
            guard,
            gate_file,
            pod,
            opened,
            gate_open: false,
            clock,
            applied,
        };
        (publisher, watch)
    }

    /// Publishes each snapshot. It returns after the driver has ended and its last snapshot is published.
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

    /// Removes the files that an app must not use while no sidecar runs beside it.
    pub async fn withdraw(&self) -> Result<(), PublishError> {
        let tree = Arc::clone(&self.tree);
        Ok(spawn_blocking(move || tree.withdraw()).await??)
    }

    /// Removes all files: the claims have ended.
    pub async fn clear(&self) -> Result<(), PublishError> {
        let tree = Arc::clone(&self.tree);
        Ok(spawn_blocking(move || tree.clear()).await??)
    }

    async fn apply(&mut self, snapshot: &Snapshot) -> Applied {
        let shown = self.guard.review(&snapshot.bounded(), self.clock.now());
        let plan = Plan::of(&shown);
        let tree = Arc::clone(&self.tree);
        let written = spawn_blocking(move || tree.apply(&plan).map_err(PublishError::from)).await;
        let write_error =
            written.map_err(PublishError::from).flatten().err().map(|error| report(&error));
        let gate = self.check_gate(&shown).await;
        let mut applied =
            Applied { snapshot: Arc::new(shown), write_error, gate, opened: self.opened };
        if let Err(error) = self.note_opened(&mut applied).await {
            warn!("{}; a restarted sidecar will hold the app back again", report(&error));
        }
        applied
    }

    /// Records that the gate is open, the first time.
    async fn note_opened(&mut self, applied: &mut Applied) -> Result<(), PublishError> {
        let Some(uid) = self.pod.clone().filter(|_| !self.opened && applied.held().is_ok()) else {
            return Ok(());
        };
        (self.opened, applied.opened) = (true, true);
        let tree = Arc::clone(&self.tree);
        Ok(spawn_blocking(move || tree.set_opened(&uid)).await??)
    }

    /// What the gate waits for; `None` if it is open. The file is read only while every claim is held and the gate is
    /// closed.
    async fn check_gate(&mut self, shown: &Snapshot) -> Option<String> {
        let path = self.gate_file.clone()?;
        if !all_held(shown) {
            self.gate_open = false;
            return Some("the claims are not held yet".to_owned());
        }
        if self.gate_open {
            return None;
        }
        let claims = shown.identities();
        let checked = spawn_blocking(move || {
            let text = std::fs::read_to_string(&path)
                .map_err(|error| format!("cannot read --gate-file {}: {error}", path.display()))?;
            gate::shows(&text, &claims)
        });
        match checked.await {
            Ok(Ok(())) => {
                self.gate_open = true;
                None
            }
            Ok(Err(closed)) => Some(closed),
            Err(error) => Some(format!("the gate cannot be checked: {error}")),
        }
    }

    /// When to publish again without a new snapshot.
    fn pause(&self, snapshot: &Snapshot, applied: &Applied) -> Option<Duration> {
        if applied.write_error.is_some() {
            Some(RETRY_PERIOD)
        } else if applied.gate.is_some() && all_held(&applied.snapshot) {
            Some(GATE_PERIOD)
        } else if self.guard.is_pending(snapshot) {
            Some(GUARD_PERIOD)
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

/// Logs one line for each transition and none for a renewal.
fn log(before: &Applied, after: &Applied) {
    for claim in &after.snapshot.claims {
        let identity = &claim.status.identity;
        let former = before
            .snapshot
            .claims
            .iter()
            .find(|former| former.status.identity.pool == identity.pool);
        let same = former.is_some_and(|former| {
            former.status.identity.state == identity.state
                && former.status.identity.reason == identity.reason
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
    if let Some(error) =
        after.write_error.as_ref().filter(|_| before.write_error != after.write_error)
    {
        warn!(error, "not published");
    }
    if before.gate != after.gate {
        info!(waits_for = after.gate.as_deref(), "gate");
    }
}
