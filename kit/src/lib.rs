//! What the binaries share that is neither the domain nor etcd: small modules, one idea each.

pub mod serve;
