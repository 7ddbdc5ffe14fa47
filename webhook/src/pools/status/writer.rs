//! Writes the status of pools where it differs, on the leader.
//!
//! Invariant: a write carries the resource version that it was decided on. After a conflict the status is decided again
//! for the stored object.

use std::sync::Arc;
use std::time::Duration;

use cairn_kit::clock;
use cairn_kit::errors::report;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, Error};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::warn;

use super::desired;
use crate::mirror::{Counted, Counts};
use crate::pools::progress::{PoolStage, Progress};
use crate::pools::resource::PoolObject;
use crate::pools::watched::{Pools, Watched};

/// The pause between rounds: a burst of a thousand claims causes only a few writes.
const SETTLE: Duration = Duration::from_secs(1);
/// The pause after a failure.
const RETRY: Duration = Duration::from_secs(5);

/// The inputs of a status.
#[derive(Debug)]
pub struct Sources {
    /// Whether this replica writes.
    pub leader: watch::Receiver<bool>,
    /// The pools; `None` before the first list.
    pub pools: watch::Receiver<Option<Arc<Pools>>>,
    /// Their state in etcd.
    pub progress: watch::Receiver<Arc<Progress>>,
    /// Their usage.
    pub counts: watch::Receiver<Counted>,
}

// === impl Sources ===

impl Sources {
    /// Writes until the inputs end.
    pub async fn write(mut self, client: Client) {
        let api = Api::<PoolObject>::all(client);
        loop {
            let all_well = self.write_all(&api).await;
            sleep(SETTLE).await;
            tokio::select! {
                Ok(()) = self.leader.changed() => {}
                Ok(()) = self.pools.changed() => {}
                Ok(()) = self.progress.changed() => {}
                Ok(()) = self.counts.changed() => {}
                () = sleep(RETRY), if !all_well => {}
                else => return,
            }
        }
    }

    async fn write_all(&mut self, api: &Api<PoolObject>) -> bool {
        let leading = *self.leader.borrow_and_update();
        let pools = self.pools.borrow_and_update().clone().unwrap_or_default();
        let progress = Arc::clone(&self.progress.borrow_and_update());
        let counts = Arc::clone(&self.counts.borrow_and_update());
        if !leading {
            return true;
        }
        let mut all_well = true;
        for (name, watched) in &*pools {
            let parsed = name.parse().ok();
            let outcome = parsed.as_ref().and_then(|name| progress.get(name));
            let census = counts.as_ref().as_ref();
            let counts = parsed.as_ref().and_then(|name| census?.get(name));
            if let Err(error) = write(api, name, watched, outcome, counts).await {
                warn!(pool = name, "writing the status of a pool: {}", report(&error));
                all_well = false;
            }
        }
        all_well
    }
}

async fn write(
    api: &Api<PoolObject>,
    name: &str,
    watched: &Watched,
    outcome: Option<&PoolStage>,
    counts: Option<&Counts>,
) -> Result<(), Error> {
    match patch(api, name, watched, outcome, counts).await {
        Err(Error::Api(status)) if status.is_conflict() => {
            let Some(stored) = api.get_opt(name).await? else { return Ok(()) };
            patch(api, name, &stored.into(), outcome, counts).await
        }
        // The pool was deleted meanwhile.
        Err(Error::Api(status)) if status.is_not_found() => Ok(()),
        answer => answer,
    }
}

async fn patch(
    api: &Api<PoolObject>,
    name: &str,
    watched: &Watched,
    outcome: Option<&PoolStage>,
    counts: Option<&Counts>,
) -> Result<(), Error> {
    let Some(status) = desired(watched, outcome, counts, clock::now().wall) else {
        return Ok(());
    };
    let metadata = json!({"resourceVersion": watched.resource_version});
    let change = json!({"metadata": metadata, "status": status});
    api.patch_status(name, &PatchParams::default(), &Patch::Merge(change)).await.map(|_| ())
}

#[cfg(test)]
mod tests;
