//! The checked flags. Each error is one sentence that says what to write instead.
//!
//! Not for checks that need I/O: missing files and used ports are reported on their first use.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use cairn_core::contract::{flag, path, port};
use cairn_core::group::Group;
use cairn_core::ids::{Layout, LayoutError};
use cairn_core::pool::PoolName;
use cairn_core::prefix::Template;
use cairn_kit::log::LogArgs;

use crate::app_probes::Settings;
use crate::args::ClaimArgs;

mod access;
mod coordination;
mod error;
mod probes;

pub use access::Access;
pub use coordination::Coordination;
pub use error::ConfigError;

/// `sun_path` of a socket address has 108 bytes with the final zero (unix(7)). The socket is created under a temporary
/// name, which is five bytes longer than its own.
const MAX_SOCKET_PATH: usize = 107 - 5;
/// The length of a DNS label (RFC 1123), such as a namespace.
const MAX_LABEL_LEN: usize = 63;
/// The length of a DNS subdomain (RFC 1123), such as the name of a pod or node.
const MAX_SUBDOMAIN_LEN: usize = 253;

/// The configuration of a sidecar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How to reach etcd.
    pub access: Access,
    /// The pools to claim from, in the order of publication, without duplicates. Empty only with
    /// [`Self::coordination`].
    pub pools: Vec<PoolName>,
    /// How it coordinates with its group, if it does.
    pub coordination: Option<Coordination>,
    /// The published directory.
    pub dir: PathBuf,
    /// The group.
    pub group: Option<Group>,
    /// The namespace.
    pub namespace: String,
    /// The holder's UID; without one, a UID is made and kept in the directory.
    pub instance: Option<String>,
    /// The pod's name.
    pub pod: String,
    /// The node's name; empty outside Kubernetes.
    pub node: String,
    /// Replaces the pool's prefix template.
    pub prefix: Option<Template>,
    /// The layout of minted IDs.
    pub ids: Layout,
    /// The API's address, besides the socket.
    pub api: Option<SocketAddr>,
    /// The same on `::1`, where it can be bound: in a pod, beside the default.
    pub api_v6: Option<SocketAddr>,
    /// The admin server's address.
    pub admin: Option<SocketAddr>,
    /// Whether the user states that Cairn has never used this store.
    pub new_store: bool,
    /// Whether this is a pod's sidecar.
    pub in_pod: bool,
    /// The file with the annotations that open the gate.
    pub gate_file: Option<PathBuf>,
    /// The apps' own probes, which run in place of the kubelet.
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
            agent,
            agent_ca,
            credentials_dir,
            token_file,
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
            coordination,
            log,
        } = args;
        let coordination = coordination::coordination(coordination, &app_host, group.is_some())?;
        let app_probes = probes::settings(&app_probes, app_host, probe_token)?;
        let agent = access::AgentArgs { url: agent, ca: agent_ca, credentials_dir, token_file };
        let access = access::access(&etcd, agent)?;
        let pools = pools(pool.as_deref(), coordination.is_some())?;
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
        if let Some(open) = api.filter(|api| !api.ip().to_canonical().is_loopback()) {
            return Err(ConfigError::OpenApi(open));
        }
        let api_v6 = (in_pod && api == Some(local))
            .then_some(SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), port::API));
        // Dual-stack, so that the kubelet reaches it in IPv6-only clusters too.
        let any = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port::ADMIN);
        let admin = address("--admin", admin, in_pod.then_some(any))?;
        match (api, admin) {
            (Some(api), Some(admin)) if api == admin && api.port() != 0 => {
                return Err(ConfigError::SameAddress(api));
            }
            _ => {}
        }
        Ok(Self {
            access,
            pools,
            coordination,
            dir,
            group,
            namespace,
            instance,
            pod,
            node,
            prefix,
            ids,
            api,
            api_v6,
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

    /// The group as in keys and JSON: `-` for none.
    pub fn group_text(&self) -> &str {
        self.group.as_ref().map_or("-", Group::as_str)
    }
}

fn pools(text: Option<&str>, optional: bool) -> Result<Vec<PoolName>, ConfigError> {
    let text = text.unwrap_or_default().trim();
    if text.is_empty() {
        return if optional { Ok(Vec::new()) } else { Err(ConfigError::NoPool) };
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

/// The name of the host. `cairn claims` shows it as the place of a standalone sidecar.
fn host_name() -> String {
    let uname = rustix::system::uname();
    let host = uname.nodename().to_string_lossy();
    let host: String = host.chars().take(MAX_SUBDOMAIN_LEN).collect();
    if is_name(&host, MAX_SUBDOMAIN_LEN) { host } else { "localhost".to_owned() }
}

#[cfg(test)]
mod tests;
