//! Plays the webhook's claims mirror for names that rest until their pod has ended: puts such a rest on a
//! short lease once the pod is gone. What the real mirror does besides, it does not.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cairn_core::quarantine::{AFTER_POD, QuarantineRecord, WaitsFor};
use cairn_store::etcd::Etcd;
use cairn_store::{Error, Store};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::pools::Layout;

/// How long it waits for one answer of the store.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two looks at all rests.
const PERIOD: Duration = Duration::from_millis(500);

/// The UIDs of the pods that exist.
#[derive(Clone, Debug, Default)]
pub struct Existing(Arc<Mutex<BTreeSet<String>>>);

/// The running mirror; it ends with this value.
#[derive(Debug)]
pub struct Mirror(JoinHandle<()>);

// === impl Existing ===

impl Existing {
    /// A pod is created.
    pub fn insert(&self, uid: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(uid.to_owned());
    }

    /// A pod is gone, and its app has ended before.
    pub fn remove(&self, uid: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }

    fn contains(&self, uid: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(uid)
    }
}

// === impl Mirror ===

impl Mirror {
    /// Starts it on these etcd members.
    pub fn start(urls: Vec<String>, layout: Layout, existing: Existing) -> Self {
        Self(tokio::spawn(async move {
            loop {
                // What fails now is done in the next round: the rests are still there.
                if let Ok(etcd) = Etcd::connect(&urls, None, PATIENCE).await {
                    let store = Store::new(etcd);
                    while shorten(&store, &layout, &existing).await.is_ok() {
                        sleep(PERIOD).await;
                    }
                }
                sleep(PERIOD).await;
            }
        }))
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn shorten(store: &Store<Etcd>, layout: &Layout, existing: &Existing) -> Result<(), Error> {
    for path in layout.paths() {
        for rest in store.quarantines(&path).await? {
            let waits = rest.record.waits_for == WaitsFor::PodEnd;
            if waits && !existing.contains(&rest.record.holder.uid) {
                let record = QuarantineRecord { waits_for: WaitsFor::Time, ..rest.record };
                store.put_quarantine(&path, &rest.key, rest.revision, &record, AFTER_POD).await?;
            }
        }
    }
    Ok(())
}
