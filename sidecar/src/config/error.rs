//! The errors of flags. Each says what to write instead.

use std::net::SocketAddr;
use std::path::PathBuf;

use cairn_core::contract::{path, port};
use cairn_core::coordination::map::KeyHashError;
use cairn_core::coordination::text::TextError;
use cairn_core::group::GroupError;
use cairn_core::ids::LayoutError;
use cairn_core::pool::{PoolError, PoolName};
use cairn_core::prefix::PrefixError;
use cairn_kit::etcd::EtcdArgsError;
use thiserror::Error;

use super::{MAX_LABEL_LEN, MAX_SOCKET_PATH, MAX_SUBDOMAIN_LEN};

/// A valid value of `--app-probes`.
const APP_PROBES_EXAMPLE: &str =
    r#"{"container":"app","liveness":{"httpGet":{"path":"/healthz","port":8080}}}"#;

/// Why the flags are refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ConfigError {
    /// The etcd flags.
    #[error(transparent)]
    Etcd(#[from] EtcdArgsError),
    /// Two ways to etcd.
    #[error("--agent is given with {0}; the agent says where etcd is, so leave {0} out")]
    AgentAndEtcd(&'static str),
    /// An agent that could be anybody.
    #[error(
        "--agent '{0}' is not an https:// URL with a port; write it like https://cairn-webhook.cairn-system.svc:8443"
    )]
    Agent(String),
    /// An agent that cannot be verified.
    #[error(
        "--agent needs --agent-ca; give the certificates that verify the agent, each as base64 of its DER form"
    )]
    NoAgentCa,
    /// Nothing is asked for.
    #[error(
        "--pool is missing; name the pools to claim from, like --pool mountains, or give --coordinate"
    )]
    NoPool,
    /// Members find each other by their group.
    #[error("--coordinate needs --group; name the group of the members, like --group checkout")]
    NoGroup,
    /// A flag about coordination alone.
    #[error(
        "{0} does nothing without --coordinate; add --coordinate peers,leader,shards, or leave {0} out"
    )]
    NotCoordinated(&'static str),
    /// A flag about shards without shards.
    #[error(
        "{0} is given without --coordinate shards; add shards to --coordinate, or leave {0} out"
    )]
    ShardsNotCoordinated(&'static str),
    /// No number of shards.
    #[error("--shards is missing; give the number of shards, like --shards 16")]
    NoShards,
    /// The hash is not known.
    #[error("--shard-hash: {0}")]
    ShardHash(KeyHashError),
    /// A value about coordination.
    #[error("{flag} {error}")]
    Coordination {
        /// Which flag.
        flag: &'static str,
        /// What is wrong with it.
        error: TextError,
    },
    /// Endpoints are at the pod's address.
    #[error(
        "--app-host '{0}' is not an IP address; give the pod's address, at which its endpoints are"
    )]
    AppHost(String),
    /// The generation is not valid.
    #[error(
        "--generation '{0}' is not valid; use at most 63 characters, like the hash of a pod template"
    )]
    Generation(String),
    /// The instant is not valid.
    #[error("--admitted '{0}' is not a time; write it like 2026-11-26T10:00:00Z")]
    Admitted(String),
    /// `a,,b`
    #[error("--pool '{0}' has an empty name between its commas; write it like mountains,snowflake")]
    EmptyPool(String),
    /// `a,a`
    #[error("--pool names '{0}' twice; name every pool once")]
    PoolTwice(PoolName),
    /// A pool name is not valid.
    #[error("--pool: {0}")]
    Pool(PoolError),
    /// The group is not valid.
    #[error("--group: {0}")]
    Group(GroupError),
    /// The prefix template is not valid.
    #[error("--prefix: {0}")]
    Prefix(PrefixError),
    /// The namespace is not a DNS label.
    #[error(
        "--namespace '{0}' is not valid; use 1 to {MAX_LABEL_LEN} lower-case letters, digits and '-', \
         starting and ending with a letter or digit"
    )]
    Namespace(String),
    /// The UID would break the layout of the keys.
    #[error(
        "--instance '{0}' is not valid; use 1 to {MAX_LABEL_LEN} letters, digits, '-', '_' and '.', \
         like the pod's metadata.uid"
    )]
    Instance(String),
    /// In a pod, a random UID would leave a claim behind at each restart.
    #[error("--in-pod needs --instance; give it the pod's metadata.uid")]
    NoInstance,
    /// In Kubernetes the webhook initialises an empty store.
    #[error("--new-store is for sidecars without Kubernetes; leave it out with --in-pod")]
    NewStoreInPod,
    /// The name is not valid in Kubernetes.
    #[error(
        "{flag} '{value}' is not valid; use 1 to {MAX_SUBDOMAIN_LEN} letters, digits, '-', '_' and '.'"
    )]
    Name {
        /// Which flag.
        flag: &'static str,
        /// As written.
        value: String,
    },
    /// The path of the socket is too long.
    #[error(
        "--dir '{}' is too long for a socket in it; choose one of at most {} bytes",
        .0.display(),
        MAX_SOCKET_PATH - path::SOCKET.len() - 1
    )]
    LongDir(PathBuf),
    /// The address is not valid.
    #[error("{flag} '{value}' is not an address; write it like 127.0.0.1:{port}, or off")]
    Address {
        /// Which flag.
        flag: &'static str,
        /// As written.
        value: String,
        /// The default port.
        port: u16,
    },
    /// Other machines could reach the claims API.
    #[error(
        "--api '{0}' is not an address of loopback, and the claims API is only for programs beside the sidecar; \
         write it like 127.0.0.1:{port}, or off",
        port = port::API
    )]
    OpenApi(SocketAddr),
    /// The layout or the epoch of IDs is not valid.
    #[error("{flag} {error}")]
    Ids {
        /// Which flag.
        flag: &'static str,
        /// What is wrong with it.
        error: LayoutError,
    },
    /// Two listeners have the same address.
    #[error("--api and --admin have the same address {0}; give them different ports")]
    SameAddress(SocketAddr),
    /// The probes of a container are not valid.
    #[error("--app-probes '{text}' {reason}; write it like {APP_PROBES_EXAMPLE}")]
    AppProbes {
        /// As written.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
}
