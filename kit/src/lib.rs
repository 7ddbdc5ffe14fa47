//! What the binaries share that is neither the domain nor the protocol: small modules, one idea each.
//!
//! It stands between [`cairn_store`] and the binaries: flags name what the store connects to, and an error report
//! knows how the store reports. Nothing in core or store knows of it.

pub mod backoff;
pub mod clock;
pub mod errors;
pub mod etcd;
pub mod exit;
#[cfg(feature = "log")]
pub mod log;
#[cfg(feature = "serve")]
pub mod metrics;
#[cfg(feature = "serve")]
pub mod serve;
pub mod shutdown;
pub mod usage;
