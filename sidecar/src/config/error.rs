//! Why flags are refused; each sentence says what to write instead.

use std::net::SocketAddr;
use std::path::PathBuf;

use cairn_core::contract::path;
use cairn_core::group::GroupError;
use cairn_core::ids::LayoutError;
use cairn_core::pool::{PoolError, PoolName};
use cairn_core::prefix::PrefixError;
use cairn_kit::etcd::EtcdArgsError;
use thiserror::Error;

use super::{MAX_LABEL_LEN, MAX_SOCKET_PATH, MAX_SUBDOMAIN_LEN, probes};

/// Why flags were refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ConfigError {
    /// Where etcd is.
    #[error(transparent)]
    Etcd(#[from] EtcdArgsError),
    /// No pools.
    #[error("--pool is missing; name the pools to claim from, like --pool mountains")]
    NoPool,
    /// `a,,b`
    #[error("--pool '{0}' has an empty name between its commas; write it like mountains,snowflake")]
    EmptyPool(String),
    /// `a,a`
    #[error("--pool names '{0}' twice; name every pool once")]
    PoolTwice(PoolName),
    /// Not a pool's name.
    #[error("--pool: {0}")]
    Pool(PoolError),
    /// Not a group.
    #[error("--group: {0}")]
    Group(GroupError),
    /// Not a template.
    #[error("--prefix: {0}")]
    Prefix(PrefixError),
    /// Not a namespace.
    #[error(
        "--namespace '{0}' is not valid; use 1 to {MAX_LABEL_LEN} lower-case letters, digits and '-', starting and ending with a letter or digit"
    )]
    Namespace(String),
    /// Would break the key layout.
    #[error(
        "--instance '{0}' is not valid; use 1 to {MAX_LABEL_LEN} letters, digits, '-', '_' and '.', like the pod's metadata.uid"
    )]
    Instance(String),
    /// In a pod, a made-up UID would leak the claim of every restarted pod.
    #[error("--in-pod needs --instance; give it the pod's metadata.uid")]
    NoInstance,
    /// In Kubernetes the webhook sees to empty stores.
    #[error("--new-store is for sidecars without Kubernetes; leave it out with --in-pod")]
    NewStoreInPod,
    /// Not a name of Kubernetes.
    #[error(
        "{flag} '{value}' is not valid; use 1 to {MAX_SUBDOMAIN_LEN} letters, digits, '-', '_' and '.'"
    )]
    Name {
        /// Which flag.
        flag: &'static str,
        /// As written.
        value: String,
    },
    /// The socket would not fit.
    #[error(
        "--dir '{}' is too long for a socket in it; choose one of at most {} bytes",
        .0.display(),
        MAX_SOCKET_PATH - path::SOCKET.len() - 1
    )]
    LongDir(PathBuf),
    /// Not an address.
    #[error("{flag} '{value}' is not an address; write it like 127.0.0.1:{port}, or off")]
    Address {
        /// Which flag.
        flag: &'static str,
        /// As written.
        value: String,
        /// The port that is usual there.
        port: u16,
    },
    /// Not how IDs can be put together.
    #[error("{flag} {error}")]
    Ids {
        /// Which flag.
        flag: &'static str,
        /// What is wrong with it.
        error: LayoutError,
    },
    /// The same port twice.
    #[error("--api and --admin have the same address {0}; give them different ports")]
    SameAddress(SocketAddr),
    /// Not the probes of a container.
    #[error("--app-probes '{text}' {reason}; write it like {}", probes::EXAMPLE)]
    AppProbes {
        /// As written.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
}
