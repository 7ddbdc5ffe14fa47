//! The `cairn` command line, with one file for each command. Only `release`, `members drop` and `admin` write Cairn's
//! keys; `bench` writes below a scratch prefix. No command changes who owns a shard or the leadership: `drain` and
//! `step-down` ask the sidecar of the owner.
//!
//! `main → entry → command → {check, etcd}`. Only [`entry`] prints; commands return a [`report::Report`].

pub mod admin;
pub mod args;
pub mod ask;
pub mod bench;
pub mod check;
pub mod claims;
pub mod cluster;
pub mod completion;
pub mod entry;
pub mod etcd;
pub mod groups;
pub mod inject;
pub mod leader;
pub mod manifest;
pub mod members;
pub mod output;
pub mod owner;
pub mod pools;
pub mod progress;
pub mod reach;
pub mod release;
pub mod report;
pub mod shards;
pub mod sidecar;
pub mod snapshot;
pub mod table;
pub mod terminal;
pub mod ui;
pub mod yaml;
