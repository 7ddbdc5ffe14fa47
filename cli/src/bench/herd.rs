//! A herd of pods on a scratch pool: how to set it up, start it, and put everything back.

use std::sync::Arc;
use std::time::Duration;

use cairn_core::keys::ClaimPath;
use cairn_core::names::{NamesSpec, Range};
use cairn_core::pool::{Pool, PoolError, PoolSpec};
use cairn_kit::clock;
use cairn_store::{Error, Kv, Store};
use futures::future::try_join_all;

use super::hold_mode::HoldMode;
use super::pod;
use super::race::{Race, Reporter};
use super::scratch::Scratch;

/// The pool and the namespace within the scratch place, which is nobody else's.
const NAME: &str = "bench";

/// More than this make an etcd slower and not safer.
const MOST_MEMBERS: usize = 7;

/// What comes at once for what.
#[derive(Clone, Copy, Debug)]
pub struct Herd {
    /// How many pods.
    pub pods: usize,
    /// How many names.
    pub names: usize,
    /// What they do with theirs.
    pub mode: HoldMode,
    /// Q. A clean release of a number rests as long.
    pub quarantine: Duration,
}

/// A place with a pool in it, reached by several connections.
#[derive(Debug)]
pub struct Ground<K> {
    scratch: Scratch<K>,
    /// One for each connection.
    stores: Vec<Arc<Store<Scratch<K>>>>,
    pool: Pool,
    herd: Herd,
}

// === impl Herd ===

impl Herd {
    /// So many pods for as many names, to be kept.
    pub fn of(pods: usize) -> Self {
        let quarantine = PoolSpec::default().quarantine;
        Self { pods, names: pods, mode: HoldMode::Keep, quarantine }
    }

    /// So many pods for fewer names, which are handed on without a rest.
    pub fn handing_on(pods: usize, names: usize) -> Self {
        Self { pods, names, mode: HoldMode::Release, quarantine: Duration::ZERO }
    }
}

// === impl Ground ===

impl<K: Kv + Clone + 'static> Ground<K> {
    /// A new place on these connections, with nothing in it yet.
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

    /// Makes the pool, and uses every connection once: opening one is no part of a claim.
    pub async fn prepare(&self) -> Result<(), Error> {
        try_join_all(self.stores.iter().map(|store| reach(store))).await?;
        match self.stores.first() {
            Some(store) => store.define(&self.pool, clock::now().wall.0 / 1000, None).await,
            None => Ok(()),
        }
    }

    /// Starts the herd.
    pub fn start(&self) -> Race {
        let mode = self.herd.mode;
        self.start_with(|store, number, reporter| {
            pod::live(store, pod::machine(NAME, &self.pool.name, number), mode, reporter)
        })
    }

    /// Starts as many claimants of another kind.
    pub fn start_with<F>(
        &self,
        claimant: impl Fn(Arc<Store<Scratch<K>>>, usize, Reporter) -> F,
    ) -> Race
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let connections = self.stores.iter().cycle();
        let claimants = connections.take(self.herd.pods).enumerate();
        Race::start(self.herd.mode, claimants, |(number, store), reporter| {
            claimant(Arc::clone(store), number, reporter)
        })
    }

    /// Where its claims are, and the pool.
    pub fn path(&self) -> ClaimPath {
        ClaimPath::new(self.pool.name.clone(), self.pool.spec.scope, NAME, None)
    }

    /// The pool.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The place itself.
    pub fn scratch(&self) -> &Scratch<K> {
        &self.scratch
    }
}

/// A failure moves the connection on to the next member.
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
