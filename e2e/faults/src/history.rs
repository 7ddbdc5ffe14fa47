//! What etcd did: every change below Cairn's root, in the order of revisions, store by store.
//!
//! Every member is watched, and a revision keeps the earliest instant at which any of them told it:
//! so a member that is cut off does not make events look late.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cairn_core::keys;
use etcd_client::{Client, ConnectOptions, EventType, WatchOptions};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::boottime::{self, Nanos};
use crate::failure::Failure;
use crate::wait::until;

/// A member that is down costs one attempt in this time.
const RETRY: Duration = Duration::from_millis(200);
/// The last changes come at once, unless the machine is busy.
const CATCHING_UP: Duration = Duration::from_secs(30);

/// Everything that happened in every store of a history, the first one first.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// One for each time that etcd began with nothing.
    pub generations: Vec<Generation>,
}

/// What happened in one store, by revision. Of a store that was wiped the last changes may be missing.
pub type Generation = BTreeMap<i64, Step>;

/// All changes of one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// When a member first told it; it happened before that.
    pub seen: Nanos,
    /// In no particular order.
    pub changes: Vec<Change>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: String,
    /// What it is now; nothing when it was deleted.
    pub put: Option<Put>,
}

/// A key's new value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// The value.
    pub value: Vec<u8>,
    /// When the key was created.
    pub create_revision: i64,
}

/// Reads a history while it is written.
#[derive(Clone, Debug, Default)]
pub struct Reader(Arc<Mutex<History>>);

/// Writes a history.
#[derive(Debug)]
pub struct Recorder {
    urls: Vec<String>,
    history: Arc<Mutex<History>>,
    watchers: JoinSet<()>,
}

// === impl Reader ===

impl Reader {
    /// What was seen so far.
    pub fn history(&self) -> History {
        lock(&self.0).clone()
    }
}

// === impl Recorder ===

impl Recorder {
    /// Records the first store from its beginning.
    pub fn start(urls: Vec<String>) -> Self {
        let mut recorder = Self { urls, history: Arc::default(), watchers: JoinSet::new() };
        recorder.begin();
        recorder
    }

    /// For others to read.
    pub fn reader(&self) -> Reader {
        Reader(Arc::clone(&self.history))
    }

    /// The store is about to be wiped: nothing of it may be taken for the next one's.
    pub async fn pause(&mut self) {
        self.watchers.shutdown().await;
    }

    /// A new store has begun.
    pub fn begin(&mut self) {
        let generation = {
            let mut history = lock(&self.history);
            history.generations.push(Generation::new());
            history.generations.len() - 1
        };
        for url in self.urls.clone() {
            let history = Arc::clone(&self.history);
            self.watchers.spawn(async move {
                loop {
                    // Whatever ends a watch, it is opened again where it ended.
                    let _ = watch(&url, generation, &history).await;
                    sleep(RETRY).await;
                }
            });
        }
    }

    /// Waits until everything up to a revision of the present store was seen.
    pub async fn catch_up(&self, revision: i64) -> Result<(), Failure> {
        until("the recorder to catch up", CATCHING_UP, async || {
            let history = lock(&self.history);
            let last = history.generations.last().and_then(|generation| generation.keys().last());
            let last = last.copied().unwrap_or(1);
            if last >= revision { Ok(()) } else { Err(format!("at {last} of {revision}")) }
        })
        .await
    }
}

async fn watch(
    url: &str,
    generation: usize,
    history: &Mutex<History>,
) -> Result<(), etcd_client::Error> {
    let options = ConnectOptions::new()
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
