//! Mints IDs under claims that are held. The rules are in `docs/protocol.md`, "Clock reservation", and in
//! `docs/pods.md`, "Minting IDs".
//!
//! An ID is minted only if, at this instant, the driver and the published files both show the claim as held, its
//! deadline has not passed, and its timestamp lies within the reserved time. A file ([`checkpoint`]) covers a
//! timestamp before it is used, so that the next process of this holder skips it. After [`Ids::close`] nothing is
//! minted: the release records the last timestamp for the next holder.

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

pub mod checkpoint;

/// The IDs of one millisecond in the default layout: such a batch never waits for the clock.
pub const MAX_COUNT: u32 = 4096;

/// How far the checkpoint is ahead of the minted IDs. It is written at most once in this time, and a restarted
/// sidecar is at most this much ahead of its clock.
const STEP: Duration = Duration::from_secs(1);

/// The longest that one request waits for the clock or for the checkpoint.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// When a client should try again: by then a renewal or a reservation may have succeeded.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Mints IDs; clones share their state.
#[derive(Clone, Debug)]
pub struct Ids(Arc<Inner>);

/// The IDs of one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Minted {
    /// The pool.
    pub pool: PoolName,
    /// The claimed node ID, as users see it.
    pub name: String,
    /// The claim's fence.
    pub fence: Fence,
    /// Decimal numbers as strings: a JavaScript number cannot hold 63 bits.
    pub ids: Vec<String>,
}

/// Why nothing was minted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable {
    /// For the client.
    pub message: String,
    /// When the client should try again; `None` if that cannot help.
    pub retry: Option<Duration>,
}

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    uid: String,
    /// For pools that do not have one of their own.
    layout: Layout,
    clock: Arc<dyn Clock>,
    believed: watch::Receiver<Arc<Snapshot>>,
    minters: Mutex<Minters>,
    /// Checkpoints are written one at a time.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Minters {
    closed: bool,
    by_pool: BTreeMap<PoolName, PoolMinter>,
}

/// Mints the IDs of one claim.
#[derive(Debug)]
struct PoolMinter {
    fence: Fence,
    minter: Minter,
    /// The end of the time that the checkpoint covers.
    checkpoint: Option<UnixMillis>,
    /// The last timestamp that was used.
    last: Option<UnixMillis>,
}

/// The result of one attempt.
enum Attempt {
    Minted(Minted),
    /// Try again after this time.
    Wait(Duration),
    /// Try again after this checkpoint is written.
    Checkpoint(MintCheckpoint),
}

// === impl Ids ===

