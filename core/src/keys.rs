//! The layout of keys in etcd (docs/protocol.md, Keys): one printer and one parser, each the inverse of the other.
//!
//! Everything of one namespace is below one prefix, so that one etcd role covers it:
//! `/cairn/v1/ns/<ns>/o/<uid>/<pool>` and `/cairn/v1/ns/<ns>/c/<pool>/<group>/…`. Claims of cluster pools are below
//! `/cairn/v1/cluster/<pool>/<group>/…`. No segment may contain a slash: namespaces, UIDs, pools, groups and names are
//! validated before they are passed to this module.

use std::fmt;

use crate::group::Group;
use crate::pool::{PoolName, Scope};

/// All keys of Cairn are below this prefix; `v1` is the version of the layout.
pub const ROOT: &str = "/cairn/v1/";
/// The epoch: a number that only grows.
pub const EPOCH: &str = "/cairn/v1/epoch";
/// The installation record: the id of the installation that uses this etcd, and the etcd cluster that it uses.
pub const INSTALLATION: &str = "/cairn/v1/installation";
/// The mark that authentication was switched on in this store. It is lost together with the users.
pub const AUTHENTICATION: &str = "/cairn/v1/authentication";
/// The pools' specs.
pub const POOLS: &str = "/cairn/v1/pools/";
/// The pools' shapes: see [`shape`].
pub const SHAPES: &str = "/cairn/v1/shapes/";
/// The freezes, one for each frozen pool.
pub const FREEZES: &str = "/cairn/v1/hold/";
/// Claims and owner records of all namespaces.
pub const NAMESPACES: &str = "/cairn/v1/ns/";
/// Claims of cluster pools.
pub const CLUSTER: &str = "/cairn/v1/cluster/";

const NO_GROUP: &str = "-";

/// The path of one pool, scope and group: the common prefix of its keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimPath {
    /// The namespace; always `None` in cluster pools.
    pub namespace: Option<String>,
    /// The pool.
    pub pool: PoolName,
    /// The group; always `None` in cluster pools.
    pub group: Option<Group>,
}

/// A parsed key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// `/cairn/v1/epoch`
    Epoch,
    /// `/cairn/v1/pools/<pool>`
    Pool(PoolName),
    /// `/cairn/v1/shapes/<pool>`
    Shape(PoolName),
    /// `/cairn/v1/hold/<pool>`
    Freeze(PoolName),
    /// `…/o/<uid>/<pool>`
    Owner {
        /// The pod's namespace.
        namespace: String,
        /// The pod's UID.
        uid: String,
        /// The pool.
        pool: PoolName,
    },
    /// `…/s/<name>`
    Slot(ClaimPath, String),
    /// `…/x/<name>`
    Quarantine(ClaimPath, String),
    /// `…/q/<uid>`
    Ticket(ClaimPath, String),
    /// `…/g`
    Sentinel(ClaimPath),
    /// `…/d/<name>`
    Note(ClaimPath, String),
    /// `…/r`
    Reclaims(ClaimPath),
    /// `…/h/<name>`
    Clock(ClaimPath, String),
}

/// The key of a pool's spec.
pub fn pool(name: &PoolName) -> String {
    format!("{POOLS}{name}")
}

/// The key that pins a pool's scope and clock for as long as anything of the pool may be in use. It outlives the
/// pool's spec.
pub fn shape(name: &PoolName) -> String {
    format!("{SHAPES}{name}")
}

/// The key that exists while the pool is frozen: nothing is granted from it then.
pub fn freeze(name: &PoolName) -> String {
    format!("{FREEZES}{name}")
}

/// The prefix of all owner records of one pod.
pub fn owners(namespace: &str, uid: &str) -> String {
    format!("{NAMESPACES}{namespace}/o/{uid}/")
}

/// The owner record of one (pod, pool).
pub fn owner(namespace: &str, uid: &str, pool: &PoolName) -> String {
    format!("{NAMESPACES}{namespace}/o/{uid}/{pool}")
}

// === impl ClaimPath ===

