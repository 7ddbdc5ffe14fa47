//! Users and roles in a real etcd. Which ones, and why, is in [`crate::access`].
//!
//! Every change makes etcd refuse the requests of everybody that are in flight. So what exists is read first, only what
//! is missing is written, and one task of a process writes at a time.

use cairn_core::keys;
use cairn_core::pool::PoolName;
use etcd_client::{
    Client, PermissionType, ResponseHeader, RoleRevokePermissionOptions, UserAddOptions,
};

use super::clients::ChosenMember;
use super::{Etcd, classify};
use crate::access::permission::{self, Permission};
use crate::access::plan::{Change, Role, User};
use crate::access::{MARK, UserName, in_use, version};
use crate::error::Error;
use crate::kv::{Kv as _, Op, Txn};

impl Etcd {
    /// Whether [`Etcd::enable_auth`] was done in this store. It reads the mark that this has left: questions about
    /// users and roles are Raft entries, and this is asked every few seconds.
    pub async fn is_auth_marked(&self) -> Result<bool, Error> {
        Ok(self.get(keys::AUTHENTICATION).await?.is_some())
    }

    /// Turns authentication on: the user root, its role, the role that namespaces share, the switch, and a mark of it.
    /// Idempotent; does nothing to what exists. Our own certificate must be root's.
    pub async fn enable_auth(&self) -> Result<(), Error> {
        let _turn = self.access.lock().await;
        let root = User::root();
        for change in root.missing(self.roles_of(&root.name).await?.as_deref()) {
            self.change(&change).await?;
        }
        self.ensure_role(&Role::common(&self.prefix)).await?;
        // etcd ignores it when authentication is on.
        let enabling = |client: &Client| {
            let mut auth = client.auth_client();
            async move { auth.auth_enable().await }
        };
        let (member, answer) = self.call("turning authentication on", enabling).await?;
        self.check_cluster(&member, answer.header()).await?;
        let mark = Op::put(keys::AUTHENTICATION, "on", 0);
        self.txn(Txn { then: vec![mark], ..Txn::default() }).await.map(drop)
    }

    /// Gives a namespace's user its access: its own keys, and these cluster pools. Idempotent, only adds, and writes
    /// only what is missing.
    pub async fn grant_namespace(&self, namespace: &str, pools: &[PoolName]) -> Result<(), Error> {
        let role = Role::of_namespace(&self.prefix, namespace, pools);
        let user = User::of_namespace(&self.prefix, namespace);
        if self.missing(&role, &user).await?.is_empty() {
            return Ok(());
        }
        let _turn = self.access.lock().await;
        self.ensure_role(&Role::common(&self.prefix)).await?;
        for change in self.missing(&role, &user).await? {
            self.change(&change).await?;
        }
        Ok(())
    }

    /// Takes back the cluster pools that are not among `open` and in which nothing of the namespace is. Answers with
    /// the closed pools that are in use still.
    pub async fn narrow_namespace(
        &self,
        namespace: &str,
        open: &[PoolName],
    ) -> Result<Vec<PoolName>, Error> {
        let _turn = self.access.lock().await;
        let role = UserName::of(&self.prefix, namespace);
        let found = self.permissions_of(role.as_str()).await?.unwrap_or_default();
        let pools = found.iter().filter_map(|permission| permission.pool(&self.prefix));
        let mut in_use = Vec::new();
        for pool in pools.filter(|pool| !open.contains(pool)) {
            if self.uses_pool(namespace, &pool).await? {
                in_use.push(pool);
                continue;
            }
            self.revoke_permission(role.as_str(), &permission::cluster_pool(&self.prefix, &pool))
                .await?;
            // A claim that came in between would not be renewed. From now on none can come.
            if self.uses_pool(namespace, &pool).await? {
                let permission = permission::cluster_pool(&self.prefix, &pool);
                self.change(&Change::Allow { role: role.to_string(), permission }).await?;
                in_use.push(pool);
            }
        }
        Ok(in_use)
    }

