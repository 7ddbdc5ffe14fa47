//! Kubernetes manifests: their files, their metadata, and where their pods are.

pub mod file;
pub mod layout;
pub mod metadata;
