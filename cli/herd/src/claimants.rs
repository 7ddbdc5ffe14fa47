//! Starts many claimants at once and waits until each has held a name, or has released it.
//!
//! It does not depend on how they claim, so that protocols can be compared.

use std::time::Duration;

use cairn_core::time::BootInstant;
use cairn_kit::clock;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::hold_mode::HoldMode;

/// A name that a claimant has claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldName {
    /// Its index in the pool.
    pub index: usize,
    /// The revision of the claim.
    pub revision: i64,
    /// The round trips of the claim, without renewals.
    pub rounds: usize,
}

/// A change that a claimant reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// It joined the queue at this revision.
    Queued(i64),
    /// It holds a name.
    Held(HeldName),
    /// A request failed.
    Failed,
    /// It lost its name.
    Lost,
    /// It released everything and ended.
    Ended,
}

/// Sends the updates of one claimant.
#[derive(Clone, Debug)]
pub struct Reporter {
    claimant: usize,
    sender: UnboundedSender<(usize, BootInstant, Update)>,
}

/// The result of one claimant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunResult {
    /// The revision of its last ticket, if it queued.
    pub ticket: Option<i64>,
    /// The time from the start to the claim, and the name.
    pub held: Option<(Duration, HeldName)>,
    /// The number of failed requests.
    pub failures: usize,
    /// The number of losses.
    pub losses: usize,
    /// Whether it released everything.
    pub ended: bool,
}

/// The claimants and their results so far. Those that hold a name renew it until this is dropped.
#[derive(Debug)]
pub struct Claimants {
    mode: HoldMode,
    began: BootInstant,
    tasks: JoinSet<()>,
    updates: UnboundedReceiver<(usize, BootInstant, Update)>,
    results: Vec<RunResult>,
    /// How many have finished: with a held or released name, by the mode.
    finished: usize,
}

// === impl Reporter ===

impl Reporter {
    /// Sends an update with the current instant.
    pub fn tell(&self, update: Update) {
        // The receiver is dropped at the end of the measurement.
        let _ = self.sender.send((self.claimant, clock::now().boot, update));
    }
}

// === impl Claimants ===

impl Claimants {
    /// Starts one claimant for each item. Must be called within a runtime.
    pub fn start<T, F>(
        mode: HoldMode,
        each: impl IntoIterator<Item = T>,
        mut claimant: impl FnMut(T, Reporter) -> F,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (sender, updates) = unbounded_channel();
        let mut tasks = JoinSet::new();
        let began = clock::now().boot;
        for (number, one) in each.into_iter().enumerate() {
            tasks.spawn(claimant(one, Reporter { claimant: number, sender: sender.clone() }));
        }
        let results = vec![RunResult::default(); tasks.len()];
        Self { mode, began, tasks, updates, results, finished: 0 }
    }

    /// Waits until all have finished. False if that takes longer than the limit.
    pub async fn finish(&mut self, limit: Duration) -> bool {
        let all = async {
            while self.finished < self.results.len() {
                let Some(update) = self.updates.recv().await else { break };
                self.record(update);
            }
        };
        timeout(limit, all).await.is_ok() && self.finished == self.results.len()
    }

    /// The results so far, one for each claimant.
    pub fn results(&mut self) -> &[RunResult] {
        while let Ok(update) = self.updates.try_recv() {
            self.record(update);
        }
        &self.results
    }

    /// Aborts every claimant.
    pub async fn stop(&mut self) {
        self.tasks.shutdown().await;
    }

    fn record(&mut self, (claimant, at, update): (usize, BootInstant, Update)) {
        let Some(result) = self.results.get_mut(claimant) else { return };
        match update {
            Update::Queued(revision) => result.ticket = Some(revision),
            Update::Held(held) if result.held.is_none() => {
                result.held = Some((at.since(self.began), held));
                self.finished += usize::from(self.mode == HoldMode::Keep);
            }
            Update::Held(_) => {}
            Update::Failed => result.failures += 1,
            Update::Lost => result.losses += 1,
            Update::Ended => {
                result.ended = true;
                self.finished += usize::from(self.mode == HoldMode::Release);
            }
        }
    }
}
