//! Which shards this pod may serve now, and which requests are being served under them.
//!
//! Invariants: a request is admitted only while its shard is granted and before the deadline. A stop is confirmed only
//! after every request of its shard has ended. So whoever gets the shard next never meets a request of ours.
//!
//! Not for: work on a shard that no request asks for. Such an app follows its shards itself, see
//! `examples/worker.rs`, and calls [`OwnShards::tell`] and [`OwnShards::idle`].

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::{Arc, Weak};
use std::time::Duration;

use cairn_core::claim::Fence;
use cairn_core::coordination::lookup::{KeyError, shard_of};
use cairn_core::coordination::map::{KeyHash, Shard, ShardMap};
use cairn_proto::v1::coordination_client::CoordinationClient;
use cairn_proto::v1::{SetSelfRequest, Shards, StoppedRequest, Stopping, WatchRequest};
use rustix::time::{ClockId, clock_gettime};
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tonic::Status;
use tonic::transport::Channel;

use crate::sidecar::{known, wait_after};

/// Why this pod does not serve a key.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NotServed {
    /// The sidecar has not told yet.
    #[error("this pod does not know its shards yet")]
    NotTold,
    /// Another pod owns it, or nobody.
    #[error("this pod does not own shard {0}")]
    NotOwned(Shard),
    /// The key is not of the map's hash.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// The shards that this pod may serve.
#[derive(Clone, Debug)]
pub struct OwnShards(Arc<State>);

/// Under which grant a request is served. It is an extension of each request that [`crate::OwnedLayer`] lets through.
#[derive(Clone, Debug)]
pub struct Served {
    /// The shard.
    pub shard: Shard,
    /// For stores that can compare it.
    pub fence: Fence,
    state: Arc<State>,
}

/// A request that is being served, until this is dropped.
#[derive(Debug)]
pub(crate) struct Serving {
    served: Served,
    _counted: Counted,
}

/// One of [`State::busy`], until this is dropped.
#[derive(Debug)]
struct Counted {
    shard: Shard,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    told: watch::Sender<Told>,
    /// Requests by shard; a shard without any is missing.
    busy: watch::Sender<HashMap<Shard, usize>>,
}

/// What the sidecar has told last.
#[derive(Debug, Default)]
struct Told {
    hash: Option<KeyHash>,
    shards: Shards,
}

// === impl OwnShards ===

impl OwnShards {
    /// The shards as the pod's sidecar tells them; and what follows it and confirms stops, to be spawned. It ends when
    /// nobody asks for shards any more.
    pub fn follow(sidecar: Channel) -> (Self, impl Future<Output = ()> + Send + use<>) {
        let own = Self::with(None);
        let state = Arc::downgrade(&own.0);
        let mut gone = own.0.told.subscribe();
        let following = async move {
            let follow = async {
                let mut client = CoordinationClient::new(sidecar);
                loop {
                    let ended = follow_once(&mut client, &state).await;
                    wait_after(ended).await;
                }
            };
            tokio::select! {
                () = follow => {}
                // It fails once the last of them is gone.
                () = async { while gone.changed().await.is_ok() {} } => {}
            }
        };
        (own, following)
    }

    /// Shards that the app tells, with the hash of its annotation `cairn.dev/shard-hash`.
    pub fn new(hash: KeyHash) -> Self {
        Self::with(Some(hash))
    }

    /// Takes up what the sidecar has told. A stop may be confirmed after [`OwnShards::idle`] of its shard.
    pub fn tell(&self, shards: &Shards) {
        self.0.told.send_modify(|told| told.shards.clone_from(shards));
    }

    /// Waits until no request of the shard is being served.
    pub async fn idle(&self, shard: Shard) {
        let mut busy = self.0.busy.subscribe();
        // The sender is alive: it is ours.
        let _ = busy.wait_for(|busy| !busy.contains_key(&shard)).await;
    }

    /// Begins to serve a key.
    pub(crate) fn serve(&self, key: &[u8]) -> Result<Serving, NotServed> {
        let state = &self.0;
        let shard = state.told.borrow().admit(key)?.0;
        // First it counts, and then it looks again: whoever waits until the shard is idle has told before that it
        // stops.
        let counted = Counted::new(state, shard);
        let (same, fence) = state.told.borrow().admit(key)?;
        if same != shard {
            return Err(NotServed::NotOwned(shard));
        }
        Ok(Serving { served: Served { shard, fence, state: Arc::clone(state) }, _counted: counted })
    }

    fn with(hash: Option<KeyHash>) -> Self {
        let told = Told { hash, shards: Shards::default() };
        let busy = watch::Sender::new(HashMap::new());
        Self(Arc::new(State { told: watch::Sender::new(told), busy }))
    }
}

// === impl Served ===

impl Served {
    /// Waits until the shard has to stop or is gone, for streams that would not end by themselves. They are cut off at
    /// the deadline; until they end, the shard is not handed over.
    pub async fn stopping(&self) {
        let fence = self.fence;
        let stops = |told: &Told| {
            told.shards.epoch != fence.epoch || told.granted(self.shard) != Some(fence.revision)
        };
        let _ = self.state.told.subscribe().wait_for(stops).await;
    }

