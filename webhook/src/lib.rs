//! The control plane of Cairn: admission, pools, the claims mirror and certificates.
//!
//! `main → app → {servers, controllers} → pure decisions`. Admission reads the facts that the controllers keep in
//! memory, and makes no network call. The protocol is in `docs/protocol.md`, admission in `docs/pods.md`.

pub mod admin;
pub mod admission;
pub mod agent;
pub mod app;
pub mod args;
pub mod certificate_ends;
pub mod certs;
pub mod config_map;
pub mod entry;
pub mod env_mode;
pub mod etcd_access;
pub mod etcd_authorities;
pub mod etcd_ca;
pub mod etcd_certificate;
pub mod etcd_member;
pub mod events;
pub mod installation;
pub mod leader;
pub mod mirror;
pub mod missed;
pub mod namespaces;
pub mod nodes;
pub mod pools;
pub mod ready;
pub mod selector;
pub mod server;
pub mod timestamp;
pub mod tls;
pub mod view;
pub mod watching;
