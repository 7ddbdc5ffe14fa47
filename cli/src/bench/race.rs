//! Many claimants at once: started together, watched until each has what it came for.
//!
//! Knows nothing of how they claim, so that protocols can be compared.

use std::time::Duration;

use cairn_core::time::BootInstant;
use cairn_kit::clock;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::hold_mode::HoldMode;

/// A name as a claimant got it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its place in the pool's list.
    pub index: usize,
    /// The revision that gave it.
    pub revision: i64,
    /// Round trips up to then, renewals left out.
    pub rounds: usize,
}

/// What a claimant tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It waits with a ticket of this revision.
    Queued(i64),
    /// It has a name.
    Held(Held),
    /// A request had no good answer.
    Failed,
    /// It cannot believe in its name any more.
    Lost,
    /// It has given everything back.
    Ended,
}

/// A claimant's way to tell.
#[derive(Clone, Debug)]
pub struct Reporter {
    claimant: usize,
    sender: UnboundedSender<(usize, BootInstant, Told)>,
}

/// What became of one claimant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Course {
    /// The revision of its ticket, if it needed one.
    pub ticket: Option<i64>,
    /// How long after the start it had its name, and which.
    pub held: Option<(Duration, Held)>,
    /// How many requests had no good answer.
    pub failures: usize,
    /// How often it lost its name.
    pub losses: usize,
    /// It has given everything back.
    pub ended: bool,
}

/// A race under way, or over. Claimants that hold go on renewing until it is dropped.
#[derive(Debug)]
pub struct Race {
    mode: HoldMode,
    began: BootInstant,
    tasks: JoinSet<()>,
    words: UnboundedReceiver<(usize, BootInstant, Told)>,
    courses: Vec<Course>,
    /// How many have come to their end: a name held, or given back.
    arrived: usize,
}

// === impl Reporter ===

impl Reporter {
    /// Tells, with the instant.
    pub fn tell(&self, told: Told) {
        // Nobody listens any more when the race is over.
        let _ = self.sender.send((self.claimant, clock::now().boot, told));
    }
}

// === impl Race ===

impl Race {
    /// Starts one claimant for each. Must be called within a runtime.
    pub fn start<T, F>(
        mode: HoldMode,
        each: impl IntoIterator<Item = T>,
        mut claimant: impl FnMut(T, Reporter) -> F,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (sender, words) = unbounded_channel();
        let mut tasks = JoinSet::new();
        let began = clock::now().boot;
        for (number, one) in each.into_iter().enumerate() {
            tasks.spawn(claimant(one, Reporter { claimant: number, sender: sender.clone() }));
        }
        let courses = vec![Course::default(); tasks.len()];
        Self { mode, began, tasks, words, courses, arrived: 0 }
    }

    /// Waits until all have arrived; false when that takes longer than the limit.
    pub async fn finish(&mut self, limit: Duration) -> bool {
        let all = async {
            while self.arrived < self.courses.len() {
                let Some(word) = self.words.recv().await else { break };
                self.note(word);
            }
        };
        timeout(limit, all).await.is_ok() && self.arrived == self.courses.len()
    }

    /// Takes in what was told meanwhile, and shows what became of everybody.
    pub fn courses(&mut self) -> &[Course] {
        while let Ok(word) = self.words.try_recv() {
            self.note(word);
        }
        &self.courses
    }

    /// Ends every claimant where it stands.
    pub async fn stop(&mut self) {
        self.tasks.shutdown().await;
    }

    fn note(&mut self, (claimant, at, told): (usize, BootInstant, Told)) {
        let Some(course) = self.courses.get_mut(claimant) else { return };
        match told {
            Told::Queued(revision) => course.ticket = Some(revision),
            Told::Held(held) if course.held.is_none() => {
                course.held = Some((at.since(self.began), held));
                self.arrived += usize::from(self.mode == HoldMode::Keep);
            }
            Told::Held(_) => {}
            Told::Failed => course.failures += 1,
            Told::Lost => course.losses += 1,
            Told::Ended => {
                course.ended = true;
                self.arrived += usize::from(self.mode == HoldMode::Release);
            }
        }
    }
}
