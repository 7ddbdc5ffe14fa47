//! Publishes what the driver tells: first as files, then to those who read [`Shown`].
//!
//! Invariant: a stop is shown after it is in the files. A file that cannot be written expires by its deadline, and the
//! API goes on: it must not wait for a full disk to hear of a stop.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cairn_core::coordination::session::Status;
use cairn_kit::errors::report;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tracing::{info, warn};

use super::files::Files;
use super::journal::{Delta, Journal};
use super::{Outlet, Shown, Told};

/// A full or read-only volume is not repaired faster.
const RETRY_PERIOD: Duration = Duration::from_secs(1);

/// The publishing task's state.
#[derive(Debug)]
pub struct CoordinationPublisher {
    files: Arc<Files>,
    told: watch::Receiver<Arc<Told>>,
    shown: watch::Sender<Arc<Shown>>,
    journal: Arc<Journal>,
    /// What the files say.
    written: Option<Arc<Status>>,
    failing: bool,
}

// === impl CoordinationPublisher ===

impl CoordinationPublisher {
    /// A publisher into a directory.
    pub fn new(dir: &Path, outlet: Outlet) -> Self {
        let Outlet { own, told, shown, journal } = outlet;
        let files = Arc::new(Files::new(dir, own));
        Self { files, told, shown, journal, written: None, failing: false }
    }

    /// Publishes each change. It returns after the driver's last one is published.
    pub async fn run(&mut self) {
        loop {
            let told = Arc::clone(&self.told.borrow_and_update());
            if let Some(status) = &told.status {
                self.write(status).await;
            }
            self.show(&told);
            tokio::select! {
                changed = self.told.changed() => if changed.is_err() { return },
                () = sleep(RETRY_PERIOD), if self.failing => {}
            }
        }
    }

    /// Removes the files that say what may be served, or all of them.
    pub async fn end(&self, all: bool) {
        let files = Arc::clone(&self.files);
        let removed = spawn_blocking(move || if all { files.clear() } else { files.withdraw() });
        if let Ok(Err(error)) = removed.await {
            warn!("{}", report(&error));
        }
    }

    async fn write(&mut self, status: &Arc<Status>) {
        if self.written.as_ref().is_some_and(|written| Arc::ptr_eq(written, status)) {
            return;
        }
        let (files, before) = (Arc::clone(&self.files), self.written.clone());
        let status = Arc::clone(status);
        let written = Arc::clone(&status);
        let writing = spawn_blocking(move || files.write(before.as_deref(), &status));
        match writing.await {
            Ok(Ok(())) => {
                self.written = Some(written);
                self.failing = false;
            }
            Ok(Err(error)) => {
                if !self.failing {
                    warn!("{}; the files end by their deadlines", report(&error));
                }
                // Some of them may have been written.
                (self.failing, self.written) = (true, None);
            }
            Err(_) => (self.failing, self.written) = (true, None),
        }
    }

    fn show(&self, told: &Arc<Told>) {
        let before = Arc::clone(&self.shown.borrow());
        let delta = match (&before.told.status, &told.status) {
            (Some(before), Some(after)) if !Arc::ptr_eq(&before.picture, &after.picture) => {
                Delta::between(&before.picture, &after.picture)
            }
            // Another session of this process: what has changed since the last one is not known.
            (None, Some(_)) => Delta { map: true, ..Delta::default() },
            _ => Delta::default(),
        };
        let seq = if delta.is_empty() { before.seq } else { self.journal.record(delta) };
        log(before.told.status.as_deref(), told.status.as_deref());
        self.shown.send_replace(Arc::new(Shown { told: Told::clone(told), seq }));
    }
}

/// Logs a line for each change of what this member has.
fn log(before: Option<&Status>, after: Option<&Status>) {
    let Some(after) = after else { return };
    let same = before.is_some_and(|before| {
        before.session == after.session
            && before.state == after.state
            && before.shards == after.shards
            && before.leader.own == after.leader.own
            && before.stopping.len() == after.stopping.len()
            && before.reason == after.reason
    });
    if same {
        return;
    }
    info!(
        session = after.session.map(|session| session.revision),
        state = after.state.as_str(),
        members = after.picture.members.len(),
        shards = after.shards.len(),
        stopping = after.stopping.len(),
        leads = after.leader.own.is_some(),
        reason = after.reason,
        "coordination has changed"
    );
}
