//! The control plane of Cairn: admission, pools, the claims mirror and certificates.
//!
//! `main → app → {servers, controllers} → pure decisions`. Admission reads from memory what the
//! controllers gathered; nobody else reads the caches, and nothing on the admission path calls out.

pub mod admission;
pub mod namespaces;
pub mod pools;
pub mod selector;
