//! What the mirror's leader does in etcd: rests that depend on a pod, notes of dead pods, keys of dead groups.
//!
//! Pure: keys and pods in, chores out. Each chore is guarded by the revisions that it was decided on, so that doing it
//! late, twice or on two replicas changes nothing that has changed since. [`super::upkeep`] does them.
//!
//! Not for: anything that safety depends on. A name that rests too long is a name too few.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use cairn_core::keys::ClaimPath;
use cairn_core::pool::PoolName;
use cairn_core::quarantine::{QuarantineRecord, WaitsFor};
use cairn_core::time::UnixMillis;
use tokio::time::Instant;

use super::claims::{Claims, PodId};
use super::place::Place;
use super::pod::Life;

/// Changes come in herds; a look at all keys costs up to a millisecond. Rollouts wait for this.
const SETTLE: Duration = Duration::from_millis(100);

/// How often a look is made without any change: time passes for dead groups and long rests.
const LOOK: Duration = Duration::from_secs(30);

/// A rest that waits for its pod is put on a new lease after this: a third of the lease's hour.
const PROLONG_AFTER: Duration = Duration::from_mins(20);

/// A group whose pods come and go, a cron job's or one that is scaled to zero for a moment, keeps its keys for this long.
pub const DEAD_AFTER: Duration = Duration::from_mins(10);

/// A reservation is forgotten so long after it has passed. A successor whose clock is further behind than that is
/// broken in ways that the reservation was not made for.
pub const FORGET_AFTER_MILLIS: i64 = 24 * 3600 * 1000;

/// Chores under way at a time. Each is two or three requests.
const AT_ONCE: usize = 32;

/// After a failure.
const RETRY: Duration = Duration::from_secs(5);

/// Reservations forgotten by one transaction: each is two compares and a deletion, of 128 that etcd takes.
pub const CLOCKS_AT_ONCE: usize = 30;

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Chore {
    /// Where.
    pub path: ClaimPath,
    /// What.
    pub task: Task,
}

/// What to do at a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Task {
    /// The pod has ended: the name's rest becomes a short one.
    Shorten(RestAt),
    /// The pod is not known. It is to be asked for by name first.
    ShortenUnlessFound(RestAt),
    /// The pod runs: its name goes on resting.
    Prolong(RestAt),
    /// The slots are gone and their pods are too: their rests begin.
    Settle(Vec<String>),
    /// Nothing hangs here any more.
    Sweep {
        /// The sentinel's mod revision; 0 without one.
        sentinel: i64,
        /// That of the reclaims key.
        reclaims: i64,
        /// Reservations that have passed long ago, with their mod revisions.
        clocks: Vec<(String, i64)>,
        /// Whether sentinel and reclaims go with them.
        last: bool,
    },
}

/// A rest as seen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RestAt {
    /// The slot's key.
    pub key: String,
    /// The quarantine's mod revision.
    pub revision: i64,
    /// The pod's UID.
    pub uid: String,
}

/// What is asked about pods.
pub trait Pods {
    /// How far a pod's life has come; `None` when it is not known.
    fn life(&self, pod: &PodId) -> Option<Life>;
    /// The create revisions of claims that pods had which have not ended, as their status says.
    fn live_fences(&self) -> HashSet<(PoolName, i64)>;
}

/// When things were first seen, and what is under way.
#[derive(Debug, Default)]
pub struct Chores {
    /// The next look.
    at: Option<Instant>,
    looked: Option<Instant>,
    /// Rests, by place and key: the revision, and when the lease is to be renewed.
    rests: HashMap<(ClaimPath, String), (i64, Instant)>,
    /// What was listed rather than seen to change is of unknown age.
    old: bool,
    idle: HashMap<ClaimPath, Instant>,
    running: HashSet<Chore>,
    /// Whether the last look found more than may be under way at a time.
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
    /// Something has changed.
    pub fn changed(&mut self, now: Instant) {
        let at = self.looked.map_or(now, |looked| now.max(looked + SETTLE));
        self.at = Some(self.at.map_or(at, |known| known.min(at)));
    }

