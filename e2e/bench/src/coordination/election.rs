//! For comparison: an election as client-go's `leaderelection` does it, with the record in etcd instead of a Lease.
//!
//! Candidates look every retry period, and take the record when it was not renewed for the lease's duration, measured
//! from when they first saw it so. The leader renews every retry period, and gives up when it could not for the
//! renew deadline. A leader that resigns empties the record. Not for use: it has no fence.

use std::sync::Arc;
use std::time::Duration;

use cairn_core::coordination::owner::Ownable;
use cairn_core::keys;
use cairn_core::time::BootInstant;
use cairn_kit::clock;
use cairn_store::etcd::Etcd;
use cairn_store::{Batch, Compare, Error, Guarded, Kv};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::group::{GroupError, Site};
use super::journal::Journal;

/// client-go's defaults in the controllers of Kubernetes.
const LEASE: Duration = Duration::from_secs(15);
/// See [`LEASE`].
const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// See [`LEASE`].
pub const RETRY: Duration = Duration::from_secs(2);
/// A candidate's pause is the retry period and up to this part of it more.
const JITTER: f64 = 1.2;

/// What a candidate knows.
#[derive(Clone, Debug, Default)]
struct Candidate {
    me: String,
    /// The record's revision when it was last seen to change, and when that was.
    observed: (i64, BootInstant),
}

/// What it does with the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    /// Puts its name into the record.
    Take,
    /// Another one leads.
    Wait,
}

/// Candidates for one record.
#[derive(Debug)]
pub struct Election {
    /// Who led when.
    pub journal: Journal,
    candidates: Vec<Running>,
    /// The number of the next one.
    next: usize,
    kv: Arc<Etcd>,
    key: String,
}

#[derive(Debug)]
struct Running {
    resign: watch::Sender<bool>,
    leads: watch::Receiver<bool>,
    task: JoinHandle<()>,
}

/// What one candidate runs with.
struct Runner {
    kv: Arc<Etcd>,
    key: String,
    number: usize,
    journal: Journal,
    leads: watch::Sender<bool>,
    resigned: watch::Receiver<bool>,
}

// === impl Candidate ===

impl Candidate {
    /// Looks at the record: its revision, 0 when there is none, and its holder.
    fn decide(&mut self, now: BootInstant, revision: i64, holder: &str) -> Decision {
        if self.observed.0 != revision {
            self.observed = (revision, now);
        }
        let valid = now < self.observed.1.after(LEASE);
        let another = !holder.is_empty() && holder != self.me;
        if another && valid { Decision::Wait } else { Decision::Take }
    }
}

// === impl Election ===

impl Election {
    /// Starts candidates, each of which looks first at another time.
    pub async fn start(site: &Site, name: &str, candidates: usize) -> Result<Self, GroupError> {
        let kv = Etcd::connect(&site.urls(), None, Etcd::DEFAULT_REQUEST_TIMEOUT).await;
        let kv = Arc::new(kv.map_err(GroupError::Store)?);
        let key = format!("{}bench/election/{name}", keys::ROOT);
        let (journal, candidates_running) = (Journal::default(), Vec::new());
        let mut election = Self { journal, candidates: candidates_running, next: 0, kv, key };
        for _ in 0..candidates {
            election.add();
        }
        Ok(election)
    }

    /// The leader resigns, and its process ends, as client-go's does. Waits until another one leads, and starts another
    /// candidate instead. Answers with the time without a leader, seen from the resignation.
    pub async fn resign(&mut self) -> Duration {
        let place = self.leader().await;
        let running = self.candidates.remove(place);
        let at = clock::now().boot;
        running.resign.send_replace(true);
        self.leader().await;
        let took = clock::now().boot.since(at);
        self.add();
        took
    }

    /// The leader is killed. Answers with the time until another one leads.
    pub async fn kill(&mut self) -> Duration {
        let place = self.leader().await;
        self.candidates.remove(place).task.abort();
        let at = clock::now().boot;
        self.leader().await;
        clock::now().boot.since(at)
    }

    /// Waits for a leader.
    pub async fn leader(&mut self) -> usize {
        let waiting = self.candidates.iter_mut().enumerate().map(|(place, candidate)| {
            Box::pin(async move {
                // It ends only with its task.
                let _ = candidate.leads.wait_for(|leads| *leads).await;
                place
            })
        });
        futures::future::select_all(waiting).await.0
    }

    fn add(&mut self) {
        let (leads_sender, leads) = watch::channel(false);
        let (resign, resigned) = watch::channel(false);
        let runner = Runner {
            kv: Arc::clone(&self.kv),
            key: self.key.clone(),
            number: self.next,
            journal: self.journal.clone(),
            leads: leads_sender,
            resigned,
        };
        self.next += 1;
        self.candidates.push(Running { resign, leads, task: tokio::spawn(runner.run()) });
    }
}

