//! Lists and watches everything below `/cairn/v1/`.
//!
//! It lists again after an error, and from time to time without one: correctness rests on the list, and the watch only
//! shortens the delay.

use std::time::Duration;

use cairn_core::keys::ROOT;
use cairn_store::etcd::{Change, Etcd};
use cairn_store::{Error, KeyValue};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout_at};

use cairn_kit::backoff::{Backoff, around};

/// The time between two lists. An unnoticed error of the watch lasts no longer. A list of 5,000 claims takes etcd some
/// ten milliseconds.
const RELIST: Duration = Duration::from_mins(5);
/// The pauses after errors.
const RETRIES: Backoff =
    Backoff { first: Duration::from_millis(500), longest: Duration::from_secs(10) };

/// An update from etcd.
#[derive(Clone, Debug)]
pub enum Update {
    /// All keys.
    Listed(Vec<KeyValue>),
    /// The changes since the last update.
    Changed(Vec<Change>),
    /// etcd cannot be read: the known keys may be out of date.
    Disconnected,
}

/// Follows etcd until the receiver is dropped.
pub async fn follow(etcd: &Etcd, updates: &mpsc::Sender<Update>) {
    let mut failures = 0_u32;
    // As last logged.
    let mut other_cluster = None;
    while !updates.is_closed() {
        let Err(error) = session(etcd, updates, &mut failures).await else {
            continue;
        };
        let other = error.other_cluster();
        if failures == 0 || other_cluster != other {
            other_cluster = other;
            tracing::warn!(
                error = error.report(),
                "cannot follow the claims in etcd; trying again"
            );
        }
        if updates.send(Update::Disconnected).await.is_err() {
            return;
        }
        failures = failures.saturating_add(1);
        sleep(RETRIES.after(failures)).await;
    }
}

/// One list, and the watch from its revision on. Returns `Ok` when the next list is due or the receiver is dropped.
async fn session(
    etcd: &Etcd,
    updates: &mpsc::Sender<Update>,
    failures: &mut u32,
) -> Result<(), Error> {
    let (revision, keys) = etcd.list(ROOT).await?;
    let mut watcher = etcd.watch(ROOT, revision + 1).await?;
    if *failures > 0 {
        tracing::info!(revision, "following the claims in etcd again");
    }
    *failures = 0;
    let mut update = Update::Listed(keys);
    let until = Instant::now() + around(RELIST);
    while updates.send(update).await.is_ok() {
        update = match timeout_at(until, watcher.next()).await {
            Ok(changes) => Update::Changed(changes?),
            Err(_) => break,
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests;
