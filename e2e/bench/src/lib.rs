//! What a claim costs, beside two simpler protocols, on a real etcd.
//!
//! `main → app → {claims, steady} → {members, baseline, history}`; what they measure becomes a
//! [`sheet::Sheet`], and sheets become a table, a page and a plot. The herd itself is that of
//! `cairn bench herd`: the lease machine of `cairn_core`, carried out by `cairn_store`.

pub mod app;
pub mod args;
pub mod baseline;
pub mod claims;
pub mod cpu;
pub mod history;
pub mod http;
pub mod machine;
pub mod members;
pub mod page;
pub mod plot;
pub mod sheet;
pub mod steady;
