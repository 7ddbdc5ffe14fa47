//! Measures the cost of claims and of coordination on a real etcd, and that of simpler protocols for comparison.
//!
//! `main → app → {claims, steady, isolation} → {members, baseline, history}`. Measurements become a [`table::Table`],
//! and tables are printed and written into a page; a plot shows the herds. The herd is that of `cairn bench herd`: the
//! lease machine of `cairn_core`, carried out by `cairn_store`. [`coordination`] has a page of its own.

pub mod app;
pub mod args;
pub mod baseline;
pub mod claims;
pub mod coordination;
pub mod cpu;
pub mod fleet;
pub mod history;
pub mod hosts;
pub mod http;
pub mod isolation;
pub mod machine;
pub mod members;
pub mod mirror;
pub mod page;
pub mod plot;
pub mod quota;
pub mod report;
pub mod steady;
pub mod table;