impl Ids {
    /// Mints for the claims of one process. `believed` is the driver's current snapshot.
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
            minters: Mutex::default(),
            writing: tokio::sync::Mutex::default(),
        }))
    }

    /// Mints `count` IDs under this pod's node ID from a pool. It waits up to a second for the clock or the checkpoint.
    pub async fn mint(
        &self,
        applied: &applied::Watch,
        pool: &PoolName,
        count: u32,
    ) -> Result<Minted, Unavailable> {
        let mut left = LONGEST_WAIT;
        loop {
            let published = Arc::clone(&applied.borrow().snapshot);
            let spent = match self.try_mint(&published, pool, count)? {
                Attempt::Minted(minted) => return Ok(minted),
                Attempt::Wait(wait) => {
                    if wait > left {
                        return Err(Unavailable::ahead(pool, wait));
                    }
                    sleep(wait).await;
                    wait
                }
                Attempt::Checkpoint(checkpoint) => {
                    if left.is_zero() {
                        return Err(Unavailable::for_now(format!(
                            "{} is written too slowly to mint; give a faster --dir",
                            path::IDS_JSON
                        )));
                    }
                    let began = self.0.clock.now().boot;
                    self.write_checkpoint(pool, checkpoint).await?;
                    self.0.clock.now().boot.since(began)
                }
            };
            left = left.saturating_sub(spent);
        }
    }

    /// Ends all minting. Returns the last timestamp that was used under each fence.
    pub fn close(&self) -> Vec<(PoolName, Fence, UnixMillis)> {
        let mut minters = self.minters();
        minters.closed = true;
        let last = |(pool, of_pool): (&PoolName, &PoolMinter)| {
            Some((pool.clone(), of_pool.fence, of_pool.last?))
        };
        minters.by_pool.iter().filter_map(last).collect()
    }

    fn try_mint(
        &self,
        published: &Snapshot,
        pool: &PoolName,
        count: u32,
    ) -> Result<Attempt, Unavailable> {
        let believed = Arc::clone(&self.0.believed.borrow());
        let mut minters = self.minters();
        if minters.closed {
            return Err(Unavailable::for_good("the sidecar is stopping".to_owned()));
        }
        // The clock is read under the lock: no other request mints between the check and the minting.
        let now = self.0.clock.now();
        let (_, shown) = usable(published, pool, now)?;
        let (minting, slot) = usable(&believed, pool, now)?;
        if shown.fence != slot.fence {
            return Err(Unavailable::for_now(format!(
                "pool '{pool}': a new claim is being published"
            )));
        }
        let layout = minting.layout.unwrap_or(self.0.layout);
        layout
            .check(pool.as_str(), minting.largest)
            .map_err(|error| Unavailable::for_good(error.to_string()))?;
        let fresh = |from, last| PoolMinter {
            fence: minting.fence,
            minter: Minter::new(layout, minting.node, from),
            checkpoint: None,
            last,
        };
        let of_pool =
            minters.by_pool.entry(pool.clone()).or_insert_with(|| fresh(minting.from, None));
        if of_pool.fence != minting.fence {
            // The claim may continue the former one under a new fence.
            let after = of_pool.last.map(|last| last.after(Duration::from_millis(1)));
            *of_pool = fresh(after.max(Some(minting.from)).unwrap_or(minting.from), of_pool.last);
        }
        let time = minting.steady.at(now.boot);
        let ahead = of_pool.minter.ahead(time);
        if !ahead.is_zero() {
            return Ok(Attempt::Wait(ahead));
        }
        let batch = match of_pool.minter.plan(time, minting.not_before, minting.not_after, count) {
            Ok(batch) => batch,
            Err(MintError::Wait(wait)) => return Ok(Attempt::Wait(wait)),
            Err(error @ MintError::UsedUp) => return Err(Unavailable::for_now(error.to_string())),
            Err(error) => return Err(Unavailable::for_good(error.to_string())),
        };
        if of_pool.checkpoint.is_none_or(|covered| batch.end > covered) {
            return Ok(Attempt::Checkpoint(MintCheckpoint {
                fence: minting.fence,
                not_before: minting.not_before,
                minted_until: Some(batch.end.after(STEP)),
            }));
        }
        of_pool.last = Some(batch.end);
        let ids = of_pool.minter.take(batch).iter().map(ToString::to_string).collect();
        Ok(Attempt::Minted(Minted {
            pool: pool.clone(),
            name: slot.name.clone(),
            fence: minting.fence,
            ids,
        }))
    }

    /// Writes a checkpoint, unless an equal or later one is written already.
    async fn write_checkpoint(
        &self,
        pool: &PoolName,
        checkpoint: MintCheckpoint,
    ) -> Result<(), Unavailable> {
        let _one = self.0.writing.lock().await;
        let lags = |of_pool: &PoolMinter| {
            of_pool.fence == checkpoint.fence && of_pool.checkpoint < checkpoint.minted_until
        };
        if self.minters().by_pool.get(pool).is_none_or(|of_pool| !lags(of_pool)) {
            return Ok(());
        }
        let (dir, uid) = (self.0.dir.join(pool.as_str()), self.0.uid.clone());
        let written = spawn_blocking(move || checkpoint::write(&dir, &uid, &checkpoint)).await;
        match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(Unavailable::for_now(report(&error))),
            Err(error) => return Err(Unavailable::for_now(error.to_string())),
        }
        let mut minters = self.minters();
        if let Some(of_pool) = minters.by_pool.get_mut(pool).filter(|of_pool| lags(of_pool)) {
            of_pool.checkpoint = checkpoint.minted_until;
        }
        Ok(())
    }

    fn minters(&self) -> MutexGuard<'_, Minters> {
        self.0.minters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Unavailable ===

impl Unavailable {
    fn for_good(message: String) -> Self {
        Self { message, retry: None }
    }

    fn for_now(message: String) -> Self {
        Self { message, retry: Some(RETRY_AFTER) }
    }

    fn ahead(pool: &PoolName, wait: Duration) -> Self {
        let millis = wait.as_millis();
        let message = format!(
            "the IDs of pool '{pool}' are {millis} ms ahead of the clock; ask for fewer at a time"
        );
        Self { message, retry: Some(wait) }
    }
}

/// The minting rules and the slot of a claim under which IDs may be minted at this instant.
fn usable<'a>(
    snapshot: &'a Snapshot,
    pool: &PoolName,
    now: Now,
) -> Result<(&'a Minting, &'a cairn_core::identity::Slot), Unavailable> {
    let claim = snapshot.claims.iter().find(|claim| claim.status.identity.pool == *pool);
    let Some(claim) = claim else {
        return Err(Unavailable::for_now(format!("pool '{pool}' is not claimed")));
    };
    let held = claim.status.identity.slot.as_ref().filter(|_| claim.is_held());
    match (held, &claim.status.minting) {
        (Some(slot), Some(minting)) if now.boot < slot.valid_until_boottime => Ok((minting, slot)),
        (Some(_), Some(_)) => Err(Unavailable::for_now(format!(
            "pool '{pool}': etcd has not confirmed the claim since its deadline; \
             nothing is minted until it does"
        ))),
        _ => Err(Unavailable::for_now(waits(claim))),
    }
}

/// Why a claim is not held.
pub fn waits(claim: &Claim) -> String {
    let identity = &claim.status.identity;
    match &identity.reason {
        Some(reason) => format!("pool '{}' is {}: {reason}", identity.pool, identity.state),
        None => format!("pool '{}' is {}", identity.pool, identity.state),
    }
}

#[cfg(test)]
mod tests;
