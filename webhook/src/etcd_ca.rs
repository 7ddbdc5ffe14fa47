//! The authorities of etcd's TLS, and the issuer that signs the certificates of its clients.
//!
//! There are two authorities: `clients` signs what etcd's client port accepts, `members` signs what members show to
//! each other and to clients. So a client's certificate is worth nothing on the port between members. Each authority is
//! a root that lives for decades and an issuer that is replaced every few weeks. A certificate carries its issuer with
//! it, and etcd's trusted files hold the roots only: etcd reads those files once, at its start.
//!
//! Invariants: of a request only the public key is used. No certificate outlives its issuer. The Secret is written by
//! compare-and-swap only, and what it holds is never replaced while it can be used.
//!
//! `follow → {keeper, files} → decide (pure) → {authorities, authority, issuer, request}`. Not for: who may have a
//! certificate.

pub mod authorities;
pub mod authority;
pub mod decide;
pub mod files;
pub mod follow;
pub mod issuer;
pub mod keeper;
pub mod lives;
pub mod metrics;
pub mod request;

pub use authorities::{Authorities, EtcdCa};
pub use follow::{Source, follow};
pub use issuer::{IssueError, Issued, Issuer};
pub use lives::{LifeArgs, Lives};
