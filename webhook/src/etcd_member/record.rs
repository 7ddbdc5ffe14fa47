//! The record of the one etcd cluster: what a member must know to start, whatever its volume holds.
//!
//! Its JSON is the interface between versions of this program, and the webhook reads it for the
//! cluster's id. Ids are written as etcd prints them: in hexadecimal.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The cluster as it was formed, and who belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// etcd's `initial-cluster-token`. It goes into ids: a cluster that is formed anew with this
    /// token and the same peer URL has the same id.
    pub token: String,
    /// The cluster's id.
    pub cluster_id: HexId,
    /// The members by name: learners too, and those whose data is lost.
    pub members: BTreeMap<String, RecordedMember>,
    /// Whether `members` is known to be everybody. It is not while a cluster that was formed before
    /// there was a record is being taken over.
    #[serde(default)]
    pub complete: bool,
}

/// A member of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedMember {
    /// The member's id. A volume that holds another id is not this member's.
    pub id: HexId,
    /// Where the other members reach it.
    pub peer_url: String,
    /// The member has started without data and found nobody who could take it in.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lost: bool,
}

/// An id of etcd's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct HexId(pub u64);

// === impl Record ===

impl Record {
    /// How many members have to run for etcd to work.
    pub fn majority(&self) -> usize {
        self.members.len() / 2 + 1
    }

    /// The names of the members that fulfil a condition, comma separated.
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
            r#"{"token":"t","clusterId":"17","members":{"cairn-etcd-0":{"id":"ab","peerUrl":"http://cairn-etcd-0:2380"}},"complete":true}"#
        );
        assert_eq!(serde_json::from_str::<Record>(&json).unwrap(), record);
    }
}
