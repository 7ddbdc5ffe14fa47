//! The identity of an etcd cluster.
//!
//! etcd chooses it when a cluster is bootstrapped and sends it with every answer. All members of a cluster have the
//! same one. A cluster that was set up anew, or restored from a snapshot, usually has another one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The id of an etcd cluster, written in hex as etcd logs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClusterId(u64);

/// A text that is not a cluster id. The message says what to write instead.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "'{0}' is not an etcd cluster id; write it in hex, like cdf818194e3a8c32 \
     (etcdctl --hex -w fields endpoint status shows it)"
)]
pub struct ClusterIdError(String);

/// What a process knows of its cluster before the first answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExpectedCluster {
    /// Nothing: the first cluster that answers is accepted.
    #[default]
    Any,
    /// An earlier process of the same pod used this one. A successor is accepted once this one was silent for long
    /// enough.
    Remembered(ClusterId),
    /// This one was configured. No other is accepted, unless an administrator has recorded it as the successor.
    Required(ClusterId),
}

// === impl ClusterId ===

impl ClusterId {
    /// What an administrator has to do when another cluster answers in place of this one.
    pub fn advice_on(self, found: Self) -> String {
        format!(
            "correct the list of etcd members, or, if {found} replaces {self}, run cairn admin restored --replaces \
             {self}"
        )
    }

    /// The id as etcd sends it.
    pub const fn new(id: u64) -> Self {
        Self(id)
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

impl FromStr for ClusterId {
    type Err = ClusterIdError;

    fn from_str(text: &str) -> Result<Self, ClusterIdError> {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        match u64::from_str_radix(digits, 16) {
            // `from_str_radix` accepts a sign; a cluster id has none.
            Ok(id) if id != 0 && !digits.starts_with('+') => Ok(Self(id)),
            _ => Err(ClusterIdError(text.to_owned())),
        }
    }
}

impl TryFrom<String> for ClusterId {
    type Error = ClusterIdError;

    fn try_from(text: String) -> Result<Self, ClusterIdError> {
        text.parse()
    }
}

impl From<ClusterId> for String {
    fn from(id: ClusterId) -> Self {
        id.to_string()
    }
}

// === impl ExpectedCluster ===

impl ExpectedCluster {
    /// The expected id, if there is one.
    pub const fn id(self) -> Option<ClusterId> {
        match self {
            Self::Any => None,
            Self::Remembered(id) | Self::Required(id) => Some(id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_id_is_parsed_from_the_hex_that_etcd_prints() {
        let id: ClusterId = "cdf818194e3a8c32".parse().unwrap();
        assert_eq!(id, ClusterId::new(0xcdf8_1819_4e3a_8c32));
        assert_eq!(id.to_string(), "cdf818194e3a8c32");
        assert_eq!("0x1f".parse(), Ok(ClusterId::new(31)));
        for bad in ["", "0", "+1", "-1", "0x", "cluster", "1cdf818194e3a8c32"] {
            let error = bad.parse::<ClusterId>().unwrap_err().to_string();
            assert!(error.contains("write it in hex"), "{bad}: {error}");
        }
    }
}
