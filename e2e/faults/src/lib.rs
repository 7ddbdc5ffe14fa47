//! Fault histories of many sidecars on a real etcd, and their checker.
