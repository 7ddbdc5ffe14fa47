//! A second cluster for the sentences that need one alone: two of them run side by side.

use std::sync::{Mutex, PoisonError};

use crate::access::Access;
use crate::cluster::{Cluster, Temporary};
use crate::{Failure, install};

static SECOND: Mutex<Option<Temporary>> = Mutex::new(None);

/// The second cluster, with Cairn on it. It is started when there is none.
pub(crate) fn cluster(shared: &Cluster) -> Result<Cluster, Failure> {
    let mut second = SECOND.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(cluster) = &*second {
        return Ok((**cluster).clone());
    }
    let cluster = Temporary::up(shared, "second")?;
    install::install(&cluster)?;
    // A test may take the webhook away before it needs etcd.
    Access::of(&cluster)?;
    Ok((**second.insert(cluster)).clone())
}

/// Removes it. Nobody may use it any more.
pub(crate) fn remove() {
    drop(SECOND.lock().unwrap_or_else(PoisonError::into_inner).take());
}
