//! Checked flags. Each refusal is one sentence that says what to write instead.
//!
//! Not for anything that needs I/O: whether files exist and ports are free shows when they are used.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use cairn_core::contract::{flag, path, port};
use cairn_core::group::{Group, GroupError};
use cairn_core::ids::{Layout, LayoutError};
use cairn_core::pool::{PoolError, PoolName};
use cairn_core::prefix::{PrefixError, Template};
use cairn_store::cluster::ClusterIdError;
use cairn_store::prefix::KeyPrefixError;
use thiserror::Error;

use crate::app_probes::Settings;
use crate::args::ClaimArgs;
use crate::logging::LogFormat;

pub mod etcd;
mod probes;

pub use etcd::{Etcd, TlsFiles};

/// `sun_path` of a socket address holds 108 bytes with its final zero (unix(7)); the socket is
/// made under a temporary name, which is five bytes longer than its own.
const MAX_SOCKET_PATH: usize = 107 - 5;
/// A DNS label (RFC 1123), which is what a namespace is.
const MAX_LABEL_LEN: usize = 63;
/// A DNS subdomain (RFC 1123), which is what pods and nodes are named by.
const MAX_SUBDOMAIN_LEN: usize = 253;

/// How a sidecar runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where etcd is.
    pub etcd: Etcd,
    /// What to claim, in the order in which it is published; never empty, no two alike.
    pub pools: Vec<PoolName>,
    /// Where to publish.
    pub dir: PathBuf,
    /// The group.
    pub group: Option<Group>,
    /// The namespace.
    pub namespace: String,
    /// The holder's UID, unless one is to be made.
    pub instance: Option<String>,
    /// The pod's name.
    pub pod: String,
    /// The node's name; empty outside Kubernetes.
    pub node: String,
    /// The prefix template, when it is not the pool's.
    pub prefix: Option<Template>,
    /// How IDs are put together.
    pub ids: Layout,
    /// The API's address besides the socket.
    pub api: Option<SocketAddr>,
    /// The admin server's address.
    pub admin: Option<SocketAddr>,
    /// Whether the user says that the store has never been used.
    pub new_store: bool,
    /// Whether this is a pod's sidecar.
    pub in_pod: bool,
    /// The annotations that open the gate.
    pub gate_file: Option<PathBuf>,
    /// The apps' own probes, asked in the kubelet's place.
    pub app_probes: Settings,
    /// How to log.
    pub log_format: LogFormat,
}

/// Why flags were refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ConfigError {
    /// No endpoints.
    #[error("--etcd is missing; give the URLs of etcd, like --etcd http://127.0.0.1:2379")]
    NoEtcd,
    /// Not a URL.
    #[error("--etcd '{0}' is not a URL with a port; write it like http://127.0.0.1:2379")]
    Endpoint(String),
    /// http and https together.
    #[error("--etcd mixes http:// and https://; use one of them for every member")]
    MixedSchemes,
    /// https without a CA.
    #[error(
        "--etcd has https:// members but --etcd-cacert is missing; give the file of the CA that signed etcd's certificates"
    )]
    NoCa,
    /// TLS files without https.
    #[error("{0} is given but --etcd has http:// members; write https:// or leave {0} out")]
    TlsWithoutHttps(&'static str),
    /// Half of a key pair.
    #[error("{given} is given without {missing}; give both or neither")]
    HalfKeyPair {
        /// What is there.
        given: &'static str,
        /// What is not.
        missing: &'static str,
    },
    /// Not a cluster id.
    #[error("--etcd-cluster-id {0}")]
    Cluster(ClusterIdError),
    /// Not a key prefix.
    #[error("--etcd-prefix {0}")]
    KeyPrefix(KeyPrefixError),
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
    /// Not a log format.
    #[error("--log-format '{0}' is not known; use text or json")]
    LogFormat(String),
}

// === impl Config ===

impl TryFrom<ClaimArgs> for Config {
    type Error = ConfigError;

