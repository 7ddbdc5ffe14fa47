//! Lifts and starts freezes where no webhook does it: outside Kubernetes. The rules are in `docs/protocol.md`,
//! "Epochs and freezes".

use std::time::Duration;

use cairn_store::{Error, Kv, Store};
use tokio::time::sleep;
use tracing::{debug, info};

use crate::config::Config;

/// The time between two attempts while etcd does not respond.
const RETRY: Duration = Duration::from_secs(1);

/// How often to look for freezes whose author has not started them. It is the period of the webhook.
const RESYNC: Duration = Duration::from_secs(30);

/// With `--new-store`, lifts the freezes of an earlier start without it. Then starts the freezes whose author has
/// died, without end. Returns at once in a pod.
pub(crate) async fn maintain<K: Kv>(config: &Config, store: Store<K>) {
    if config.in_pod {
        return;
    }
    if config.new_store {
        retry(async || lift(config, &store).await).await;
    }
    loop {
        retry(async || store.start_freezes().await).await;
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

async fn retry(attempt: impl AsyncFn() -> Result<(), Error>) {
    while let Err(error) = attempt().await {
        debug!("{}", error.report());
        sleep(RETRY).await;
    }
}
