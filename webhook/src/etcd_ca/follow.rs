//! Follows the authority of etcd, wherever it is kept, and publishes what can be used.
//!
//! What was published stays published while its source is gone or cannot be used: running certificates outlive that.

use std::sync::Arc;
use std::time::Duration;

use cairn_kit::errors::report;
use kube::Client;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{info, warn};

use super::authorities::{Authorities, EtcdCa};
use super::files::Files;
use super::keeper::Keeper;
use super::lives::Lives;
use super::metrics::Metrics;

/// The kubelet updates mounted Secrets within about a minute, so this adds little.
const FILES_PAUSE: Duration = Duration::from_secs(5);

/// Where the authority is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// In a Secret that Cairn itself makes: the bundled etcd.
    Secret {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// In files: an etcd of one's own.
    Files(Files),
}

/// Publishes the authority at first and after each change, for ever.
pub async fn follow(
    source: Source,
    lives: Lives,
    client: Client,
    metrics: Metrics,
    tx: watch::Sender<Option<Arc<EtcdCa>>>,
) {
    match source {
        Source::Secret { namespace, name } => {
            let keeper = Keeper::new(client, &namespace, &name, lives);
            let publish = |present: &Arc<Authorities>| {
                metrics.kept(present);
                publish(&tx, EtcdCa::from(&**present));
            };
            keeper.run(publish).await;
        }
        Source::Files(files) => follow_files(&files, FILES_PAUSE, &metrics, &tx).await,
    }
}

async fn follow_files(
    files: &Files,
    pause: Duration,
    metrics: &Metrics,
    tx: &watch::Sender<Option<Arc<EtcdCa>>>,
) {
    let mut said = String::new();
    loop {
        match files.read() {
            Ok(found) => {
                said.clear();
                metrics.found(&found);
                publish(tx, found);
            }
            Err(error) => {
                let line = report(&error);
                if line != said {
                    warn!("{line}");
                    said = line;
                }
            }
        }
        sleep(pause).await;
    }
}

/// True if the receivers were told.
fn publish(tx: &watch::Sender<Option<Arc<EtcdCa>>>, found: EtcdCa) {
    let told = tx.send_if_modified(|present| {
        let differs = present.as_deref() != Some(&found);
        if differs {
            *present = Some(Arc::new(found));
        }
        differs
    });
    if told {
        info!("took over the authority of etcd's clients");
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use cairn_core::time::UnixMillis;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_795_230_000_000);

    #[tokio::test(start_paused = true)]
    async fn changed_files_are_published_and_broken_ones_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let files =
            Files { ca: path("ca.crt"), issuer_cert: path("tls.crt"), issuer_key: path("tls.key") };
        let first = Authorities::new(&Lives::default(), NOW).unwrap();
        let write = |of: &Authorities, key: &str| {
            fs::write(&files.ca, &of.members.root.chain).unwrap();
            fs::write(&files.issuer_cert, &of.clients.issuer.chain).unwrap();
            fs::write(&files.issuer_key, key).unwrap();
        };
        let (tx, mut seen) = watch::channel(None);
        let (follower, pause) = (files.clone(), Duration::from_secs(5));
        let metrics = Metrics::default();
        let following = async move { follow_files(&follower, pause, &metrics, &tx).await };
        let following = tokio::spawn(following);

        sleep(2 * pause).await;
        assert_eq!(*seen.borrow_and_update(), None, "there are no files yet");
        write(&first, &first.clients.issuer.key);
        seen.changed().await.unwrap();
        assert_eq!(seen.borrow_and_update().as_deref(), Some(&EtcdCa::from(&first)));

        let later = NOW.after(Duration::from_secs(61 * 24 * 3600));
        let second = first.renewed(&Lives::default(), later).unwrap();
        write(&second, &first.clients.issuer.key);
        sleep(3 * pause).await;
        assert!(!seen.has_changed().unwrap(), "the key of the former issuer was published");
        write(&second, &second.clients.issuer.key);
        seen.changed().await.unwrap();
        assert_eq!(seen.borrow_and_update().as_deref(), Some(&EtcdCa::from(&second)));
        following.abort();
    }
}
