//! A group: a numbering of its own within a namespace, by default the workload.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The longest name a Kubernetes workload can have (a DNS subdomain, RFC 1123).
const MAX_GROUP_LEN: usize = 253;

/// A group's name. In etcd keys, `-` stands for no group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Group(String);

/// Not usable as a group.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "group '{0}' is not valid; use 1 to {MAX_GROUP_LEN} letters, digits, '-', '_' and '.', \
     starting with a letter or digit"
)]
pub struct GroupError(String);

impl Group {
    /// The group as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Group {
    type Err = GroupError;

    fn from_str(text: &str) -> Result<Self, GroupError> {
        let inner = |c: u8| c.is_ascii_alphanumeric() || b"-_.".contains(&c);
        let good = text.len() <= MAX_GROUP_LEN
            && text.bytes().next().is_some_and(|c| c.is_ascii_alphanumeric())
            && text.bytes().all(inner);
        if good { Ok(Self(text.to_owned())) } else { Err(GroupError(text.to_owned())) }
    }
}

impl TryFrom<String> for Group {
    type Error = GroupError;

    fn try_from(text: String) -> Result<Self, GroupError> {
        text.parse()
    }
}

impl From<Group> for String {
    fn from(group: Group) -> Self {
        group.0
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_workload_name_is_a_valid_group_and_a_path_is_not() {
        for good in ["checkout", "a.b-c", "9lives", "Team_A"] {
            assert!(good.parse::<Group>().is_ok(), "{good}");
        }
        for bad in ["", "-", "-a", "a/b", "a b", "é", &"a".repeat(254)] {
            assert!(bad.parse::<Group>().is_err(), "{bad}");
        }
    }
}
