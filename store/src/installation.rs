//! Which installation uses this etcd.
//!
//! One installation of Cairn keeps its claims under one key prefix of one etcd cluster. The record there says which
//! installation that is and in which cluster it was written. A second installation on the same prefix would remove the
//! pools of the first one. A cluster with another id holds data that were restored or copied. Both are refused, the
//! latter until an administrator has accepted it ([`Store::accept_cluster`]). The record names the clusters that were
//! replaced, so that a process that knows one of those accepts the new one at once.
//!
//! Invariant: a record is written only over the record that was read.

use cairn_core::keys;

use crate::cluster::ClusterId;
use crate::error::Error;
use crate::kv::{Compare, Guarded, Kv};
pub use crate::records::Installation;
use crate::records::{decode, encode};
use crate::store::Store;

/// What the record says of an installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// This etcd is ours; it was before, or is from now on.
    Ours(Installation),
    /// Another installation uses this etcd under this key prefix.
    OtherInstallation {
        /// The id of the installation that asked.
        ours: String,
        /// The id in the record.
        theirs: String,
    },
    /// The record was written in another cluster: the data were restored or copied, and no administrator has accepted
    /// that yet.
    OtherCluster {
        /// The cluster in the record.
        recorded: ClusterId,
        /// The cluster that answered.
        actual: ClusterId,
    },
}

// === impl Store ===

impl<K: Kv> Store<K> {
    /// The record; `None` when no installation has recorded itself.
    pub async fn installation(&self) -> Result<Option<Installation>, Error> {
        Ok(self.read_installation().await?.0)
    }

    /// Records an installation where there is none, and compares it with the recorded one otherwise. It is
    /// idempotent, and two replicas may do it at the same time.
    pub async fn record_installation(&self, ours: &str) -> Result<Ownership, Error> {
        loop {
            let (found, revision) = self.read_installation().await?;
            let actual = self.cluster()?;
            let record = match found {
                Some(Installation { installation_id: Some(theirs), .. }) if theirs != ours => {
                    return Ok(Ownership::OtherInstallation { ours: ours.to_owned(), theirs });
                }
                Some(found) if found.etcd_cluster_id != actual => {
                    let recorded = found.etcd_cluster_id;
                    return Ok(Ownership::OtherCluster { recorded, actual });
                }
                Some(found) if found.installation_id.is_some() => {
                    return Ok(Ownership::Ours(found));
                }
                Some(accepted) => {
                    Installation { installation_id: Some(ours.to_owned()), ..accepted }
                }
                None => Installation {
                    installation_id: Some(ours.to_owned()),
                    etcd_cluster_id: actual,
                    replaced_cluster_ids: Vec::new(),
                },
            };
            if self.write_installation(&record, revision).await? {
                return Ok(Ownership::Ours(record));
            }
        }
    }

    /// An administrator accepts the cluster that answers as the successor of the recorded one, and of the clusters in
    /// `replaced`, which no record names. Answers with the new record.
    pub async fn accept_cluster(&self, replaced: &[ClusterId]) -> Result<Installation, Error> {
        loop {
            let (found, revision) = self.read_installation().await?;
            let actual = self.cluster()?;
            let mut record = Installation {
                installation_id: found.as_ref().and_then(|found| found.installation_id.clone()),
                etcd_cluster_id: actual,
                replaced_cluster_ids: Vec::new(),
            };
            let before = found.iter().flat_map(|found| {
                found.replaced_cluster_ids.iter().chain([&found.etcd_cluster_id])
            });
            for cluster in before.chain(replaced) {
                record.replace(*cluster);
            }
            if found.as_ref() == Some(&record) || self.write_installation(&record, revision).await?
            {
                return Ok(record);
            }
        }
    }

    async fn read_installation(&self) -> Result<(Option<Installation>, i64), Error> {
        let found = self.kv().get(keys::INSTALLATION).await?;
        let revision = found.as_ref().map_or(0, |found| found.mod_revision);
        Ok((found.as_ref().map(decode).transpose()?, revision))
    }

    /// False when the record has changed since this revision.
    async fn write_installation(
        &self,
        record: &Installation,
        revision: i64,
    ) -> Result<bool, Error> {
        let compares = vec![Compare::modified(keys::INSTALLATION, revision)];
        let mut txn = Guarded { compares, ..Guarded::default() };
        txn.then.put(keys::INSTALLATION, encode(keys::INSTALLATION, record)?, 0);
        Ok(self.kv().commit(txn).await?.succeeded())
    }

    /// The cluster that has just answered.
    fn cluster(&self) -> Result<ClusterId, Error> {
        self.kv().cluster_id().ok_or(Error::NoClusterId)
    }
}
