//! Follows what is shown: for watches over HTTP and over gRPC.

use std::sync::Arc;

use cairn_core::coordination::session::Status;
use tokio::sync::watch;

use super::journal::{Delta, Journal};
use super::{Coordination, Shown};

/// One watcher's place.
#[derive(Debug)]
pub struct Follow {
    shown: watch::Receiver<Arc<Shown>>,
    journal: Arc<Journal>,
    /// The number up to which the watcher has seen everything.
    at: Option<u64>,
    begun: bool,
}

/// What the watcher has to see next.
#[derive(Clone, Debug)]
pub struct Step {
    /// The newest status.
    pub status: Arc<Status>,
    /// What has changed since the last step; `None`: everything may have.
    pub delta: Option<Delta>,
    /// Names this step.
    pub id: String,
}

// === impl Follow ===

impl Follow {
    /// Goes on after the event with this id, if it is known.
    pub fn after(coordination: &Coordination, id: Option<&str>) -> Self {
        let journal = Arc::clone(coordination.journal());
        let at = id.and_then(|id| journal.number(id));
        Self { shown: coordination.watch(), journal, at, begun: false }
    }

    /// The next step. The first one comes as soon as there is a status, each later one after a change. `None`: nothing
    /// more will be shown.
    pub async fn next(&mut self) -> Option<Step> {
        loop {
            if self.begun {
                self.shown.changed().await.ok()?;
            }
            self.begun = true;
            let shown = Arc::clone(&self.shown.borrow_and_update());
            let Ok(status) = shown.status() else { continue };
            let delta = self.at.and_then(|at| self.journal.between(at, shown.seq));
            self.at = Some(shown.seq);
            return Some(Step {
                status: Arc::clone(status),
                delta: delta.filter(|delta| !delta.map),
                id: self.journal.id(shown.seq),
            });
        }
    }
}
