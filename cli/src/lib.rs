//! The `cairn` command line, with one file for each command. Only `release` and `admin` write Cairn's keys; `bench`
//! writes below a scratch prefix.
//!
//! `main → entry → command → {check, etcd}`. Only [`entry`] prints; commands return a [`report::Report`].

pub mod admin;
pub mod args;
pub mod bench;
pub mod check;
pub mod claims;
pub mod entry;
pub mod etcd;
pub mod pools;
pub mod release;
pub mod report;
pub mod snapshot;
pub mod table;
