//! The sidecar's servers, files and binary for real: on a directory, a socket and free ports, with
//! claims that the test sends in place of the driver.

mod admin;
mod api;
mod binary;
mod files;
mod flags;
mod harness;
mod lifecycle;
mod probe;
