//! Mints IDs under claims that are held: at the instant of minting, by their deadline, and within the
//! time that is reserved.
//!
//! What is believed and what is published must both say that the claim is held. Before a timestamp is used a
//! file says so ([`mark`]), so that the next process of this holder passes over it. Once closed,
//! nothing more is minted: the release tells the next holder how far it went.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cairn_core::claim::Fence;
use cairn_core::clock::MintCheckpoint;
use cairn_core::contract::path;
use cairn_core::ids::{Layout, MintError, Minter};
use cairn_core::lease::Minting;
use cairn_core::pool::PoolName;
use cairn_core::time::{Now, UnixMillis};
use cairn_kit::clock::Clock;
use cairn_kit::errors::report;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::applied;
use crate::config::Config;
use crate::snapshot::{Claim, Snapshot};

pub mod mark;

/// One millisecond's worth in the usual layout: a batch that nobody needs to wait for.
pub const MAX_COUNT: u32 = 4096;

/// How far ahead the file says that IDs were minted: one write a second at most, and a restarted
/// sidecar is at most this much ahead of its clock.
const STEP: Duration = Duration::from_secs(1);

/// How long a request is kept waiting for its millisecond, or for the file.
const PATIENCE: Duration = Duration::from_secs(1);

/// When it is worth while to ask again: a renewal or a reservation may have come by then.
const SOON: Duration = Duration::from_secs(1);

/// Mints; clones share everything.
#[derive(Clone, Debug)]
pub struct Ids(Arc<Inner>);

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Minted {
    /// The pool.
    pub pool: PoolName,
    /// The node ID's name, as shown.
    pub name: String,
    /// The claim's fence.
    pub fence: Fence,
    /// In decimal, as text: 63 bits do not fit into the numbers of JavaScript.
    pub ids: Vec<String>,
}

/// Why nothing was minted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable {
    /// One sentence.
    pub sentence: String,
    /// When it is worth while to ask again.
    pub retry: Option<Duration>,
}

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    uid: String,
    layout: Layout,
    clock: Arc<dyn Clock>,
    believed: watch::Receiver<Arc<Snapshot>>,
    pool_minters: Mutex<PoolMinters>,
    /// One writer at a time.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct PoolMinters {
    closed: bool,
    open: BTreeMap<PoolName, PoolMinter>,
}

/// Where the IDs of one claim come from.
#[derive(Debug)]
struct PoolMinter {
    fence: Fence,
    minter: Minter,
    /// What the file says.
    kept: Option<UnixMillis>,
    last: Option<UnixMillis>,
}

/// How an attempt went.
enum Step {
    Minted(Minted),
    /// Try again after this.
    Pause(Duration),
    /// Try again once the file says this.
    Keep(MintCheckpoint),
}

// === impl Ids ===

impl Ids {
    /// Mints for the claims of one process. `believed` is what its driver believes.
    pub fn new(
        config: &Config,
        uid: &str,
        clock: Arc<dyn Clock>,
        believed: watch::Receiver<Arc<Snapshot>>,
    ) -> Self {
        Self(Arc::new(Inner {
            dir: config.dir.clone(),
            uid: uid.to_owned(),
            layout: config.ids,
            clock,
            believed,
            pool_minters: Mutex::default(),
            writing: tokio::sync::Mutex::default(),
        }))
    }

    /// So many IDs of a pool that this pod holds a node ID of.
    pub async fn mint(
        &self,
        applied: &applied::Watch,
        pool: &PoolName,
        count: u32,
    ) -> Result<Minted, Unavailable> {
        let mut left = PATIENCE;
        loop {
            let published = Arc::clone(&applied.borrow().snapshot);
            let spent = match self.try_mint(&published, pool, count)? {
                Step::Minted(minted) => return Ok(minted),
                Step::Pause(pause) => {
                    if pause > left {
                        return Err(Unavailable::ahead(pool, pause));
                    }
                    sleep(pause).await;
                    pause
                }
                Step::Keep(mark) => {
                    if left.is_zero() {
                        return Err(Unavailable::soon(format!(
                            "{} is written too slowly to mint; give a faster --dir",
                            path::IDS_JSON
                        )));
                    }
                    let began = self.0.clock.now().boot;
                    self.keep(pool, mark).await?;
                    self.0.clock.now().boot.since(began)
                }
            };
            left = left.saturating_sub(spent);
        }
    }

    /// Ends all minting, and says how far it went.
    pub fn close(&self) -> Vec<(PoolName, Fence, UnixMillis)> {
        let mut pool_minters = self.pool_minters();
        pool_minters.closed = true;
        let last = |(pool, pool_minter): (&PoolName, &PoolMinter)| {
            Some((pool.clone(), pool_minter.fence, pool_minter.last?))
        };
        pool_minters.open.iter().filter_map(last).collect()
    }

