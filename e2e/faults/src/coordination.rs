//! Fault histories of coordination: members of groups on a real etcd of three members, and a judge of what they served.
//!
//! Overview: a [`scene`] has one etcd and several [`group`]s. A [`script`] says what happens to the members of a group,
//! and [`store_faults`] what happens to etcd. Every [`pod`] has a clock of its own rate ([`clock`]), an [`app`] and a
//! [`process`]: the session machine with the store's transactions, as in a sidecar, behind a [`link`] that loses and
//! repeats requests. The apps write the [`journal`], and the [`judge`] reads it. [`bug`] plants bugs, which the judge
//! must find.
//!
//! Not for: the sidecar's files and calls. An app reads here what a sidecar would publish.

pub mod app;
pub mod bug;
pub mod clock;
pub mod group;
pub mod input;
pub mod journal;
pub mod judge;
pub mod link;
pub mod manner;
pub mod newer;
pub mod pod;
pub mod process;
pub mod scene;
pub mod script;
pub mod slot;
pub mod store_faults;
pub mod switches;
