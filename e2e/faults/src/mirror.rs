//! Stands in for the webhook's claims mirror: puts a quarantine that waits for the end of its pod on a short lease
//! once the pod is gone. It does nothing else of what the real mirror does.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cairn_core::quarantine::{AFTER_POD, QuarantineRecord, WaitsFor};
use cairn_store::etcd::Etcd;
use cairn_store::{Error, Store};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::access::Access;
use crate::pools::Layout;

/// How long it waits for one answer of etcd.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
/// Between two checks of all quarantines.
const PERIOD: Duration = Duration::from_millis(500);

/// The UIDs of the pods that exist.
#[derive(Clone, Debug, Default)]
pub struct Existing(Arc<Mutex<BTreeSet<String>>>);

/// The running mirror. It ends when this is dropped.
#[derive(Debug)]
pub struct Mirror(JoinHandle<()>);

// === impl Existing ===

impl Existing {
    /// Adds a pod that is created.
    pub fn insert(&self, uid: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(uid.to_owned());
    }

    /// Removes a pod that is gone. Its app must have ended before.
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
    pub fn start(
        urls: Vec<String>,
        access: Arc<Access>,
        layout: Layout,
        existing: Existing,
    ) -> Self {
        Self(tokio::spawn(async move {
            loop {
                // After an error the next round tries again: the quarantines still exist.
                if let Ok(etcd) = access.connect(&urls, REQUEST_TIMEOUT).await {
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
