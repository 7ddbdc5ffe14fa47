//! Who may do what in etcd: one user and one role for each namespace.
//!
//! The user is the common name of the client certificates that a namespace's pods get. Its role may read and write the
//! keys of the namespace and of the cluster pools that are open to it; every namespace's user may also read what is
//! common to all. Root is the webhook. `crate::etcd::Etcd` writes users and roles:
//! [`enable_auth`](crate::etcd::Etcd::enable_auth), [`grant_namespace`](crate::etcd::Etcd::grant_namespace),
//! [`narrow_namespace`](crate::etcd::Etcd::narrow_namespace),
//! [`remove_namespace`](crate::etcd::Etcd::remove_namespace).
//!
//! Invariants: a permission is added when it is missing, and is taken away only when nothing of the namespace is where
//! it leads. etcd asks for write permission on every key of a lease to renew it, so a claim would be lost otherwise.
//! Everything is idempotent, because several replicas of the webhook do it.
//!
//! Pure; the requests are in `crate::etcd`.

pub(crate) mod in_use;
pub(crate) mod permission;
pub(crate) mod plan;
mod user_name;
pub(crate) mod version;

pub(crate) use user_name::MARK;
pub use user_name::UserName;
