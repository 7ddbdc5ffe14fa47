//! Admission from the outside: a corpus of manifests, what must become of each, a webhook that gets in Cairn's way, and
//! an API server alone.
//!
//! The corpus is in `corpus/`. [`corpus`] reads it, [`workload`] makes the pods that Kubernetes' controllers would
//! make, and [`judge`] knows what an admitted pod must look like; it shares no code with admission. Not for: what
//! happens after admission, which needs a kubelet (`e2e/tests`).

#![allow(clippy::indexing_slicing, reason = "of JSON values: a field that is not there is null")]

pub mod api_server;
pub mod balancer;
pub mod bench;
pub mod command;
pub mod corpus;
pub mod hostile;
pub mod in_process;
pub mod install;
pub mod judge;
pub mod mutation;
pub mod review;
pub mod tls_servers;
pub mod workload;
