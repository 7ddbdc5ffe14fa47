//! The installation record: whose etcd this is.
//!
//! One installation of Cairn keeps its claims under one key prefix of one etcd cluster. The record there
//! says which installation that is and in which cluster it was written. A second installation on the
//! same prefix would sweep the pools of the first; a cluster with another id holds data that were
//! restored or copied. Both are refused, the latter until an administrator has accepted it
//! ([`Store::accept_cluster`]). The record names the clusters that were replaced, so that whoever
//! knows one of those believes the new one at once.
//!
//! Invariant: a record is written only over the very record that was read.

use serde::{Deserialize, Serialize};

use cairn_core::keys;

use crate::cluster::ClusterId;
use crate::error::Error;
use crate::kv::{Compare, Kv, Op, Txn};
use crate::protocol::{Store, json, modified};

/// How many replaced clusters are remembered: more than the restores that a sidecar can live through.
const REMEMBERED: usize = 16;

/// The record. Unknown fields of newer versions are left out when it is written again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Installation {
    /// The id of the installation; `None` when an administrator accepted the cluster before any
    /// installation had recorded itself: the first one to come takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installation_id: Option<String>,
    /// The cluster that the record was written in.
    pub etcd_cluster_id: ClusterId,
    /// The clusters that this one has replaced, the latest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaced_cluster_ids: Vec<ClusterId>,
}

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
    /// The record was written in another cluster: the data were restored or copied, and nobody has
    /// accepted that yet.
    OtherCluster {
        /// The cluster in the record.
        recorded: ClusterId,
        /// The cluster that answered.
        actual: ClusterId,
    },
}

// === impl Installation ===

impl Installation {
    /// Reads a record.
    pub fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }

    /// Whether it proves that an administrator has replaced the known cluster by the one that it was
    /// found in.
    pub fn succeeds(&self, known: ClusterId, found: ClusterId) -> bool {
        self.etcd_cluster_id == found && self.replaced_cluster_ids.contains(&known)
    }

    fn replace(&mut self, cluster: ClusterId) {
        if cluster == self.etcd_cluster_id {
            return;
        }
        self.replaced_cluster_ids.retain(|replaced| *replaced != cluster);
        self.replaced_cluster_ids.push(cluster);
        let surplus = self.replaced_cluster_ids.len().saturating_sub(REMEMBERED);
        self.replaced_cluster_ids.drain(..surplus);
    }
}

// === impl Store ===

impl<K: Kv> Store<K> {
    /// The record; `None` where no installation has recorded itself.
    pub async fn installation(&self) -> Result<Option<Installation>, Error> {
        Ok(self.read_installation().await?.0)
    }

    /// Records an installation where there is none, and compares it with the one that is there.
    /// Idempotent; both replicas may do it at once.
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

    /// An administrator accepts the cluster that answers in place of the one in the record, and of
    /// further ones that no record names. Answers with the record as it is now.
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
        let reply = self.kv().txn(Txn::read(vec![Op::get(keys::INSTALLATION)])).await?;
        let found = reply.key(0);
        let record = found.map(crate::protocol::parse).transpose()?;
        Ok((record, modified(found)))
    }

    /// False when the record is another one by now.
    async fn write_installation(
        &self,
        record: &Installation,
        revision: i64,
    ) -> Result<bool, Error> {
        let value = json(keys::INSTALLATION, record)?;
        let txn = Txn {
            compares: vec![Compare::modified(keys::INSTALLATION, revision)],
            then: vec![Op::put(keys::INSTALLATION, value, 0)],
            otherwise: Vec::new(),
        };
        Ok(self.kv().txn(txn).await?.succeeded)
    }

    /// The cluster that has just answered.
    fn cluster(&self) -> Result<ClusterId, Error> {
        self.kv().cluster_id().ok_or(Error::NoClusterId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_names_the_clusters_that_were_replaced_and_no_more_than_are_of_use() {
        let ours = ClusterId::new(1);
        let mut record = Installation {
            installation_id: None,
            etcd_cluster_id: ours,
            replaced_cluster_ids: Vec::new(),
        };
        record.replace(ours);
        assert!(record.replaced_cluster_ids.is_empty(), "a cluster does not replace itself");
        (2..40).for_each(|id| record.replace(ClusterId::new(id)));
        record.replace(ClusterId::new(38));
        assert_eq!(record.replaced_cluster_ids.len(), REMEMBERED);
        assert!(record.succeeds(ClusterId::new(38), ours));
        assert!(!record.succeeds(ClusterId::new(2), ours));
        assert!(!record.succeeds(ClusterId::new(38), ClusterId::new(39)), "found elsewhere");
    }

    #[test]
    fn a_record_of_a_newer_version_is_understood() {
        let json = br#"{"installationId":"a","etcdClusterId":"1f","unheard":true}"#;
        let record = Installation::parse(json).unwrap();
        assert_eq!(record.etcd_cluster_id, ClusterId::new(31));
        assert_eq!(record.installation_id.as_deref(), Some("a"));
    }
}
