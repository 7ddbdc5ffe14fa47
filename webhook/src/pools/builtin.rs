//! The pools that ship with Cairn: created when absent, once per process start; never overwritten.
//!
//! Once per start, so that a built-in pool that somebody deleted stays away while nothing is
//! restarted, and an upgrade brings it back. The definition belongs to whoever edits the object.

use cairn_core::pool::{Pool, PoolName};
use kube::api::PostParams;
use kube::{Api, Client, Error};
use serde_json::Value;
use tokio::time::sleep;
use tracing::{info, warn};

use super::backoff;
use super::resource::PoolObject;
use crate::report::report;

/// Their objects, as they are created.
pub fn objects() -> Vec<PoolObject> {
    Pool::builtin_names().iter().filter_map(object).collect()
}

/// Creates those that are absent; the answer is those about which the API server said nothing good.
pub async fn create_all(client: &Client, objects: Vec<PoolObject>) -> Vec<PoolObject> {
    let pools = Api::<PoolObject>::all(client.clone());
    let mut missing = Vec::new();
    for object in objects {
        if let Err(error) = create(&pools, &object).await {
            warn!(pool = object.name(), "creating a built-in pool: {}", report(&error));
            missing.push(object);
        }
    }
    missing
}

/// Tries until none is missing: the resource may be defined after we have started.
pub async fn retry(client: &Client, mut missing: Vec<PoolObject>) {
    let mut failures = 0;
    while !missing.is_empty() {
        failures += 1;
        sleep(backoff::after(failures)).await;
        missing = create_all(client, missing).await;
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