    fn try_from(args: ClaimArgs) -> Result<Self, ConfigError> {
        let ClaimArgs {
            etcd,
            etcd_cacert,
            etcd_cert,
            etcd_key,
            etcd_cluster_id,
            etcd_prefix,
            pool,
            dir,
            group,
            namespace,
            instance,
            pod,
            node,
            prefix,
            api,
            admin,
            id_layout,
            id_epoch,
            new_store,
            in_pod,
            gate_file,
            app_probes,
            app_host,
            probe_token,
            log_format,
        } = args;
        let log_format = log_format.parse()?;
        let app_probes = probes::settings(&app_probes, app_host, probe_token)?;
        let etcd = Etcd::new(etcd.as_deref(), etcd_cacert, etcd_cert, etcd_key)?
            .within(etcd_cluster_id.as_deref(), etcd_prefix.as_deref())?;
        let pools = pools(pool.as_deref())?;
        check_dir(&dir)?;
        let group = group.map(|group| group.parse().map_err(ConfigError::Group)).transpose()?;
        if !is_label(&namespace) {
            return Err(ConfigError::Namespace(namespace));
        }
        if in_pod && new_store {
            return Err(ConfigError::NewStoreInPod);
        }
        if in_pod && instance.is_none() {
            return Err(ConfigError::NoInstance);
        }
        if let Some(bad) = instance.as_ref().filter(|uid| !is_name(uid, MAX_LABEL_LEN)) {
            return Err(ConfigError::Instance(bad.clone()));
        }
        let pod = match pod {
            Some(pod) => named("--pod", pod)?,
            None => host_name(),
        };
        let node = match node {
            Some(node) => named("--node", node)?,
            None => String::new(),
        };
        let prefix = prefix
            .map(|prefix| Template::parse(&prefix).map_err(ConfigError::Prefix))
            .transpose()?;
        let ids = Layout::parse(&id_layout, &id_epoch).map_err(|error| {
            let of_epoch = matches!(error, LayoutError::Epoch(_));
            ConfigError::Ids {
                flag: if of_epoch { flag::ID_EPOCH } else { flag::ID_LAYOUT },
                error,
            }
        })?;
        let local = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port::API);
        let api = address("--api", api, in_pod.then_some(local))?;
        // Dual-stack where there is IPv6, so that the kubelet reaches it in IPv6-only clusters too.
        let any = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port::ADMIN);
        let admin = address("--admin", admin, in_pod.then_some(any))?;
        match (api, admin) {
            (Some(api), Some(admin)) if api == admin && api.port() != 0 => {
                return Err(ConfigError::SameAddress(api));
            }
            _ => {}
        }
        Ok(Self {
            etcd,
            pools,
            dir,
            group,
            namespace,
            instance,
            pod,
            node,
            prefix,
            ids,
            api,
            admin,
            new_store,
            in_pod,
            gate_file,
            app_probes,
            log_format,
        })
    }
}

impl Config {
    /// The group as it stands in keys and JSON.
    pub fn group_text(&self) -> &str {
        self.group.as_ref().map_or("-", Group::as_str)
    }
}

fn pools(text: Option<&str>) -> Result<Vec<PoolName>, ConfigError> {
    let text = text.unwrap_or_default().trim();
    if text.is_empty() {
        return Err(ConfigError::NoPool);
    }
    let mut pools = Vec::new();
    for name in text.split(',').map(str::trim) {
        if name.is_empty() {
            return Err(ConfigError::EmptyPool(text.to_owned()));
        }
        let name: PoolName = name.parse().map_err(ConfigError::Pool)?;
        if pools.contains(&name) {
            return Err(ConfigError::PoolTwice(name));
        }
        pools.push(name);
    }
    Ok(pools)
}

fn check_dir(dir: &Path) -> Result<(), ConfigError> {
    if dir.join(path::SOCKET).as_os_str().as_bytes().len() > MAX_SOCKET_PATH {
        return Err(ConfigError::LongDir(dir.to_owned()));
    }
    Ok(())
}

fn address(
    flag: &'static str,
    text: Option<String>,
    default: Option<SocketAddr>,
) -> Result<Option<SocketAddr>, ConfigError> {
    let Some(value) = text else {
        return Ok(default);
    };
    if value == "off" {
        return Ok(None);
    }
    let port = match flag {
        "--api" => port::API,
        _ => port::ADMIN,
    };
    match value.parse() {
        Ok(address) => Ok(Some(address)),
        Err(_) => Err(ConfigError::Address { flag, value, port }),
    }
}

fn named(flag: &'static str, value: String) -> Result<String, ConfigError> {
    if is_name(&value, MAX_SUBDOMAIN_LEN) {
        Ok(value)
    } else {
        Err(ConfigError::Name { flag, value })
    }
}

fn is_name(text: &str, longest: usize) -> bool {
    let inner = |c: u8| c.is_ascii_alphanumeric() || b"-_.".contains(&c);
    !text.is_empty() && text.len() <= longest && text.bytes().all(inner)
}

fn is_label(text: &str) -> bool {
    let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    is_name(text, MAX_LABEL_LEN)
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// The host's name, so that `cairn claims` shows where a standalone sidecar runs.
fn host_name() -> String {
    let uname = rustix::system::uname();
    let host = uname.nodename().to_string_lossy();
    let host: String = host.chars().take(MAX_SUBDOMAIN_LEN).collect();
    if is_name(&host, MAX_SUBDOMAIN_LEN) { host } else { "localhost".to_owned() }
}

#[cfg(test)]
mod tests;
