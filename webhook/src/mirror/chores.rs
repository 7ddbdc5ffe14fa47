//! Decides the upkeep in etcd: quarantines that depend on a pod, notes of ended pods, keys of unused groups.
//!
//! Pure: takes keys and pods, returns chores. Each chore carries the revisions that it was decided on. So a chore that
//! runs late, twice or on two replicas changes no key that changed meanwhile. [`super::upkeep`] runs the chores. The
//! rules are in `docs/protocol.md`, "Pools and upkeep".
//!
//! Not for: safety. Without chores a name only stays in quarantine for too long.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use cairn_core::keys::ClaimPath;
use cairn_core::lease::QuarantineRequest;
use cairn_core::pool::PoolName;
use cairn_core::quarantine::{QuarantineRecord, WaitsFor};
use cairn_core::time::UnixMillis;
use tokio::time::Instant;

use super::claims::Claims;
use super::path_keys::PathKeys;
use super::pod::{Life, PodId};

/// The shortest time between two passes over all keys. Changes come in bursts, and a pass takes up to a millisecond.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);

/// The longest time between two passes: unused groups and long quarantines become due without a change.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A quarantine that waits for its pod gets a new lease after this time: a third of the lease's hour.
const PROLONG_AFTER: Duration = Duration::from_mins(20);

/// The keys of a group without pods are kept for this time: pods of a cron job, or of a workload that is scaled to
/// zero for a short time, come back.
const UNUSED_AFTER: Duration = Duration::from_mins(10);

/// A reservation is deleted this long after it has passed. It does not protect against clocks that are further behind.
const FORGET_AFTER_MILLIS: i64 = 24 * 3600 * 1000;

/// Concurrent chores. Each takes two or three requests.
const AT_ONCE: usize = 32;

/// The pause after a failure.
const RETRY: Duration = Duration::from_secs(5);

/// Reservations deleted by one transaction: each takes two compares and a deletion, and etcd allows 128 operations.
const CLOCKS_AT_ONCE: usize = 30;

/// One task at one path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Chore {
    /// The path.
    pub path: ClaimPath,
    /// The task.
    pub task: Task,
}

/// What is done at a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Task {
    /// The pod has ended: the quarantine becomes a short one.
    Shorten(QuarantineAt),
    /// The pod is unknown: shorten the quarantine unless the API server has the pod.
    ShortenUnlessFound(QuarantineAt),
    /// The pod runs: the quarantine gets a new lease.
    Prolong(QuarantineAt),
    /// Slots and pods are gone: turn the notes into quarantines.
    Settle(Vec<String>),
    /// The path is unused: delete its remaining keys.
    Sweep {
        /// The sentinel's mod revision; 0 without one.
        sentinel: i64,
        /// The reclaims key's mod revision; 0 without one.
        reclaims: i64,
        /// Passed reservations, with their mod revisions.
        clocks: Vec<(String, i64)>,
        /// Whether sentinel and reclaims key are deleted too.
        last: bool,
    },
}

/// A quarantine as the mirror saw it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QuarantineAt {
    /// The slot's key.
    pub key: String,
    /// The quarantine's mod revision.
    pub revision: i64,
    /// The pod's UID.
    pub uid: String,
}

/// What chores need to know of pods.
pub trait Pods {
    /// Whether a pod runs; `None` if the pod is unknown.
    fn life(&self, pod: &PodId) -> Option<Life>;
    /// The create revisions of the claims in the status annotations of pods that have not ended.
    fn live_fences(&self) -> HashSet<(PoolName, i64)>;
}

/// The chores under way, and since when keys are due.
#[derive(Debug, Default)]
pub struct Chores {
    /// The next pass.
    at: Option<Instant>,
    looked: Option<Instant>,
    /// By path and key: the revision, and when the quarantine gets a new lease.
    quarantines: HashMap<(ClaimPath, String), (i64, Instant)>,
    /// Whether the keys come from a list, so that their age is unknown.
    old: bool,
    idle: HashMap<ClaimPath, Instant>,
    running: HashSet<Chore>,
    /// Whether the last pass found more chores than may run at a time.
    more: bool,
    failed: HashMap<Chore, Instant>,
}

// === impl Task ===

impl Task {
    /// What it is called in log lines.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Shorten(_) => "shorten",
            Self::ShortenUnlessFound(_) => "shorten-unless-found",
            Self::Prolong(_) => "prolong",
            Self::Settle(_) => "settle",
            Self::Sweep { .. } => "sweep",
        }
    }
}

// === impl Chores ===

impl Chores {
    /// Keys or pods have changed.
    pub fn changed(&mut self, now: Instant) {
        let at = self.looked.map_or(now, |looked| now.max(looked + SHORTEST_PAUSE));
        self.at = Some(self.at.map_or(at, |known| known.min(at)));
    }

    /// All keys were listed anew.
    pub fn listed(&mut self, now: Instant) {
        self.old = true;
        self.quarantines.clear();
        self.changed(now);
    }

