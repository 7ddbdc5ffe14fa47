//! What the certificate of a namespace is good for, and what it is not: attacks on a real etcd with authentication.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails"
)]

#[path = "access/attacks.rs"]
mod attacks;
#[path = "access/branches.rs"]
mod branches;
#[path = "access/certificates.rs"]
mod certificates;
#[path = "access/churn.rs"]
mod churn;
#[path = "suite/fixture.rs"]
#[expect(dead_code, reason = "shared with the suite")]
mod fixture;
#[path = "suite/group.rs"]
#[expect(dead_code, reason = "shared with the suite")]
mod group;
#[path = "access/groups.rs"]
mod groups;
#[path = "access/office.rs"]
mod office;
#[path = "access/replacing.rs"]
mod replacing;
#[path = "access/roles.rs"]
mod roles;
#[path = "suite/users.rs"]
mod users;
