//! The built-in pools: created when absent, never overwritten.
//!
//! They are created when the process starts, and later once one has been absent for [`COMES_BACK_AFTER`]. This leaves
//! time to delete one and create it with another scope. Users may edit the objects.

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

use super::RETRIES;
use super::resource::PoolObject;
use super::watched::Pools;

/// How long a built-in pool is absent before it is created again. `kubectl replace --force` takes seconds between
/// deletion and creation, and a person takes longer.
pub const COMES_BACK_AFTER: Duration = Duration::from_mins(1);

/// The period of that check.
const CHECK_PERIOD: Duration = Duration::from_secs(5);

/// The objects to create.
pub fn objects() -> Vec<PoolObject> {
    Pool::builtin_names().iter().filter_map(object).collect()
}

/// Creates the absent ones. Returns those that the API server did not accept.
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

/// Retries until none is missing: the CRD may be created after the webhook has started.
pub async fn retry(pools: &Api<PoolObject>, mut missing: Vec<PoolObject>) {
    let mut failures = 0;
    while !missing.is_empty() {
        failures += 1;
        sleep(RETRIES.after(failures)).await;
        missing = create_all(pools, missing).await;
    }
}

/// Creates deleted pools again, for ever, on the leader. A pool whose deletion waits is not absent.
pub async fn keep(
    api: &Api<PoolObject>,
    leader: watch::Receiver<bool>,
    pools: watch::Receiver<Option<Arc<Pools>>>,
) {
    let mut absent: HashMap<String, Instant> = HashMap::new();
    loop {
        sleep(CHECK_PERIOD).await;
        // Before the first list no pool is known to be absent.
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
                // Tried again after the same time, not with each check.
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
