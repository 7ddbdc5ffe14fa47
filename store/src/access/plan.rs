//! What has to be changed so that a namespace has its access: pure, from what etcd has.

use cairn_core::pool::PoolName;

use super::permission::{self, Permission};
use super::user_name::UserName;
use crate::prefix::KeyPrefix;

/// One change of etcd's users and roles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Adds a role that allows nothing.
    AddRole(String),
    /// Adds a permission to a role.
    Allow {
        /// The role.
        role: String,
        /// What is added.
        permission: Permission,
    },
    /// Adds a user without a password: only a certificate proves who it is.
    AddUser(String),
    /// Gives a role to a user.
    GiveRole {
        /// The user.
        user: String,
        /// The role.
        role: String,
    },
}

/// A role that must exist.
#[derive(Clone, Debug)]
pub(crate) struct Role {
    /// Its name.
    pub(crate) name: String,
    /// What it must allow. It may allow more.
    pub(crate) permissions: Vec<Permission>,
}

/// A user that must exist.
#[derive(Clone, Debug)]
pub(crate) struct User {
    /// Its name.
    pub(crate) name: String,
    /// The roles that it must have.
    pub(crate) roles: Vec<String>,
}

// === impl Role ===

impl Role {
    /// The role that all namespaces share.
    pub(crate) fn common(prefix: &KeyPrefix) -> Self {
        Self { name: permission::common_role(prefix), permissions: permission::common(prefix) }
    }

    /// The role of a namespace to which these cluster pools are open.
    pub(crate) fn of_namespace(prefix: &KeyPrefix, namespace: &str, pools: &[PoolName]) -> Self {
        let own = permission::namespace(prefix, namespace);
        let pools = pools.iter().map(|pool| permission::cluster_pool(prefix, pool));
        Self {
            name: UserName::of(prefix, namespace).to_string(),
            permissions: [own].into_iter().chain(pools).collect(),
        }
    }

    /// What is missing. `found` is what the role allows; `None` when it does not exist.
    pub(crate) fn missing(&self, found: Option<&[Permission]>) -> Vec<Change> {
        let add = found.is_none().then(|| Change::AddRole(self.name.clone()));
        let found = found.unwrap_or_default();
        let allow = self.permissions.iter().filter(|wanted| !found.contains(wanted));
        let allow = allow.map(|permission| Change::Allow {
            role: self.name.clone(),
            permission: permission.clone(),
        });
        add.into_iter().chain(allow).collect()
    }
}

// === impl User ===

impl User {
    /// The user of a namespace.
    pub(crate) fn of_namespace(prefix: &KeyPrefix, namespace: &str) -> Self {
        let name = UserName::of(prefix, namespace).to_string();
        Self { roles: vec![name.clone(), permission::common_role(prefix)], name }
    }

    /// The user who may do everything. etcd knows its role by name.
    pub(crate) fn root() -> Self {
        let name = UserName::root().to_string();
        Self { roles: vec![name.clone()], name }
    }

    /// What is missing. `found` are the roles of the user; `None` when it does not exist.
    pub(crate) fn missing(&self, found: Option<&[String]>) -> Vec<Change> {
        let add = found.is_none().then(|| Change::AddUser(self.name.clone()));
        let found = found.unwrap_or_default();
        let give = self.roles.iter().filter(|wanted| !found.contains(wanted));
        let give =
            give.map(|role| Change::GiveRole { user: self.name.clone(), role: role.clone() });
        add.into_iter().chain(give).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_changed_and_the_role_comes_before_its_user() {
        let prefix = KeyPrefix::default();
        let pool: PoolName = "numbers".parse().unwrap();
        let role = Role::of_namespace(&prefix, "shop", std::slice::from_ref(&pool));
        let user = User::of_namespace(&prefix, "shop");
        let allow = |permission| Change::Allow { role: "cairn:shop".into(), permission };
        let own = permission::namespace(&prefix, "shop");
        let numbers = permission::cluster_pool(&prefix, &pool);
        assert_eq!(
            role.missing(None),
            [Change::AddRole("cairn:shop".into()), allow(own.clone()), allow(numbers.clone())]
        );
        assert_eq!(role.missing(Some(std::slice::from_ref(&own))), [allow(numbers.clone())]);
        let tea = permission::cluster_pool(&prefix, &"tea".parse().unwrap());
        assert_eq!(role.missing(Some(&[tea, numbers, own])), [], "more than is needed stays");

        let give = |role: &str| Change::GiveRole { user: "cairn:shop".into(), role: role.into() };
        assert_eq!(
            user.missing(None),
            [Change::AddUser("cairn:shop".into()), give("cairn:shop"), give("cairn")]
        );
        assert_eq!(user.missing(Some(&["cairn:shop".into()])), [give("cairn")]);
        assert_eq!(user.missing(Some(&["cairn".into(), "cairn:shop".into()])), []);
    }
}
