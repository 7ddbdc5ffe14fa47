//! The pools that ship with Cairn: created when absent, never overwritten.
//!
//! At the start of the process at once; later when one has been absent for [`COMES_BACK_AFTER`], so that whoever
//! deletes one in order to create it with another scope has that long. The definition belongs to whoever edits the
//! object.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use cairn_core::pool::{Pool, PoolName};
use cairn_kit::errors::report;
use kube::api::PostParams;
use kube::{Api, Error};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::backoff;
use super::resource::PoolObject;
use super::watched::Pools;

/// How long a built-in pool is absent before it is created again. `kubectl replace --force` needs seconds between
/// its deletion and its creation, and a person a little longer.
pub const COMES_BACK_AFTER: Duration = Duration::from_mins(1);

/// How often the list of pools is looked at for that.
const LOOK: Duration = Duration::from_secs(5);

/// Their objects, as they are created.
pub fn objects() -> Vec<PoolObject> {
    Pool::builtin_names().iter().filter_map(object).collect()
}

/// Creates those that are absent; the answer is those about which the API server said nothing good.
pub async fn create_all(pools: &Api<PoolObject>, objects: Vec<PoolObject>) -> Vec<PoolObject> {
    let mut missing = Vec::new();
    for object in objects {
        if let Err(error) = create(pools, &object).await {
            warn!(pool = object.name(), "creating a built-in pool: {}", report(&error));
            missing.push(object);
        }
    }
    missing
}

/// Tries until none is missing: the resource may be defined after we have started.
pub async fn retry(pools: &Api<PoolObject>, mut missing: Vec<PoolObject>) {
    let mut failures = 0;
    while !missing.is_empty() {
        failures += 1;
        sleep(backoff::after(failures)).await;
        missing = create_all(pools, missing).await;
    }
}

/// Creates again what has gone, for ever, on the replica that leads. A pool whose deletion is held back is not absent.
pub async fn keep(
    api: &Api<PoolObject>,
    leader: watch::Receiver<bool>,
    pools: watch::Receiver<Option<Arc<Pools>>>,
) {
    let mut absent: HashMap<String, Instant> = HashMap::new();
    loop {
        sleep(LOOK).await;
        // Before the first list nothing is known to be absent.
        let Some(known) = pools.borrow().clone() else { continue };
        let now = Instant::now();
        let mut gone = objects();
        gone.retain(|object| !known.contains_key(object.name()));
        absent.retain(|name, _| gone.iter().any(|object| object.name() == name));
        gone.retain(|object| {
            let since = *absent.entry(object.name().to_owned()).or_insert(now);
            now.saturating_duration_since(since) >= COMES_BACK_AFTER
        });
        if *leader.borrow() {
            for object in create_all(api, gone).await {
                // Asked again after the same time, not with every look.
                absent.remove(object.name());
            }
        }
    }
}

async fn create(pools: &Api<PoolObject>, object: &PoolObject) -> Result<(), Error> {
    match pools.create(&PostParams::default(), object).await {
        Ok(_) => info!(pool = object.name(), "created"),
        Err(Error::Api(status)) if status.is_already_exists() => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

fn object(name: &PoolName) -> Option<PoolObject> {
    let pool = Pool::builtin(name)?;
    let spec: Value = serde_json::from_str(&pool.to_json()).ok()?;
    Some(PoolObject::new(name.as_str(), spec))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pools::resource::check;

    #[test]
    fn every_built_in_pool_passes_its_own_check() {
        let objects = objects();
        assert_eq!(objects.len(), Pool::builtin_names().len());
        for object in objects {
            let pool = check(object.name(), &object.spec).unwrap();
            assert_eq!(Pool::builtin(&pool.name), Some(pool));
        }
    }
}
