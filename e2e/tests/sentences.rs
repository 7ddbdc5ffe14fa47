//! One annotation, one mountain name: what Cairn promises, as sentences, on a real cluster.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a sentence that does not hold ends its test"
)]

mod away;
mod command_line;
mod etcd;
mod footprint;
mod full_ports;
mod gate;
mod groups;
mod identity;
mod in_place;
mod init_containers;
mod lifecycle;
mod manifest;
mod nodes;
mod outage;
mod pools;
mod refusals;
mod results;
mod rollouts;
mod stopped;
mod untouched;
mod waiting;
