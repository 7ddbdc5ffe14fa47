//! A herd of pods that claim from a scratch pool at once: its size, its environment and its start.

use std::sync::Arc;
use std::time::Duration;

use cairn_core::keys::ClaimPath;
use cairn_core::names::{NamesSpec, Range};
use cairn_core::pool::{Pool, PoolError, PoolSpec};
use cairn_kit::clock;
use cairn_store::{Error, Kv, Store};
use futures::future::try_join_all;

use crate::claimants::{Claimants, Reporter};
use crate::hold_mode::HoldMode;
use crate::pod;
use crate::scratch::Scratch;

/// The pool and the namespace within the scratch prefix.
const NAME: &str = "bench";

/// The largest sensible number of etcd members: more make an etcd slower and not safer.
const MOST_MEMBERS: usize = 7;

/// How many pods claim how many names.
#[derive(Clone, Copy, Debug)]
pub struct Herd {
    /// How many pods.
    pub pods: usize,
    /// How many names.
    pub names: usize,
    /// What each pod does with its name.
    pub mode: HoldMode,
    /// The quarantine of the pool, which also follows a clean release.
    pub quarantine: Duration,
}

/// A scratch prefix with a pool, and several connections to it.
#[derive(Debug)]
pub struct BenchEnv<K> {
    scratch: Scratch<K>,
    /// One for each connection.
    stores: Vec<Arc<Store<Scratch<K>>>>,
    pool: Pool,
    herd: Herd,
}

// === impl Herd ===

impl Herd {
    /// As many names as pods; each pod keeps its name.
    pub fn of(pods: usize) -> Self {
        let quarantine = PoolSpec::default().quarantine;
        Self { pods, names: pods, mode: HoldMode::Keep, quarantine }
    }

    /// Fewer names than pods; each pod releases its name at once, without quarantine.
    pub fn handing_on(pods: usize, names: usize) -> Self {
        Self { pods, names, mode: HoldMode::Release, quarantine: Duration::ZERO }
    }
}

// === impl BenchEnv ===

impl<K: Kv + Clone + 'static> BenchEnv<K> {
    /// A new, empty scratch prefix on these connections.
    pub fn new(first: K, others: Vec<K>, herd: Herd) -> Result<Self, PoolError> {
        let to = u32::try_from(herd.names.saturating_sub(1)).unwrap_or(u32::MAX);
        let range = Range { from: 0, to, prefix: String::new(), width: 0 };
        let spec = PoolSpec {
            names: NamesSpec { range: Some(range), ..NamesSpec::default() },
            quarantine: herd.quarantine,
            ..PoolSpec::default()
        };
        let pool = Pool::new(NAME.parse()?, spec)?;
        let scratch = Scratch::new(first);
        let others = others.into_iter().map(|kv| scratch.by(kv));
        let all = std::iter::once(scratch.clone()).chain(others.collect::<Vec<_>>());
        let stores = all.map(|scratch| Arc::new(Store::new(scratch))).collect();
        Ok(Self { scratch, stores, pool, herd })
    }

    /// Defines the pool and uses every connection once, because opening one is not part of a claim.
    pub async fn prepare(&self) -> Result<(), Error> {
        try_join_all(self.stores.iter().map(|store| reach(store))).await?;
        match self.stores.first() {
            Some(store) => store.define(&self.pool, clock::now().wall.0 / 1000, None).await,
            None => Ok(()),
        }
    }

    /// Starts the herd.
    pub fn start(&self) -> Claimants {
        let mode = self.herd.mode;
        self.start_with(|store, number, reporter| {
            pod::live(store, pod::machine(NAME, &self.pool.name, number), mode, reporter)
        })
    }

    /// Starts as many claimants of another kind, for comparisons.
    pub fn start_with<F>(
        &self,
        claimant: impl Fn(Arc<Store<Scratch<K>>>, usize, Reporter) -> F,
    ) -> Claimants
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let connections = self.stores.iter().cycle();
        let claimants = connections.take(self.herd.pods).enumerate();
        Claimants::start(self.herd.mode, claimants, |(number, store), reporter| {
            claimant(Arc::clone(store), number, reporter)
        })
    }

    /// The path of the claims.
    pub fn path(&self) -> ClaimPath {
        ClaimPath::new(self.pool.name.clone(), self.pool.spec.scope, NAME, None)
    }

    /// The pool.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The scratch prefix.
    pub fn scratch(&self) -> &Scratch<K> {
        &self.scratch
    }
}

/// Sends one request. After a failure the connection moves to the next member.
async fn reach<K: Kv>(store: &Store<K>) -> Result<(), Error> {
    let mut untried = MOST_MEMBERS;
    loop {
        untried -= 1;
        match store.epoch().await {
            Err(error) if error.is_transient() && untried > 0 => {}
            answer => return answer.map(|_| ()),
        }
    }
}
