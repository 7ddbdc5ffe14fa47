//! Members, a leader and shards of a group: the coordination protocol of `docs/coordination.md`, as pure values and
//! decisions.
//!
//! A group's members keep one record each in the store. A shard has an owner, named by a key that only the owner
//! changes while its session exists, and nobody until a takeover delay after it ended. [`session::Machine`] decides for
//! one member, [`plan`] says which member should own what, and [`lookup`] says which member or shard a key belongs to.
//!
//! Invariants:
//! - a shard is served only while its key names our session, it is not stopping, and the deadline has not passed;
//! - every write compares the epoch, and every write of a session compares that session's own record.
//!
//! Not for: sockets, clocks, files (`cairn-store`, `cairn-sidecar`).

pub mod lookup;
pub mod map;
pub mod member;
pub mod owner;
pub mod path;
pub mod picture;
pub mod plan;
pub mod session;
pub mod terms;
pub mod text;
pub mod validity;
pub mod write;