impl ClaimPath {
    /// The path for a pod's claim. Cluster pools have neither namespace nor group.
    pub fn new(pool: PoolName, scope: Scope, namespace: &str, group: Option<Group>) -> Self {
        match scope {
            Scope::Namespace => Self { namespace: Some(namespace.to_owned()), pool, group },
            Scope::Cluster => Self { namespace: None, pool, group: None },
        }
    }

    /// The prefix of all slots.
    pub fn slots(&self) -> String {
        format!("{self}s/")
    }

    /// The key of one slot, by [`crate::names::Names::key`].
    pub fn slot(&self, key: &str) -> String {
        format!("{self}s/{key}")
    }

    /// The prefix of all quarantines.
    pub fn quarantines(&self) -> String {
        format!("{self}x/")
    }

    /// The quarantine of a slot: the name rests while this key exists.
    pub fn quarantine(&self, key: &str) -> String {
        format!("{self}x/{key}")
    }

    /// The prefix of all tickets.
    pub fn tickets(&self) -> String {
        format!("{self}q/")
    }

    /// The ticket of one pod.
    pub fn ticket(&self, uid: &str) -> String {
        format!("{self}q/{uid}")
    }

    /// The sentinel: every new ticket moves it.
    pub fn sentinel(&self) -> String {
        format!("{self}g")
    }

    /// The key that every re-claim moves, because a re-claim takes a name ahead of the queue.
    pub fn reclaims(&self) -> String {
        format!("{self}r")
    }

    /// The prefix of all quarantine notes.
    pub fn notes(&self) -> String {
        format!("{self}d/")
    }

    /// The quarantine note: for how long a name must rest when its slot is gone, whatever removed the slot.
    pub fn note(&self, key: &str) -> String {
        format!("{self}d/{key}")
    }

    /// The prefix of all clock reservations.
    pub fn clocks(&self) -> String {
        format!("{self}h/")
    }

    /// The clock reservation of one slot.
    pub fn clock(&self, key: &str) -> String {
        format!("{self}h/{key}")
    }
}

/// The common prefix of all keys of the path, with the closing slash.
impl fmt::Display for ClaimPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = self.group.as_ref().map_or(NO_GROUP, Group::as_str);
        match &self.namespace {
            Some(namespace) => write!(f, "{NAMESPACES}{namespace}/c/{}/{group}/", self.pool),
            None => write!(f, "{CLUSTER}{}/{group}/", self.pool),
        }
    }
}

// === impl Key ===

impl Key {
    /// The path that the key is below.
    pub fn path(&self) -> Option<&ClaimPath> {
        match self {
            Self::Slot(path, _)
            | Self::Quarantine(path, _)
            | Self::Ticket(path, _)
            | Self::Note(path, _)
            | Self::Clock(path, _)
            | Self::Sentinel(path)
            | Self::Reclaims(path) => Some(path),
            Self::Epoch | Self::Pool(_) | Self::Shape(_) | Self::Freeze(_) | Self::Owner { .. } => {
                None
            }
        }
    }