    fn try_mint(
        &self,
        published: &Snapshot,
        pool: &PoolName,
        count: u32,
    ) -> Result<Step, Unavailable> {
        let believed = Arc::clone(&self.0.believed.borrow());
        let mut pool_minters = self.pool_minters();
        if pool_minters.closed {
            return Err(Unavailable::for_good("the sidecar is stopping".to_owned()));
        }
        // Read while the minters are locked: nothing comes between the check and the minting.
        let now = self.0.clock.now();
        let (_, shown) = usable(published, pool, now)?;
        let (minting, slot) = usable(&believed, pool, now)?;
        if shown.fence != slot.fence {
            return Err(Unavailable::soon(format!(
                "pool '{pool}': a new claim is being published"
            )));
        }
        let layout = self.0.layout;
        layout
            .check(pool.as_str(), minting.largest)
            .map_err(|error| Unavailable::for_good(error.to_string()))?;
        let fresh = |from, last| PoolMinter {
            fence: minting.fence,
            minter: Minter::new(layout, minting.node, from),
            kept: None,
            last,
        };
        let pool_minter =
            pool_minters.open.entry(pool.clone()).or_insert_with(|| fresh(minting.from, None));
        if pool_minter.fence != minting.fence {
            // The claim may go on from where the former one ended under a new fence.
            let after = pool_minter.last.map(|last| last.after(Duration::from_millis(1)));
            *pool_minter =
                fresh(after.max(Some(minting.from)).unwrap_or(minting.from), pool_minter.last);
        }
        let time = minting.steady.at(now.boot);
        let ahead = pool_minter.minter.ahead(time);
        if !ahead.is_zero() {
            return Ok(Step::Pause(ahead));
        }
        let batch =
            match pool_minter.minter.plan(time, minting.not_before, minting.not_after, count) {
                Ok(batch) => batch,
                Err(MintError::Wait(wait)) => return Ok(Step::Pause(wait)),
                Err(error @ MintError::UsedUp) => return Err(Unavailable::soon(error.to_string())),
                Err(error) => return Err(Unavailable::for_good(error.to_string())),
            };
        if pool_minter.kept.is_none_or(|kept| batch.end > kept) {
            return Ok(Step::Keep(MintCheckpoint {
                fence: minting.fence,
                not_before: minting.not_before,
                minted_until: Some(batch.end.after(STEP)),
            }));
        }
        pool_minter.last = Some(batch.end);
        let ids = pool_minter.minter.take(batch).iter().map(ToString::to_string).collect();
        Ok(Step::Minted(Minted {
            pool: pool.clone(),
            name: slot.name.clone(),
            fence: minting.fence,
            ids,
        }))
    }

    /// Has the file say it.
    async fn keep(&self, pool: &PoolName, mark: MintCheckpoint) -> Result<(), Unavailable> {
        let _one = self.0.writing.lock().await;
        let lags = |pool_minter: &PoolMinter| {
            pool_minter.fence == mark.fence && pool_minter.kept < mark.minted_until
        };
        if self.pool_minters().open.get(pool).is_none_or(|pool_minter| !lags(pool_minter)) {
            return Ok(());
        }
        let (dir, uid) = (self.0.dir.join(pool.as_str()), self.0.uid.clone());
        let written = spawn_blocking(move || mark::write(&dir, &uid, &mark)).await;
        let trouble = match written {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(report(&error)),
            Err(error) => Some(error.to_string()),
        };
        if let Some(trouble) = trouble {
            return Err(Unavailable::soon(trouble));
        }
        if let Some(pool_minter) =
            self.pool_minters().open.get_mut(pool).filter(|pool_minter| lags(pool_minter))
        {
            pool_minter.kept = mark.minted_until;
        }
        Ok(())
    }

    fn pool_minters(&self) -> MutexGuard<'_, PoolMinters> {
        self.0.pool_minters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Unavailable ===

impl Unavailable {
    fn for_good(sentence: String) -> Self {
        Self { sentence, retry: None }
    }

    fn soon(sentence: String) -> Self {
        Self { sentence, retry: Some(SOON) }
    }

    fn ahead(pool: &PoolName, pause: Duration) -> Self {
        let millis = pause.as_millis();
        let sentence = format!(
            "the IDs of pool '{pool}' are {millis} ms ahead of the clock; ask for fewer at a time"
        );
        Self { sentence, retry: Some(pause) }
    }
}

/// A claim under which IDs may be minted at this instant.
fn usable<'a>(
    snapshot: &'a Snapshot,
    pool: &PoolName,
    now: Now,
) -> Result<(&'a Minting, &'a cairn_core::identity::Slot), Unavailable> {
    let claim = snapshot.claims.iter().find(|claim| claim.identity.pool == *pool);
    let Some(claim) = claim else {
        return Err(Unavailable::soon(format!("pool '{pool}' is not claimed")));
    };
    let held = claim.identity.slot.as_ref().filter(|_| claim.is_held());
    match (held, &claim.minting) {
        (Some(slot), Some(minting)) if now.boot < slot.valid_until_boottime => Ok((minting, slot)),
        (Some(_), Some(_)) => Err(Unavailable::soon(format!(
            "pool '{pool}': etcd has not confirmed the claim since its deadline; nothing is minted until it does"
        ))),
        _ => Err(Unavailable::soon(waits(claim))),
    }
}

/// What a claim that is not held waits for.
pub fn waits(claim: &Claim) -> String {
    let identity = &claim.identity;
    match &identity.reason {
        Some(reason) => format!("pool '{}' is {}: {reason}", identity.pool, identity.state),
        None => format!("pool '{}' is {}", identity.pool, identity.state),
    }
}

#[cfg(test)]
mod tests;
