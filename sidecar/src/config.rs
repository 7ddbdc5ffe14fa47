//! Checked flags. Each refusal is one sentence that says what to write instead.
//!
//! Not for anything that needs I/O: whether files exist and ports are free shows when they are used.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use cairn_core::contract::{flag, path, port};
use cairn_core::group::Group;
use cairn_core::ids::{Layout, LayoutError};
use cairn_core::pool::PoolName;
use cairn_core::prefix::Template;
use cairn_kit::etcd::EtcdTarget;
use cairn_kit::log::LogArgs;

use crate::app_probes::Settings;
use crate::args::ClaimArgs;

mod error;
mod probes;

pub use error::ConfigError;

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
    pub etcd: EtcdTarget,
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
    pub log: LogArgs,
}

// === impl Config ===

impl TryFrom<ClaimArgs> for Config {
    type Error = ConfigError;

    fn try_from(args: ClaimArgs) -> Result<Self, ConfigError> {
        let ClaimArgs {
            etcd,
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
            log,
        } = args;
        let app_probes = probes::settings(&app_probes, app_host, probe_token)?;
        let etcd = etcd.target()?;
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
            log,
        })
    }
}

impl Config {
    /// The pools' names, comma separated.
    pub fn pool_list(&self) -> String {
        self.pools.iter().map(PoolName::as_str).collect::<Vec<_>>().join(",")
    }

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
