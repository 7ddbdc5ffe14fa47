//! The value of `installation`: which installation of Cairn uses this etcd, and in which etcd cluster it was
//! recorded.

use serde::{Deserialize, Serialize};

use crate::cluster::ClusterId;

/// How many replaced clusters are remembered: more than the restores during the life of any sidecar.
const REMEMBERED: usize = 16;

/// The record. Unknown fields of newer versions are left out when it is written again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Installation {
    /// The id of the installation. It is `None` when an administrator accepted the cluster before any installation
    /// was recorded; then the first installation that comes is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installation_id: Option<String>,
    /// The cluster in which the record was written.
    pub etcd_cluster_id: ClusterId,
    /// The clusters that this one has replaced, the latest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaced_cluster_ids: Vec<ClusterId>,
}

// === impl Installation ===

impl Installation {
    /// Reads a record.
    pub fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }

    /// Whether it proves that an administrator replaced the known cluster by the one in which it was found.
    pub fn succeeds(&self, known: ClusterId, found: ClusterId) -> bool {
        self.etcd_cluster_id == found && self.replaced_cluster_ids.contains(&known)
    }

    /// Adds a cluster that this one has replaced.
    pub(crate) fn replace(&mut self, cluster: ClusterId) {
        if cluster == self.etcd_cluster_id {
            return;
        }
        self.replaced_cluster_ids.retain(|replaced| *replaced != cluster);
        self.replaced_cluster_ids.push(cluster);
        let surplus = self.replaced_cluster_ids.len().saturating_sub(REMEMBERED);
        self.replaced_cluster_ids.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_names_the_latest_replaced_clusters_once_each() {
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
    fn a_record_with_unknown_fields_is_read() {
        let json = br#"{"installationId":"a","etcdClusterId":"1f","unheard":true}"#;
        let record = Installation::parse(json).unwrap();
        assert_eq!(record.etcd_cluster_id, ClusterId::new(31));
        assert_eq!(record.installation_id.as_deref(), Some("a"));
    }
}
