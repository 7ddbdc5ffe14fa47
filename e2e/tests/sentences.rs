//! What Cairn promises, as tests on a real cluster. Each test's name says what holds.

#![allow(clippy::indexing_slicing, clippy::panic, reason = "an assertion that fails ends its test")]

mod away;
mod certificates;
mod command_line;
mod coordination;
mod enrolment;
mod etcd;
mod etcd_access;
mod footprint;
mod full_ports;
mod gate;
mod groups;
mod identity;
mod in_place;
mod init_containers;
mod lifecycle;
mod manifest;
mod minting;
mod nodes;
mod operator;
mod outage;
mod own_etcd;
mod permissions;
mod pools;
mod quotas;
mod refusals;
mod results;
mod rollouts;
mod rotation;
mod secrets;
mod stopped;
mod untouched;
mod upgrade;
mod waiting;
