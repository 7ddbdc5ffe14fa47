//! The keys of a group, below `/cairn/v1/ns/<ns>/g/<group>/` (docs/coordination.md, Keys).

use std::fmt;

use super::map::Shard;
use super::owner::Ownable;
use crate::group::Group;
use crate::keys::NAMESPACES;

/// The key that exists while no owner may change, in any group.
pub const HOLD: &str = "/cairn/v1/hold/-coordinate";

/// Shard numbers in keys have this many digits, so that keys sort by number.
const DIGITS: usize = 5;

/// The common prefix of one group's keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupPath {
    /// The namespace.
    pub namespace: String,
    /// The group.
    pub group: Group,
}

/// A key of a group, without the group's prefix.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupKey {
    /// `c`
    Map,
    /// `l`
    Leader,
    /// `m/<uid>`
    Member(String),
    /// `s/<k>`
    Shard(Shard),
    /// `lv`: between `c` and `m/`, so that one watch covers it also without shards.
    LeaderValue,
    /// `x/<uid>`
    Dropped(String),
}

// === impl GroupPath ===

impl GroupPath {
    /// The full key.
    pub fn key(&self, key: &GroupKey) -> String {
        format!("{self}{key}")
    }

    /// The key that names the owner.
    pub fn owner(&self, of: Ownable) -> String {
        match of {
            Ownable::Leader => self.key(&GroupKey::Leader),
            Ownable::Shard(shard) => self.key(&GroupKey::Shard(shard)),
        }
    }

    /// The member's record.
    pub fn member(&self, uid: &str) -> String {
        format!("{self}m/{uid}")
    }

    /// The prefix of all records.
    pub fn members(&self) -> String {
        format!("{self}m/")
    }

    /// The prefix of all shards.
    pub fn shards(&self) -> String {
        format!("{self}s/")
    }

    /// Parses a full key of any group.
    pub fn split(key: &str) -> Option<(Self, GroupKey)> {
        let (namespace, below) = key.strip_prefix(NAMESPACES)?.split_once("/g/")?;
        let (group, rest) = below.split_once('/')?;
        if namespace.is_empty() || namespace.contains('/') {
            return None;
        }
        let path = Self { namespace: namespace.to_owned(), group: group.parse().ok()? };
        Some((path, GroupKey::parse(rest)?))
    }

    /// Parses a full key of this group.
    pub fn parse(&self, key: &str) -> Option<GroupKey> {
        GroupKey::parse(key.strip_prefix(&self.to_string())?)
    }
}

/// The common prefix, with the closing slash.
impl fmt::Display for GroupPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{NAMESPACES}{}/g/{}/", self.namespace, self.group)
    }
}

// === impl GroupKey ===

impl GroupKey {
    /// Parses what [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "c" => return Some(Self::Map),
            "l" => return Some(Self::Leader),
            "lv" => return Some(Self::LeaderValue),
            _ => {}
        }
        let (kind, name) = text.split_once('/')?;
        if name.is_empty() || name.contains('/') {
            return None;
        }
        match kind {
            "m" => Some(Self::Member(name.to_owned())),
            "x" => Some(Self::Dropped(name.to_owned())),
            "s" if name.len() == DIGITS && name.bytes().all(|digit| digit.is_ascii_digit()) => {
                name.parse().ok().map(Self::Shard)
            }
            _ => None,
        }
    }
}

impl fmt::Display for GroupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Map => f.write_str("c"),
            Self::Leader => f.write_str("l"),
            Self::LeaderValue => f.write_str("lv"),
            Self::Member(uid) => write!(f, "m/{uid}"),
            Self::Shard(shard) => write!(f, "s/{shard:0DIGITS$}"),
            Self::Dropped(uid) => write!(f, "x/{uid}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_parsed_back_to_itself() {
        let path = GroupPath { namespace: "shop".into(), group: "checkout".parse().unwrap() };
        for key in [
            GroupKey::Map,
            GroupKey::Leader,
            GroupKey::LeaderValue,
            GroupKey::Member("u-1".into()),
            GroupKey::Shard(0),
            GroupKey::Shard(9_999),
            GroupKey::Dropped("u-1".into()),
        ] {
            let full = path.key(&key);
            assert_eq!(GroupPath::split(&full), Some((path.clone(), key.clone())));
            assert_eq!(path.parse(&full), Some(key));
        }
        for foreign in ["ns//g/a/c", "ns/a/o/g/a/c", "ns/a/g//c", "ns/a/g/a/z", "cluster/a/g/a/c"] {
            assert_eq!(GroupPath::split(&format!("/cairn/v1/{foreign}")), None, "{foreign}");
        }
        assert_eq!(path.owner(Ownable::Shard(7)), "/cairn/v1/ns/shop/g/checkout/s/00007");
        assert_eq!(path.key(&GroupKey::LeaderValue), "/cairn/v1/ns/shop/g/checkout/lv");
        for foreign in ["s/7", "s/+0007", "m/", "m/a/b", "y/a", "", "c/"] {
            assert_eq!(GroupKey::parse(foreign), None, "{foreign}");
        }
    }
}
