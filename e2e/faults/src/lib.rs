//! Fault histories: dozens of sidecars on a real etcd of three members, a seeded plan that injects faults into both,
//! and a checker of what the holders did.
//!
//! Overview: [`plan`] turns a seed into faults. [`run`] injects them into a [`cluster`] in network namespaces of its
//! own ([`net`]) and into [`pod`]s. Every pod has a sidecar process and an [`app`] that writes the [`journal`]; in
//! some histories a [`kubelet`] stops the app and starts it again. [`history`] records the changes in etcd. [`check`]
//! reads journal and history and reports violations. [`bug`] plants bugs of the product, which the checker must find.
//!
//! [`coordination`] has histories of its own: members of groups, which own shards and lead.
//!
//! A violation is printed with its seed and a timeline.

pub mod access;
pub mod app;
pub mod boottime;
pub mod bug;
pub mod check;
pub mod cluster;
pub mod control;
pub mod coordination;
pub mod failure;
pub mod faulty;
pub mod history;
pub mod ids;
pub mod journal;
pub mod kubelet;
pub mod mirror;
pub mod net;
pub mod plan;
pub mod pod;
pub mod pools;
pub mod process;
pub mod run;
pub mod variable;
pub mod wait;
