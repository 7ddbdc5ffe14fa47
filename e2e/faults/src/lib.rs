//! Fault histories: dozens of sidecars on a real etcd of three members, both of which are hurt by a
//! seeded plan, and a checker that judges what the holders did.
//!
//! A walk: [`plan`] turns a seed into faults; [`run`] carries them out on a [`cluster`] in network
//! namespaces of its own ([`net`]) and on [`pod`]s; every pod has a sidecar process and an [`app`]
//! that writes the [`journal`], with or without a [`kubelet`] that stops it and starts it again; [`history`] records what etcd did; [`check`] reads both and reports.
//! [`bug`] plants faults of the product, so that the checker is known to find them.
//!
//! Not for: fixing or hiding anything. A violation is printed with its seed and the trail to it.

pub mod app;
pub mod boottime;
pub mod bug;
pub mod check;
pub mod cluster;
pub mod control;
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
