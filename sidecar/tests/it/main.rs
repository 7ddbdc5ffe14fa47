//! The real servers, files and binary of the sidecar, on a directory, a socket and free ports. The test sends the
//! claims in place of the driver.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed expectation is a failed test; clippy.toml exempts test functions only"
)]

mod admin;
mod api;
mod app_probes;
mod binary;
mod enrol;
mod etcd;
mod files;
mod flags;
mod flood;
mod group;
mod guard;
mod harness;
mod ids;
mod lifecycle;
mod probe;
mod program;
