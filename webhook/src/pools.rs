//! Pools.

pub mod catalog;