    /// Removes user and role of a namespace that is gone. False, and nothing is removed, while something of it is held,
    /// waits or rests.
    pub async fn remove_namespace(&self, namespace: &str) -> Result<bool, Error> {
        let _turn = self.access.lock().await;
        let (_, found) = self.list(&format!("{}{namespace}/", keys::NAMESPACES)).await?;
        if found.iter().any(in_use::is_alive) {
            return Ok(false);
        }
        let name = UserName::of(&self.prefix, namespace).to_string();
        self.call_unless("user name not found", "removing a user", |client| {
            let (mut auth, name) = (client.auth_client(), name.clone());
            async move { auth.user_delete(name).await.map(|mut answer| answer.take_header()) }
        })
        .await?;
        self.call_unless("role name not found", "removing a role", |client| {
            let (mut auth, name) = (client.auth_client(), name.clone());
            async move { auth.role_delete(name).await.map(|mut answer| answer.take_header()) }
        })
        .await?;
        Ok(true)
    }

    /// The namespaces that have a role under our key prefix.
    pub async fn namespaces_with_access(&self) -> Result<Vec<String>, Error> {
        let listing = |client: &Client| {
            let mut auth = client.auth_client();
            async move { auth.role_list().await }
        };
        let (member, answer) = self.call("listing the roles", listing).await?;
        self.check_cluster(&member, answer.header()).await?;
        let mut namespaces = Vec::new();
        for role in answer.roles().iter().filter(|role| role.starts_with(MARK)) {
            let Some(namespace) = UserName::namespace(role) else {
                // Its name was cut, or is of another key prefix; its permissions tell.
                let found = self.permissions_of(role).await?.unwrap_or_default();
                namespaces.extend(found.iter().find_map(|found| found.namespace(&self.prefix)));
                continue;
            };
            // Otherwise it is a role of the installation with the default key prefix.
            if self.prefix.is_default() {
                namespaces.push(namespace.to_owned());
            }
        }
        Ok(namespaces)
    }

    /// Refuses an etcd that does not check every permission. Members that do not answer are left out, as long as one
    /// does.
    pub async fn require_version(&self) -> Result<(), Error> {
        let mut outcome = Err(Error::NoEndpoint);
        for member in self.clients().all() {
            let mut maintenance = member.client().maintenance_client();
            let asking = async { maintenance.status().await };
            match self.with_timeout("asking for the version", &member, asking).await {
                Ok(status) if version::is_sufficient(status.version()) => outcome = Ok(()),
                Ok(status) => {
                    return Err(Error::TooOld {
                        endpoint: member.endpoint().to_owned(),
                        found: status.version().to_owned(),
                        needed: version::floors(),
                    });
                }
                Err(error) if outcome.is_err() => outcome = Err(error),
                Err(_) => {}
            }
        }
        outcome
    }

    async fn missing(&self, role: &Role, user: &User) -> Result<Vec<Change>, Error> {
        // The futures of two requests are large.
        let permissions = Box::pin(self.permissions_of(&role.name));
        let roles = Box::pin(self.roles_of(&user.name));
        let (permissions, roles) = futures::try_join!(permissions, roles)?;
        let mut missing = role.missing(permissions.as_deref());
        missing.extend(user.missing(roles.as_deref()));
        Ok(missing)
    }

    async fn ensure_role(&self, role: &Role) -> Result<(), Error> {
        let found = self.permissions_of(&role.name).await?;
        for change in role.missing(found.as_deref()) {
            self.change(&change).await?;
        }
        Ok(())
    }

