//! An app that follows the rules: it reads its sidecar's `?watch`, and uses a name only while the last published
//! state is held and its own clock is before the deadline. It goes on while its sidecar does not answer or does not
//! run, as real apps do.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cairn_core::claim::ClaimState;
use cairn_core::contract::path;
use cairn_core::identity::ClaimJson;
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::boottime;
use crate::control::Control;
use crate::ids;
use crate::journal::{Journal, Published};
use crate::pools::Layout;

/// Between two uses of a name.
const PERIOD: Duration = Duration::from_millis(100);
/// Between two requests for IDs.
const MINTING: Duration = Duration::from_millis(300);
/// Between two attempts at the socket of a sidecar that is down.
const RETRY: Duration = Duration::from_millis(100);

/// Numbers the apps, because one UID may have several, one after the other or at once.
static COUNT: AtomicU64 = AtomicU64::new(1);

/// A running app.
#[derive(Debug)]
pub struct App {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    id: u64,
    uid: String,
    dir: PathBuf,
    control: PathBuf,
    layout: Layout,
    journal: Journal,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    published: HashMap<String, Published>,
    ended: bool,
}

#[derive(Debug, Deserialize)]
struct Claims {
    claims: Vec<ClaimJson>,
}

// === impl App ===

impl App {
    /// Starts an app beside the sidecar that publishes into a directory.
    pub fn start(
        uid: &str,
        dir: &Path,
        control: &Path,
        layout: &Layout,
        journal: &Journal,
    ) -> Self {
        let shared = Arc::new(Shared {
            id: COUNT.fetch_add(1, Ordering::Relaxed),
            uid: uid.to_owned(),
            dir: dir.to_owned(),
            control: control.to_owned(),
            layout: layout.clone(),
            journal: journal.clone(),
            state: Mutex::default(),
        });
        let listening = tokio::spawn(listen(Arc::clone(&shared)));
        let using = tokio::spawn(work(Arc::clone(&shared)));
        let minting = tokio::spawn(mint(Arc::clone(&shared)));
        Self { shared, tasks: vec![listening, using, minting] }
    }

    /// Whether the app holds a name in every pool of a list.
    pub fn holds(&self, pools: &[String]) -> bool {
        let state = self.shared.lock();
        pools.iter().all(|pool| state.published.contains_key(pool))
    }
}

/// Ends the app: it uses no name from now on.
impl Drop for App {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        let mut state = self.shared.lock();
        state.ended = true;
        let now = boottime::now();
        for published in state.published.values() {
            self.shared.journal.ended(self.shared.id, published, now);
        }
    }
}

// === impl Shared ===

impl Shared {
    /// Takes over the claims that the sidecar has published.
    fn update(&self, claims: Claims) {
        let control = Control::read(&self.control);
        let mut state = self.lock();
        if state.ended {
            return;
        }
        for claim in claims.claims {
            let new = self.layout.path_of(&claim.pool, &claim.group).and_then(|(path, pool)| {
                Some(Published {
                    path,
                    name: claim.name.clone()?,
                    fence: claim.fence?,
                    incarnation: claim.holder.incarnation,
                    until: control.real(claim.valid_until_boottime_ns?),
                    validity: pool.spec.validity,
                    pool: claim.pool.clone(),
                })
            });
            let new = new.filter(|_| claim.state == ClaimState::Held);
            let before = state.published.remove(&claim.pool);
            let gone =
                before.filter(|before| new.as_ref().is_none_or(|new| new.fence != before.fence));
            if let Some(before) = gone {
                self.journal.ended(self.id, &before, boottime::now());
            }
            if let Some(new) = new {
                state.published.insert(claim.pool, new);
            }
        }
    }

    /// Uses every name that may be used now.
    fn use_names(&self) {
        let state = self.lock();
        if state.ended {
            return;
        }
        for published in state.published.values() {
            let now = boottime::now();
            if now < published.until {
                self.journal.used(self.id, &self.uid, published, now);
            }
        }
    }

    fn may_use(&self, pool: &str) -> bool {
        let state = self.lock();
        let published = state.published.get(pool);
        !state.ended && published.is_some_and(|published| boottime::now() < published.until)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn work(shared: Arc<Shared>) {
    loop {
        shared.use_names();
        sleep(PERIOD).await;
    }
}

/// Minting is a task of its own, because a frozen sidecar does not answer.
async fn mint(shared: Arc<Shared>) {
    let pools = shared.layout.minting();
    while !pools.is_empty() {
        for pool in pools.iter().filter(|pool| shared.may_use(pool)) {
            if let Some(minted) = ids::mint(&shared.dir, &shared.uid, pool).await {
                shared.journal.minted(minted);
            }
        }
        sleep(MINTING).await;
    }
}

async fn listen(shared: Arc<Shared>) {
    loop {
        // While the sidecar does not run, the app goes on with the claims that were published last.
        let _ = follow(&shared).await;
        sleep(RETRY).await;
    }
}

async fn follow(shared: &Shared) -> std::io::Result<()> {
    let mut stream = UnixStream::connect(shared.dir.join(path::SOCKET)).await?;
    // HTTP/1.0, so that the answer is not chunked.
    stream.write_all(b"GET /v1/claims?watch HTTP/1.0\r\nHost: cairn\r\n\r\n").await?;
    let mut lines = BufReader::new(stream).lines();
    while let Some(line) = lines.next_line().await? {
        let claims = line.strip_prefix("data:").map(str::trim_start);
        if let Some(Ok(claims)) = claims.map(serde_json::from_str::<Claims>) {
            shared.update(claims);
        }
    }
    Ok(())
}
