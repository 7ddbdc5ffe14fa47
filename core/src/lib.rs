//! The domain of Cairn: what names, pools, claims and fences are, how they are laid out in etcd,
//! and the state machine of a claim.
//!
//! Nothing here does I/O or reads a clock: time comes in as a value, decisions go out as values.
//! `cairn-store` talks to etcd; `cairn-sidecar` and `cairn-webhook` talk to everything else. Those two never
//! talk to each other: the [`contract`] module is what they agree on.

pub mod app_probe;
pub mod claim;
pub mod clock;
pub mod contract;
pub mod coordination;
pub mod duration;
pub mod group;
pub mod identity;
pub mod ids;
pub mod keys;
pub mod lease;
pub mod names;
pub mod opt_in;
pub mod pick;
pub mod pool;
pub mod prefix;
pub mod quarantine;
pub mod request;
pub mod shared_map;
pub mod stop_probe;
pub mod suggest;
pub mod time;
pub mod time_limits;