    /// What a role allows; `None` when it does not exist.
    async fn permissions_of(&self, role: &str) -> Result<Option<Vec<Permission>>, Error> {
        let asking = |client: &Client| {
            let (mut auth, role) = (client.auth_client(), role.to_owned());
            async move { auth.role_get(role).await }
        };
        match self.call("reading a role", asking).await {
            Ok((member, answer)) => {
                self.check_cluster(&member, answer.header()).await?;
                Ok(Some(answer.permissions().iter().filter_map(permission_found).collect()))
            }
            Err(error) if classify::says(&error, "role name not found") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The roles of a user; `None` when it does not exist.
    async fn roles_of(&self, user: &str) -> Result<Option<Vec<String>>, Error> {
        let asking = |client: &Client| {
            let (mut auth, user) = (client.auth_client(), user.to_owned());
            async move { auth.user_get(user).await }
        };
        match self.call("reading a user", asking).await {
            Ok((member, answer)) => {
                self.check_cluster(&member, answer.header()).await?;
                Ok(Some(answer.roles().to_vec()))
            }
            Err(error) if classify::says(&error, "user name not found") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Does one change. What another replica has done meanwhile is done.
    async fn change(&self, change: &Change) -> Result<(), Error> {
        self.call_unless("already exists", "changing users and roles", |client| {
            let (mut auth, change) = (client.auth_client(), change.clone());
            async move {
                Ok(match change {
                    Change::AddRole(role) => auth.role_add(role).await?.take_header(),
                    Change::Allow { role, permission } => auth
                        .role_grant_permission(role, permission_wanted(&permission))
                        .await?
                        .take_header(),
                    Change::AddUser(user) => {
                        let options = UserAddOptions::new().with_no_pwd();
                        auth.user_add(user, "", Some(options)).await?.take_header()
                    }
                    Change::GiveRole { user, role } => {
                        auth.user_grant_role(user, role).await?.take_header()
                    }
                })
            }
        })
        .await
    }

    async fn revoke_permission(&self, role: &str, permission: &Permission) -> Result<(), Error> {
        let absent = "permission is not granted to the role";
        self.call_unless(absent, "changing users and roles", |client| {
            let (mut auth, role) = (client.auth_client(), role.to_owned());
            let Permission { from, to, .. } = permission.clone();
            async move {
                let options = RoleRevokePermissionOptions::new().with_range_end(to);
                let revoking = auth.role_revoke_permission(role, from, Some(options));
                revoking.await.map(|mut answer| answer.take_header())
            }
        })
        .await
    }

    /// Sends a request. A refusal with this text means that there is nothing left to do.
    async fn call_unless<F, Fut>(
        &self,
        done: &str,
        operation: &'static str,
        request: F,
    ) -> Result<(), Error>
    where
        F: Fn(&Client) -> Fut,
        Fut: Future<Output = Result<Option<ResponseHeader>, etcd_client::Error>>,
    {
        let outcome: Result<(ChosenMember, _), Error> = self.call(operation, request).await;
        match outcome {
            Ok((member, header)) => self.check_cluster(&member, header.as_ref()).await,
            Err(error) if classify::says(&error, done) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether a pod of the namespace holds, waits for or has just released a name of a cluster pool.
    async fn uses_pool(&self, namespace: &str, pool: &PoolName) -> Result<bool, Error> {
        let (_, owners) = self.list(&format!("{}{namespace}/o/", keys::NAMESPACES)).await?;
        if owners.iter().any(|found| in_use::is_owner_in(pool, found)) {
            return Ok(true);
        }
        let (_, found) = self.list(&format!("{}{pool}/", keys::CLUSTER)).await?;
        Ok(found.iter().any(|found| in_use::is_of(namespace, found)))
    }
}

fn permission_wanted(permission: &Permission) -> etcd_client::Permission {
    let Permission { from, to, write } = permission;
    let kind = if *write { PermissionType::Readwrite } else { PermissionType::Read };
    etcd_client::Permission::new(kind, from.as_str()).with_range_end(to.as_str())
}

/// `None` for a permission that we do not give: write without read, or keys that are not text.
fn permission_found(found: &etcd_client::Permission) -> Option<Permission> {
    let write = match PermissionType::try_from(found.get_type()) {
        Ok(PermissionType::Readwrite) => true,
        Ok(PermissionType::Read) => false,
        Ok(PermissionType::Write) | Err(_) => return None,
    };
    let (from, to) = (found.key_str().ok()?.to_owned(), found.range_end_str().ok()?.to_owned());
    Some(Permission { from, to, write })
}
