//! The ID of the etcd cluster that a sidecar uses, kept in its directory: after a restart it accepts no other
//! cluster.

use std::fs;
use std::path::{Path, PathBuf};

use cairn_kit::errors::report;
use cairn_store::ClusterId;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tracing::{info, warn};

use crate::publish::file;

/// The file in the directory. It is for the sidecar's next process, not for apps.
const FILE: &str = ".etcd-cluster";

/// The earlier process's cluster. An unreadable file counts as none. Blocks for one small read.
pub(crate) fn read(dir: &Path) -> Option<ClusterId> {
    fs::read_to_string(dir.join(FILE)).ok()?.trim().parse().ok()
}

/// Writes each cluster that the connection accepts, until the connection is closed.
pub(crate) async fn keep(dir: PathBuf, mut known: watch::Receiver<Option<ClusterId>>) {
    let mut kept = read(&dir);
    loop {
        let latest = *known.borrow_and_update();
        if let Some(id) = latest.filter(|id| kept != Some(*id)) {
            if let Some(former) = kept {
                info!(%former, cluster = %id, "etcd was replaced by another cluster");
            }
            kept = Some(id);
            let dir = dir.clone();
            let writing =
                spawn_blocking(move || file::write(&dir, FILE, id.to_string().as_bytes()));
            if let Ok(Err(error)) = writing.await {
                warn!("{}", report(&error));
            }
        }
        if known.changed().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_cluster_is_kept_for_the_next_process() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()), None);
        let (known, seen) = watch::channel(None);
        let keeping = tokio::spawn(keep(dir.path().to_owned(), seen));
        known.send_replace(Some(ClusterId::new(0x1f)));
        drop(known);
        keeping.await.unwrap();
        assert_eq!(read(dir.path()), Some(ClusterId::new(0x1f)));
        fs::write(dir.path().join(FILE), "half").unwrap();
        assert_eq!(read(dir.path()), None);
    }
}
