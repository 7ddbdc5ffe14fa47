//! The history of etcd: every change below Cairn's root, in the order of revisions, one store after the other.
//!
//! Every member is watched, and a revision has the earliest instant at which a watch reported it: so a member that is
//! cut off does not make changes look late.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cairn_core::keys;
use etcd_client::{Client, EventType, WatchOptions};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::access::Access;
use crate::boottime::{self, Nanos};
use crate::failure::Failure;
use crate::wait::until;

/// Between two attempts to watch a member that is down.
const RETRY: Duration = Duration::from_millis(200);
/// How long the watches may take to report the last changes on a busy machine.
const CATCHING_UP: Duration = Duration::from_secs(30);

/// The changes in every store of a history, the first store first.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// One for each time that etcd started with an empty store.
    pub generations: Vec<Generation>,
}

/// The changes in one store, by revision. The last changes of a store that was wiped may be missing.
pub type Generation = BTreeMap<i64, Step>;

/// All changes of one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// When the first watch reported it. It happened earlier.
    pub seen: Nanos,
    /// The changes, in no particular order.
    pub changes: Vec<Change>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: String,
    /// The new value; `None` when the key was deleted.
    pub put: Option<Put>,
}

/// A key's new value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// The value.
    pub value: Vec<u8>,
    /// The key's create revision.
    pub create_revision: i64,
}

/// Reads a history while it is recorded.
#[derive(Clone, Debug, Default)]
pub struct Reader(Arc<Mutex<History>>);

/// Records a history.
#[derive(Debug)]
pub struct Recorder {
    urls: Vec<String>,
    access: Arc<Access>,
    history: Arc<Mutex<History>>,
    watchers: JoinSet<()>,
}

// === impl Reader ===

impl Reader {
    /// A copy of the history so far.
    pub fn history(&self) -> History {
        lock(&self.0).clone()
    }

    /// The last recorded revision of the present store; 1 when none was recorded.
    pub fn last(&self) -> i64 {
        let history = lock(&self.0);
        let last = history.generations.last().and_then(|generation| generation.keys().last());
        last.copied().unwrap_or(1)
    }
}

// === impl Recorder ===

impl Recorder {
    /// Records the first store from its beginning.
    pub fn start(urls: Vec<String>, access: Arc<Access>) -> Self {
        let mut recorder = Self { urls, access, history: Arc::default(), watchers: JoinSet::new() };
        recorder.begin();
        recorder
    }

    /// A reader of this history.
    pub fn reader(&self) -> Reader {
        Reader(Arc::clone(&self.history))
    }

    /// Ends all watches before the store is wiped, so that no change of the old store counts as one of the next store.
    pub async fn pause(&mut self) {
        self.watchers.shutdown().await;
    }

    /// Records a new store from its beginning.
    pub fn begin(&mut self) {
        let generation = {
            let mut history = lock(&self.history);
            history.generations.push(Generation::new());
            history.generations.len() - 1
        };
        for url in self.urls.clone() {
            let (history, access) = (Arc::clone(&self.history), Arc::clone(&self.access));
            self.watchers.spawn(async move {
                loop {
                    // A watch that has ended is opened again after the last recorded revision.
                    let _ = watch(&url, &access, generation, &history).await;
                    sleep(RETRY).await;
                }
            });
        }
    }

    /// Waits until everything up to a revision of the present store is recorded.
    pub async fn catch_up(&self, revision: i64) -> Result<(), Failure> {
        until("the recorder to catch up", CATCHING_UP, async || {
            let last = self.reader().last();
            if last >= revision { Ok(()) } else { Err(format!("at {last} of {revision}")) }
        })
        .await
    }
}

async fn watch(
    url: &str,
    access: &Access,
    generation: usize,
    history: &Mutex<History>,
) -> Result<(), etcd_client::Error> {
    let options = access
        .options()
        .with_connect_timeout(Duration::from_secs(1))
        .with_keep_alive(Duration::from_secs(6), Duration::from_secs(2))
        .with_keep_alive_while_idle(true)
        .with_require_leader(true);
    let mut client = Client::connect([url], Some(options)).await?;
    let next = lock(history)
        .generations
        .get(generation)
        .and_then(|generation| generation.keys().last().map(|last| last + 1))
        .unwrap_or(1);
    let options = WatchOptions::new().with_prefix().with_start_revision(next);
    let mut stream = client.watch(keys::ROOT, Some(options)).await?;
    while let Some(message) = stream.message().await? {
        let seen = boottime::now();
        if message.canceled() {
            return Ok(());
        }
        let mut batch: BTreeMap<i64, Vec<Change>> = BTreeMap::new();
        for event in message.events() {
            let Some(pair) = event.kv() else { continue };
            let put = (event.event_type() == EventType::Put).then(|| Put {
                value: pair.value().to_vec(),
                create_revision: pair.create_revision(),
            });
            let key = String::from_utf8_lossy(pair.key()).into_owned();
            batch.entry(pair.mod_revision()).or_default().push(Change { key, put });
        }
        let mut history = lock(history);
        if let Some(known) = history.generations.get_mut(generation) {
            for (revision, changes) in batch {
                known.entry(revision).or_insert(Step { seen, changes });
            }
        }
    }
    Ok(())
}

fn lock(history: &Mutex<History>) -> MutexGuard<'_, History> {
    history.lock().unwrap_or_else(PoisonError::into_inner)
}