    /// Parses a key; `None` for the installation record and for a key that this version does not know.
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.strip_prefix(ROOT)?.split('/').collect();
        match parts.as_slice() {
            ["epoch"] => Some(Self::Epoch),
            ["pools", pool] => Some(Self::Pool(pool.parse().ok()?)),
            ["shapes", pool] => Some(Self::Shape(pool.parse().ok()?)),
            ["hold", pool] => Some(Self::Freeze(pool.parse().ok()?)),
            ["ns", namespace, "o", uid, pool] => Some(Self::Owner {
                namespace: (*namespace).to_owned(),
                uid: (*uid).to_owned(),
                pool: pool.parse().ok()?,
            }),
            ["ns", namespace, "c", pool, group, rest @ ..] => {
                Self::below(claim_path(Some(namespace), pool, group)?, rest)
            }
            ["cluster", pool, group, rest @ ..] => {
                Self::below(claim_path(None, pool, group)?, rest)
            }
            _ => None,
        }
    }

    fn below(path: ClaimPath, rest: &[&str]) -> Option<Self> {
        match rest {
            ["s", name] => Some(Self::Slot(path, (*name).to_owned())),
            ["x", name] => Some(Self::Quarantine(path, (*name).to_owned())),
            ["q", uid] => Some(Self::Ticket(path, (*uid).to_owned())),
            ["d", name] => Some(Self::Note(path, (*name).to_owned())),
            ["h", name] => Some(Self::Clock(path, (*name).to_owned())),
            ["g"] => Some(Self::Sentinel(path)),
            ["r"] => Some(Self::Reclaims(path)),
            _ => None,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Epoch => EPOCH.to_owned(),
            Self::Pool(name) => pool(name),
            Self::Shape(name) => shape(name),
            Self::Freeze(name) => freeze(name),
            Self::Owner { namespace, uid, pool } => owner(namespace, uid, pool),
            Self::Slot(path, name) => path.slot(name),
            Self::Quarantine(path, name) => path.quarantine(name),
            Self::Ticket(path, uid) => path.ticket(uid),
            Self::Sentinel(path) => path.sentinel(),
            Self::Note(path, name) => path.note(name),
            Self::Reclaims(path) => path.reclaims(),
            Self::Clock(path, name) => path.clock(name),
        };
        f.write_str(&text)
    }
}

fn claim_path(namespace: Option<&str>, pool: &str, group: &str) -> Option<ClaimPath> {
    let group = if group == NO_GROUP { None } else { Some(group.parse().ok()?) };
    Some(ClaimPath { namespace: namespace.map(str::to_owned), pool: pool.parse().ok()?, group })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path() -> impl Strategy<Value = ClaimPath> {
        let pool = "[a-z][a-z0-9]{0,8}[a-z]";
        let namespace_and_group = prop_oneof![
            ("[a-z]{1,9}", proptest::option::of("[a-z0-9][-a-z0-9.]{0,9}"))
                .prop_map(|(namespace, group)| (Some(namespace), group)),
            Just((None, None)),
        ];
        (pool, namespace_and_group).prop_filter_map("reserved", |(pool, (namespace, group))| {
            Some(ClaimPath {
                namespace,
                pool: pool.parse().ok()?,
                group: group.and_then(|group| group.parse().ok()),
            })
        })
    }

    proptest! {
        #[test]
        fn every_key_is_parsed_back_to_itself(path in path(), name in "[A-Za-z0-9_-]{1,12}") {
            let pool = path.pool.clone();
            let owner = Key::Owner { namespace: "shop".into(), uid: name.clone(), pool: pool.clone() };
            let keys = [
                Key::Epoch, Key::Pool(pool.clone()), Key::Shape(pool.clone()), Key::Freeze(pool), owner,
                Key::Slot(path.clone(), name.clone()), Key::Quarantine(path.clone(), name.clone()),
                Key::Ticket(path.clone(), name.clone()), Key::Clock(path.clone(), name.clone()),
                Key::Note(path.clone(), name),
                Key::Sentinel(path.clone()), Key::Reclaims(path),
            ];
            for key in keys {
                prop_assert_eq!(Key::parse(&key.to_string()), Some(key));
            }
        }

        #[test]
        fn every_key_that_is_parsed_prints_as_it_was_written(text in "/cairn/v1/[a-z/]{0,30}|.{0,20}") {
            if let Some(key) = Key::parse(&text) {
                prop_assert_eq!(key.to_string(), text);
            }
        }
    }

    #[test]
    fn the_layout_is_the_documented_one() {
        let pool: PoolName = "mountains".parse().unwrap();
        let group = Some("checkout".parse().unwrap());
        let path = ClaimPath::new(pool.clone(), Scope::Namespace, "shop", group.clone());
        assert_eq!(path.slot("Denali"), "/cairn/v1/ns/shop/c/mountains/checkout/s/Denali");
        assert_eq!(owner("shop", "u1", &pool), "/cairn/v1/ns/shop/o/u1/mountains");
        let cluster = ClaimPath::new("snowflake".parse().unwrap(), Scope::Cluster, "shop", group);
        assert_eq!(cluster.slot("17"), "/cairn/v1/cluster/snowflake/-/s/17");
    }
}