impl Drop for Election {
    fn drop(&mut self) {
        self.candidates.iter().for_each(|candidate| candidate.task.abort());
    }
}

// === impl Runner ===

impl Runner {
    async fn run(mut self) {
        let me = format!("candidate-{}", self.number);
        let mut candidate = Candidate { me: me.clone(), ..Candidate::default() };
        while !self.try_once(&mut candidate, &me).await.unwrap_or(false) {
            let mut chance = spread(self.number, clock::now().boot.as_nanos());
            chance *= JITTER;
            sleep(RETRY.mul_f64(1.0 + chance)).await;
        }
        let mut renewed = clock::now().boot;
        let place = self.journal.begin(Ownable::Leader, self.number, candidate.observed.0, renewed);
        self.leads.send_replace(true);
        loop {
            let resigned = tokio::select! {
                () = sleep(RETRY) => false,
                _ = self.resigned.wait_for(|resigned| *resigned) => true,
            };
            if resigned {
                break;
            }
            let now = clock::now().boot;
            if self.try_once(&mut candidate, &me).await.unwrap_or(false) {
                renewed = now;
            } else if now.since(renewed) > RENEW_DEADLINE {
                break;
            }
        }
        self.journal.end(place, clock::now().boot);
        self.leads.send_replace(false);
        // A record that cannot be emptied ends by itself.
        let _ = self.put(candidate.observed.0, "").await;
    }

    /// True when it leads now.
    async fn try_once(&self, candidate: &mut Candidate, me: &str) -> Result<bool, Error> {
        let now = clock::now().boot;
        let found = self.kv.get(&self.key).await?;
        let revision = found.as_ref().map_or(0, |found| found.mod_revision);
        let holder = found.map(|found| String::from_utf8_lossy(&found.value).into_owned());
        if candidate.decide(now, revision, &holder.unwrap_or_default()) == Decision::Wait {
            return Ok(false);
        }
        let Some(revision) = self.put(revision, me).await? else { return Ok(false) };
        candidate.observed = (revision, now);
        Ok(true)
    }

    /// Puts a holder, if the record has not changed.
    async fn put(&self, seen: i64, holder: &str) -> Result<Option<i64>, Error> {
        let mut txn = Guarded {
            compares: vec![Compare::modified(&self.key, seen)],
            then: Batch::default(),
            otherwise: Batch::default(),
        };
        txn.then.put(&self.key, holder, 0);
        Ok(self.kv.commit(txn).await?.then().map(|answer| answer.revision()))
    }
}

/// Chance in `0..1`: which part of a second the clock shows, apart for each candidate.
fn spread(number: usize, nanos: u64) -> f64 {
    let word = cairn_core::coordination::lookup::hash::mix(nanos ^ number as u64);
    f64::from(u32::try_from(word >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> BootInstant {
        BootInstant::from_nanos(seconds * 1_000_000_000)
    }

    fn candidate(me: &str) -> Candidate {
        Candidate { me: me.to_owned(), ..Candidate::default() }
    }

    #[test]
    fn a_record_of_another_is_taken_once_it_was_not_renewed_for_the_lease() {
        let mut b = candidate("b");
        assert_eq!(b.decide(at(100), 7, "a"), Decision::Wait);
        assert_eq!(b.decide(at(114), 7, "a"), Decision::Wait);
        assert_eq!(b.decide(at(115), 7, "a"), Decision::Take);
    }

    #[test]
    fn a_renewal_is_seen_by_the_revision() {
        let mut b = candidate("b");
        b.decide(at(100), 7, "a");
        assert_eq!(b.decide(at(114), 8, "a"), Decision::Wait);
        assert_eq!(b.decide(at(128), 8, "a"), Decision::Wait);
        assert_eq!(b.decide(at(129), 8, "a"), Decision::Take);
    }

    #[test]
    fn an_empty_record_none_and_the_own_one_are_taken_at_once() {
        for (revision, holder) in [(0, ""), (9, ""), (9, "b")] {
            assert_eq!(candidate("b").decide(at(1), revision, holder), Decision::Take);
        }
    }

    #[test]
    fn pauses_are_spread() {
        let mut all: Vec<f64> = (0..100).map(|number| spread(number, 5)).collect();
        all.sort_by(f64::total_cmp);
        assert!(all[0] < 0.1 && all[99] > 0.9 && all[0] >= 0.0 && all[99] <= 1.0);
    }
}