    /// When the next pass is due.
    pub fn wake(&self) -> Option<Instant> {
        self.at
    }

    /// The chores to start now.
    pub fn due(
        &mut self,
        claims: &Claims,
        pods: &impl Pods,
        now: Instant,
        wall: UnixMillis,
    ) -> Vec<Chore> {
        if self.at.is_none_or(|at| at > now) {
            return Vec::new();
        }
        self.failed.retain(|_, until| *until > now);
        let retry = self.failed.values().min().copied();
        self.at = Some(retry.map_or(now + LONGEST_PAUSE, |retry| retry.min(now + LONGEST_PAUSE)));
        self.looked = Some(now);
        let mut found = Vec::new();
        let mut live = None;
        let (mut quarantines, mut idle) = (HashMap::new(), HashMap::new());
        for (path, keys) in claims.paths() {
            let mut add = |task| found.push(Chore { path: path.clone(), task });
            for (key, revision, record) in waiting_for_pods(keys) {
                let at = (path.clone(), key.to_owned());
                let first = if self.old { now } else { now + PROLONG_AFTER };
                let known = self.quarantines.get(&at).filter(|(known, _)| *known == revision);
                let prolong_at = known.map_or(first, |(_, until)| *until);
                quarantines.insert(at, (revision, prolong_at));
                let quarantine =
                    QuarantineAt { key: key.to_owned(), revision, uid: record.holder.uid.clone() };
                let pod = PodId {
                    namespace: record.holder.namespace.clone(),
                    uid: record.holder.uid.clone(),
                };
                match pods.life(&pod) {
                    Some(Life::Ended) => add(Task::Shorten(quarantine)),
                    None => add(Task::ShortenUnlessFound(quarantine)),
                    Some(Life::Runs | Life::Leaves) if prolong_at <= now => {
                        add(Task::Prolong(quarantine));
                    }
                    Some(Life::Runs | Life::Leaves) => {}
                }
            }
            let mut dead: Vec<String> = Vec::new();
            for (key, revision) in keys.unsettled() {
                // A live pod may re-claim the name at once, which a quarantine would delay.
                let live = live.get_or_insert_with(|| pods.live_fences());
                if !live.contains(&(path.pool.clone(), revision)) {
                    dead.push(key.to_owned());
                }
            }
            if !dead.is_empty() {
                dead.truncate(QuarantineRequest::MOST);
                add(Task::Settle(dead));
            }
            if keys.is_idle() {
                let since = self.idle.get(path).copied().unwrap_or(now);
                idle.insert(path.clone(), since);
                if now.saturating_duration_since(since) >= UNUSED_AFTER {
                    found.extend(sweep(path, keys, wall));
                }
            }
        }
        (self.quarantines, self.idle, self.old) = (quarantines, idle, false);
        found.retain(|chore| !self.running.contains(chore) && !self.failed.contains_key(chore));
        let room = AT_ONCE.saturating_sub(self.running.len());
        self.more = found.len() > room;
        found.truncate(room);
        self.running.extend(found.iter().cloned());
        found
    }

    /// Takes the end of a chore. A failed one is tried again later.
    pub fn done(&mut self, chore: &Chore, done: bool, now: Instant) {
        self.running.remove(chore);
        if self.more && self.running.len() < AT_ONCE / 2 {
            self.at = Some(now);
        }
        if !done {
            self.failed.insert(chore.clone(), now + RETRY);
            let at = self.at.unwrap_or(now + RETRY);
            self.at = Some(at.min(now + RETRY));
        }
    }
}

fn waiting_for_pods(keys: &PathKeys) -> impl Iterator<Item = (&str, i64, &QuarantineRecord)> {
    keys.quarantines.iter().filter_map(|(key, quarantine)| {
        let record = quarantine.record.as_ref()?;
        let waits = record.waits_for == WaitsFor::PodEnd;
        waits.then_some((key.as_str(), quarantine.revision, record))
    })
}

/// Deletes as many keys as fit into one transaction; `None` while a reservation is not old enough.
fn sweep(path: &ClaimPath, keys: &PathKeys, wall: UnixMillis) -> Option<Chore> {
    let passed = |until: UnixMillis| until.0.saturating_add(FORGET_AFTER_MILLIS) < wall.0;
    if !keys.clocks.values().all(|reserved| passed(reserved.until)) {
        return None;
    }
    let clocks = keys.clocks.iter().map(|(key, reserved)| (key.clone(), reserved.revision));
    let clocks: Vec<(String, i64)> = clocks.take(CLOCKS_AT_ONCE).collect();
    let last = clocks.len() == keys.clocks.len();
    let (sentinel, reclaims) = (keys.sentinel, keys.reclaims);
    let task = Task::Sweep { sentinel, reclaims, clocks, last };
    Some(Chore { path: path.clone(), task })
}

#[cfg(test)]
mod tests;
