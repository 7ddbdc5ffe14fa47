//! What Cairn promises, as tests on a real cluster. Each test's name says what holds.

#![allow(clippy::indexing_slicing, clippy::panic, reason = "an assertion that fails ends its test")]

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
