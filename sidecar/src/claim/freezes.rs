//! Freezes, where no webhook sees to them: without Kubernetes.

use std::time::Duration;

use cairn_store::{Error, Kv, Store};
use tokio::time::sleep;
use tracing::{debug, info};

use crate::config::Config;

/// Between two tries while etcd does not answer.
const RETRY: Duration = Duration::from_secs(1);

/// Between two looks for freezes that their author has not started; as often as the webhook looks.
const RESYNC: Duration = Duration::from_secs(30);

/// Lifts, with `--new-store`, what an earlier start without it has frozen; then starts freezes whose
/// author died, for as long as it runs. Does nothing in a pod.
pub(super) async fn attend<K: Kv>(config: &Config, store: Store<K>) {
    if config.in_pod {
        return;
    }
    if config.new_store {
        persist(async || lift(config, &store).await).await;
    }
    loop {
        persist(async || store.start_freezes().await).await;
        sleep(RESYNC).await;
    }
}

async fn lift<K: Kv>(config: &Config, store: &Store<K>) -> Result<(), Error> {
    for pool in &config.pools {
        if !store.lift_freeze_of_new_store(pool).await? {
            info!(%pool, "an administrator has frozen this pool; --new-store does not change that");
        }
    }
    Ok(())
}

async fn persist(attempt: impl AsyncFn() -> Result<(), Error>) {
    while let Err(error) = attempt().await {
        debug!("{}", error.report());
        sleep(RETRY).await;
    }
}
