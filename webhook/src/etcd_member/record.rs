//! The record of the etcd cluster: the facts that a member needs to start, besides its volume.
//!
//! Its JSON is the interface between versions of this program, and the webhook reads the cluster's ID from it. IDs are
//! hexadecimal, as etcd prints them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The cluster as it was formed, and its members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// etcd's `initial-cluster-token`. IDs depend on it: a cluster that is formed anew with this token and the same
    /// peer URL has the same ID.
    pub token: String,
    /// The cluster's id.
    pub cluster_id: HexId,
    /// The members by name, including learners and members without data.
    pub members: BTreeMap<String, RecordedMember>,
    /// Whether `members` is complete. It is incomplete at first for a cluster that was formed before there was a
    /// record.
    #[serde(default)]
    pub complete: bool,
}

/// A member of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedMember {
    /// The member's ID. A volume with another ID does not belong to this member.
    pub id: HexId,
    /// Where the other members reach it.
    pub peer_url: String,
    /// Whether the member has started without data, and no other member answered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lost: bool,
}

/// An ID of etcd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct HexId(pub u64);

// === impl Record ===

impl Record {
    /// The number of members that must run for etcd to accept writes.
    pub fn majority(&self) -> usize {
        self.members.len() / 2 + 1
    }

    /// The names of the members that meet a condition, comma-separated.
    pub fn names(&self, condition: impl Fn(&RecordedMember) -> bool) -> String {
        let names = self.members.iter().filter(|(_, member)| condition(member));
        names.map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
    }
}

// === impl HexId ===

impl fmt::Display for HexId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

impl FromStr for HexId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}

impl From<HexId> for String {
    fn from(id: HexId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for HexId {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_written_as_json_with_ids_as_etcd_prints_them() {
        let member = RecordedMember {
            id: HexId(0xab),
            peer_url: "http://cairn-etcd-0:2380".to_owned(),
            lost: false,
        };
        let record = Record {
            token: "t".to_owned(),
            cluster_id: HexId(0x17),
            members: BTreeMap::from([("cairn-etcd-0".to_owned(), member)]),
            complete: true,
        };
        let json = serde_json::to_string(&record).unwrap();
        assert_eq!(
            json,
            concat!(
                r#"{"token":"t","clusterId":"17","members":"#,
                r#"{"cairn-etcd-0":{"id":"ab","peerUrl":"http://cairn-etcd-0:2380"}},"complete":true}"#
            )
        );
        assert_eq!(serde_json::from_str::<Record>(&json).unwrap(), record);
    }
}
