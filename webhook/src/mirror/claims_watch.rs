//! Lists and watches everything below `/cairn/v1/`.
//!
//! It lists again after an error, and from time to time without one: correctness rests on the list, and the watch only
//! shortens the delay.
//!
//! A list comes page by page, so that no whole list is ever in memory. All pages are of one revision, and the watch
//! begins with the next one, so that it brings what changes during the list. A compaction during the list is an error
//! like others: the list begins again.

use std::time::Duration;

use cairn_core::keys::ROOT;
use cairn_store::etcd::{Change, Etcd};
use cairn_store::{Error, KeyValue, Listing};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout_at};

use cairn_kit::backoff::{Backoff, around};

/// The time between two lists. An unnoticed error of the watch lasts no longer. A list of 5,000 claims takes etcd some
/// ten milliseconds.
const RELIST: Duration = Duration::from_mins(5);

/// Keys of one page: half a megabyte.
const PAGE: i64 = 1000;

/// The pauses after errors.
const RETRIES: Backoff =
    Backoff { first: Duration::from_millis(500), longest: Duration::from_secs(10) };

/// An update from etcd.
#[derive(Clone, Debug)]
pub enum Update {
    /// A list of all keys begins. Until it is complete, nothing follows from a key that is missing.
    Listing,
    /// A page of that list.
    Page(Vec<KeyValue>),
    /// That list is complete.
    Listed,
    /// The changes since the last update.
    Changed(Vec<Change>),
    /// etcd cannot be read: the known keys may be out of date.
    Disconnected,
}

/// Follows etcd until the receiver is dropped.
pub async fn follow(etcd: &Etcd, updates: &mpsc::Sender<Update>) {
    follow_in_pages(etcd, updates, PAGE).await;
}

async fn follow_in_pages(etcd: &Etcd, updates: &mpsc::Sender<Update>, page: i64) {
    let mut failures = 0_u32;
    // As last logged.
    let mut other_cluster = None;
    while !updates.is_closed() {
        let Err(error) = session(etcd, updates, page, &mut failures).await else {
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
    page: i64,
    failures: &mut u32,
) -> Result<(), Error> {
    let mut listing = Listing::below(ROOT, page);
    let mut next = listing.next(etcd).await?;
    // Once etcd answers: what is known is kept during an outage.
    if updates.send(Update::Listing).await.is_err() {
        return Ok(());
    }
    while let Some(page) = next {
        if updates.send(Update::Page(page)).await.is_err() {
            return Ok(());
        }
        next = listing.next(etcd).await?;
    }
    let revision = listing.revision();
    let mut watcher = etcd.watch(ROOT, revision + 1).await?;
    if *failures > 0 {
        tracing::info!(revision, "following the claims in etcd again");
    }
    *failures = 0;
    let mut update = Update::Listed;
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
