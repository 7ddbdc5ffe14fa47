//! Everything below `/cairn/v1/`, as a list and then as changes, for ever.
//!
//! After any error, and from time to time without one, it lists again: a watch makes its user
//! faster, never right.

use std::time::Duration;

use cairn_core::keys::ROOT;
use cairn_store::etcd::{Change, Etcd};
use cairn_store::{Error, KeyValue};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout_at};

use super::jitter;

/// An error of the watch that nobody noticed is healed after this long. A list of 5,000 claims
/// takes etcd some ten milliseconds.
const RELIST: Duration = Duration::from_mins(5);
/// The first pause after an error. Doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// A member that was down for long is asked this often.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What is known about etcd now.
#[derive(Clone, Debug)]
pub enum Update {
    /// All keys.
    Listed(Vec<KeyValue>),
    /// What has changed since.
    Changed(Vec<Change>),
    /// It cannot be read: what was known may be out of date.
    Disconnected,
}

/// Follows etcd until nobody listens any more.
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
        let pause = FIRST_PAUSE.saturating_mul(1 << failures.min(10)).min(LONGEST_PAUSE);
        failures = failures.saturating_add(1);
        sleep(jitter::around(pause)).await;
    }
}

/// One list and the watch from there on. Ends well when it is time for the next list, or when
/// nobody listens any more.
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
    let until = Instant::now() + jitter::around(RELIST);
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