    /// Waits until the shard must not be served under this fence any more.
    async fn lost(&self) {
        let mut told = self.state.told.subscribe();
        loop {
            let deadline = told.borrow_and_update().deadline(self.shard, self.fence);
            let left = u64::try_from(deadline.saturating_sub(boottime_ns())).unwrap_or(0);
            if left == 0 {
                return;
            }
            tokio::select! {
                () = sleep(Duration::from_nanos(left)) => {}
                _ = told.changed() => {}
            }
        }
    }
}

// === impl Serving ===

impl Serving {
    pub(crate) fn served(&self) -> Served {
        self.served.clone()
    }

    pub(crate) fn lost_sentence(&self) -> String {
        format!("this pod does not own shard {} any more", self.served.shard)
    }

    /// Ends when the shard must not be served any more.
    pub(crate) fn lost(&self) -> impl Future<Output = ()> + Send + use<> {
        let served = self.served();
        async move { served.lost().await }
    }
}

// === impl Counted ===

impl Counted {
    fn new(state: &Arc<State>, shard: Shard) -> Self {
        state.busy.send_if_modified(|busy| {
            *busy.entry(shard).or_default() += 1;
            false
        });
        Self { shard, state: Arc::clone(state) }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.state.busy.send_if_modified(|busy| {
            let Some(requests) = busy.get_mut(&self.shard) else { return false };
            *requests -= 1;
            if *requests > 0 {
                return false;
            }
            busy.remove(&self.shard);
            true
        });
    }
}

// === impl Told ===

impl Told {
    /// The shard of a key that may be served now, and its fence.
    fn admit(&self, key: &[u8]) -> Result<(Shard, Fence), NotServed> {
        let Shards { epoch, count, valid_until_boottime_ns, .. } = self.shards;
        let hash = self.hash.filter(|_| count > 0).ok_or(NotServed::NotTold)?;
        let shard = shard_of(&ShardMap { shards: count, hash }, key)?;
        let in_time = boottime_ns() < valid_until_boottime_ns;
        let revision = self.granted(shard).filter(|_| in_time);
        let revision = revision.ok_or(NotServed::NotOwned(shard))?;
        Ok((shard, Fence { epoch, revision }))
    }

    /// The revision of the shard's fence.
    fn granted(&self, shard: Shard) -> Option<i64> {
        let listed = self.shards.shards.binary_search(&shard).is_ok();
        listed.then(|| self.shards.fences.get(&shard).copied().unwrap_or_default())
    }

    /// Until when a request that has begun under this fence may go on.
    fn deadline(&self, shard: Shard, fence: Fence) -> i64 {
        if self.shards.epoch != fence.epoch {
            return 0;
        }
        if self.granted(shard) == Some(fence.revision) {
            return self.shards.valid_until_boottime_ns;
        }
        let mut stopping = self.shards.stopping.iter();
        let ours = stopping.find(|stop| stop.shard == Some(shard) && stop.fence == fence.revision);
        ours.map_or(0, |stop| stop.valid_until_boottime_ns)
    }
}

/// The clock of all deadlines. It goes on while the machine sleeps.
fn boottime_ns() -> i64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec.saturating_mul(1_000_000_000).saturating_add(now.tv_nsec)
}

/// Follows until the stream ends. What was told stays: it ends at its deadline.
async fn follow_once(
    client: &mut CoordinationClient<Channel>,
    state: &Weak<State>,
) -> Result<(), Status> {
    // Without a change it only reads: the map is a member's for as long as it lives.
    let own = client.set_self(SetSelfRequest::default()).await?.into_inner();
    let hash = own.map.and_then(known).map(|map| map.hash);
    // From the beginning: the first event repeats what has to stop.
    let mut events = client.watch_shards(WatchRequest::default()).await?.into_inner();
    let mut confirming = JoinSet::new();
    let mut confirmed = HashSet::new();
    while let Some(event) = events.message().await? {
        let shards = event.shards.unwrap_or_default();
        let Some(state) = state.upgrade() else { return Ok(()) };
        state.told.send_replace(Told { hash, shards: shards.clone() });
        while let Some(ended) = confirming.try_join_next() {
            // What could not be confirmed is confirmed after the next event.
            if let Ok(Some(stop)) = ended {
                confirmed.remove(&stop);
            }
        }
        for stopping in shards.stopping {
            if stopping.shard.is_some() && confirmed.insert(stopping.stop.clone()) {
                let own = OwnShards(Arc::clone(&state));
                confirming.spawn(confirm(own, client.clone(), stopping));
            }
        }
    }
    Ok(())
}

/// Confirms a stop once its requests have ended. The stop id, when that failed.
async fn confirm(
    own: OwnShards,
    mut client: CoordinationClient<Channel>,
    stopping: Stopping,
) -> Option<String> {
    own.idle(stopping.shard()).await;
    let stops = vec![stopping.stop.clone()];
    let answer = client.stopped(StoppedRequest { stops }).await;
    answer.is_err().then_some(stopping.stop)
}