    /// Everything was listed anew.
    pub fn listed(&mut self, now: Instant) {
        self.old = true;
        self.rests.clear();
        self.changed(now);
    }

    /// When to look again.
    pub fn wake(&self) -> Option<Instant> {
        self.at
    }

    /// What is to be done now.
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
        self.at = Some(retry.map_or(now + LOOK, |retry| retry.min(now + LOOK)));
        self.looked = Some(now);
        let mut found = Vec::new();
        let mut live = None;
        let (mut rests, mut idle) = (HashMap::new(), HashMap::new());
        for (path, place) in claims.places() {
            let mut add = |task| found.push(Chore { path: path.clone(), task });
            for (key, revision, record) in waiting_for_pods(place) {
                let at = (path.clone(), key.to_owned());
                let first = if self.old { now } else { now + PROLONG_AFTER };
                let known = self.rests.get(&at).filter(|(known, _)| *known == revision);
                let prolong_at = known.map_or(first, |(_, until)| *until);
                rests.insert(at, (revision, prolong_at));
                let rest = RestAt { key: key.to_owned(), revision, uid: record.holder.uid.clone() };
                let pod = PodId {
                    namespace: record.holder.namespace.clone(),
                    uid: record.holder.uid.clone(),
                };
                match pods.life(&pod) {
                    Some(Life::Ended) => add(Task::Shorten(rest)),
                    None => add(Task::ShortenUnlessFound(rest)),
                    Some(Life::Runs | Life::Leaves) if prolong_at <= now => {
                        add(Task::Prolong(rest));
                    }
                    Some(Life::Runs | Life::Leaves) => {}
                }
            }
            let mut dead: Vec<String> = Vec::new();
            for (key, revision) in place.unsettled() {
                // Its pod may take it back at once, which a rest would not let it.
                let live = live.get_or_insert_with(|| pods.live_fences());
                if !live.contains(&(path.pool.clone(), revision)) {
                    dead.push(key.to_owned());
                }
            }
            if !dead.is_empty() {
                dead.truncate(CLOCKS_AT_ONCE);
                add(Task::Settle(dead));
            }
            if place.is_idle() {
                let since = self.idle.get(path).copied().unwrap_or(now);
                idle.insert(path.clone(), since);
                if now.saturating_duration_since(since) >= DEAD_AFTER {
                    found.extend(sweep(path, place, wall));
                }
            }
        }
        (self.rests, self.idle, self.old) = (rests, idle, false);
        found.retain(|chore| !self.running.contains(chore) && !self.failed.contains_key(chore));
        let room = AT_ONCE.saturating_sub(self.running.len());
        self.more = found.len() > room;
        found.truncate(room);
        self.running.extend(found.iter().cloned());
        found
    }

    /// A chore has ended. One that failed is looked at again later.
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

fn waiting_for_pods(place: &Place) -> impl Iterator<Item = (&str, i64, &QuarantineRecord)> {
    place.resting.iter().filter_map(|(key, resting)| {
        let record = resting.record.as_ref()?;
        let waits = record.waits_for == WaitsFor::PodEnd;
        waits.then_some((key.as_str(), resting.revision, record))
    })
}

/// Nothing while a reservation has not passed long ago. Otherwise one transaction's share of what is there.
fn sweep(path: &ClaimPath, place: &Place, wall: UnixMillis) -> Option<Chore> {
    let passed = |until: UnixMillis| until.0.saturating_add(FORGET_AFTER_MILLIS) < wall.0;
    if !place.clocks.values().all(|reserved| passed(reserved.until)) {
        return None;
    }
    let clocks = place.clocks.iter().map(|(key, reserved)| (key.clone(), reserved.revision));
    let clocks: Vec<(String, i64)> = clocks.take(CLOCKS_AT_ONCE).collect();
    let last = clocks.len() == place.clocks.len();
    let (sentinel, reclaims) = (place.sentinel, place.reclaims);
    let task = Task::Sweep { sentinel, reclaims, clocks, last };
    Some(Chore { path: path.clone(), task })
}

#[cfg(test)]
mod tests;
