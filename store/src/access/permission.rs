//! The permissions of a namespace's user, as ranges of keys in etcd.

use cairn_core::keys;
use cairn_core::pool::PoolName;

use super::user_name::short_digest;
use crate::prefix::KeyPrefix;

/// What a role allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Permission {
    /// The first key.
    pub(crate) from: String,
    /// The first key after the last one; empty for one key alone.
    pub(crate) to: String,
    /// Whether the keys may also be written.
    pub(crate) write: bool,
}

/// The role of every namespace's user. It is a role of its own, so that a new namespace needs few changes of etcd's
/// users and roles: each change disturbs everybody.
pub(crate) fn common_role(prefix: &KeyPrefix) -> String {
    // Without a colon, unlike the roles of namespaces.
    if prefix.is_default() {
        "cairn".to_owned()
    } else {
        format!("cairn-{}", short_digest(prefix.as_str()))
    }
}

/// What every namespace's user may read.
pub(crate) fn common(prefix: &KeyPrefix) -> Vec<Permission> {
    // The epoch is also read as the only key with its own text as a prefix: a read of the past lists.
    let ranges = [keys::POOLS, keys::SHAPES, keys::FREEZES, keys::EPOCH];
    let installation = prefix.outer(keys::INSTALLATION).into_owned();
    let one = Permission { from: installation, to: String::new(), write: false };
    ranges.into_iter().map(|range| below(prefix, range, false)).chain([one]).collect()
}

/// The keys of a namespace.
pub(crate) fn namespace(prefix: &KeyPrefix, namespace: &str) -> Permission {
    below(prefix, &format!("{}{namespace}/", keys::NAMESPACES), true)
}

/// The keys of a cluster pool.
pub(crate) fn cluster_pool(prefix: &KeyPrefix, pool: &PoolName) -> Permission {
    below(prefix, &format!("{}{pool}/", keys::CLUSTER), true)
}

fn below(prefix: &KeyPrefix, inner: &str, write: bool) -> Permission {
    let from = prefix.outer(inner).into_owned();
    let mut to = from.clone();
    // Every range ends with a slash or a letter, so raising the last character has no carry.
    if let Some(last) = to.pop() {
        to.push(char::from_u32(u32::from(last) + 1).unwrap_or(last));
    }
    Permission { from, to, write }
}

// === impl Permission ===

impl Permission {
    /// The namespace whose keys these are.
    pub(crate) fn namespace(&self, prefix: &KeyPrefix) -> Option<String> {
        let name = self.segment(prefix, keys::NAMESPACES)?;
        (!name.contains('/') && namespace(prefix, &name) == *self).then_some(name)
    }

    /// The cluster pool whose keys these are.
    pub(crate) fn pool(&self, prefix: &KeyPrefix) -> Option<PoolName> {
        let pool: PoolName = self.segment(prefix, keys::CLUSTER)?.parse().ok()?;
        (cluster_pool(prefix, &pool) == *self).then_some(pool)
    }

    fn segment(&self, prefix: &KeyPrefix, parent: &str) -> Option<String> {
        let inner = prefix.inner(&self.from);
        Some(inner.strip_prefix(parent)?.strip_suffix('/')?.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use cairn_core::coordination::owner::Ownable;
    use cairn_core::coordination::path::{GroupPath, HOLD};
    use cairn_core::keys::{ClaimPath, Key};
    use cairn_core::pool::Scope;

    use super::*;

    fn group(namespace: &str) -> GroupPath {
        GroupPath { namespace: namespace.into(), group: "checkout".parse().unwrap() }
    }

    fn allows(permissions: &[Permission], key: &str, write: bool) -> bool {
        permissions.iter().any(|permission| {
            let inside = if permission.to.is_empty() {
                permission.from == key
            } else {
                *permission.from <= *key && *key < *permission.to
            };
            inside && (permission.write || !write)
        })
    }

    #[test]
    fn a_namespace_writes_its_own_keys_and_open_cluster_pools_and_reads_what_is_common() {
        for prefix in ["/cairn/v1/", "/teams/shop/"] {
            let prefix: KeyPrefix = prefix.parse().unwrap();
            let pool: PoolName = "tea".parse().unwrap();
            let (open, closed): (PoolName, PoolName) =
                ("numbers".parse().unwrap(), "numbers-2".parse().unwrap());
            let mut all = common(&prefix);
            all.extend([namespace(&prefix, "shop"), cluster_pool(&prefix, &open)]);
            let slot = |scope, namespace: &str, pool: &PoolName| {
                let path = ClaimPath::new(pool.clone(), scope, namespace, None);
                prefix.outer(&path.slot("1")).into_owned()
            };
            let outer = |key: &Key| prefix.outer(&key.to_string()).into_owned();
            let common = [
                outer(&Key::Epoch),
                outer(&Key::Pool(pool.clone())),
                outer(&Key::Shape(pool.clone())),
                outer(&Key::Freeze(pool.clone())),
                prefix.outer(HOLD).into_owned(),
                prefix.outer(keys::INSTALLATION).into_owned(),
            ];
            for key in common {
                assert!(allows(&all, &key, false) && !allows(&all, &key, true), "{key}");
            }
            let own = [
                prefix.outer(&keys::owner("shop", "u1", &pool)).into_owned(),
                slot(Scope::Namespace, "shop", &pool),
                slot(Scope::Cluster, "shop", &open),
                prefix.outer(&group("shop").member("u1")).into_owned(),
                prefix.outer(&group("shop").owner(Ownable::Shard(3))).into_owned(),
            ];
            for key in own {
                assert!(allows(&all, &key, true), "{key}");
            }
            let foreign = [
                slot(Scope::Namespace, "shop-2", &pool),
                slot(Scope::Namespace, "sho", &pool),
                slot(Scope::Cluster, "shop", &closed),
                prefix.outer(&group("shop-2").member("u1")).into_owned(),
                "/cairn-bench/x".to_owned(),
            ];
            for key in foreign {
                assert!(!allows(&all, &key, false), "{key}");
            }
        }
    }

    #[test]
    fn a_permission_tells_its_namespace_or_pool_and_no_other() {
        let (ours, theirs) = (KeyPrefix::default(), "/teams/shop/".parse().unwrap());
        let pool: PoolName = "tea".parse().unwrap();
        assert_eq!(namespace(&ours, "shop").namespace(&ours).as_deref(), Some("shop"));
        assert_eq!(cluster_pool(&theirs, &pool).pool(&theirs), Some(pool.clone()));
        assert_eq!(namespace(&theirs, "shop").namespace(&ours), None);
        assert_eq!(cluster_pool(&ours, &pool).namespace(&ours), None);
        assert!(common(&ours).iter().all(|permission| permission.pool(&ours).is_none()));
        let by_hand = Permission { write: false, ..namespace(&ours, "shop") };
        assert_eq!(by_hand.namespace(&ours), None);
    }
}
