//! The `cairn` command line: one file per command. Nothing is written but by `bench`, beside Cairn's keys.
//!
//! `main → entry → command → {check, etcd}`. Only [`entry`] prints; commands return a
//! [`entry::Report`].

pub mod args;
pub mod bench;
pub mod check;
pub mod claims;
pub mod entry;
pub mod etcd;
pub mod pools;
pub mod snapshot;
pub mod table;
