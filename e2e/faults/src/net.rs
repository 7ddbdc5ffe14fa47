//! The network of one history: a namespace for the clients with two bridges, and one namespace for each etcd member
//! with a link to each bridge: one to its peers, one to its clients.
//!
//! A link is cut by setting its end at the bridge down: packets are lost and connections stay open, as in a real
//! partition. Nothing is created in the host's namespace. The names contain the process's pid, so that a later run can
//! remove the namespaces of a run that was killed.

use std::fs::{self, File};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tempfile::TempDir;
use tokio::runtime::Builder;

use crate::failure::Failure;

const PREFIX: &str = "cairn-faults-";
/// The folder in which iproute2 keeps namespaces.
const NAMESPACES: &str = "/run/netns";

/// Numbers the networks of this process.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// One of a member's two links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// To the other members.
    Peers,
    /// To the sidecars.
    Clients,
}

/// The namespaces of one history. They are removed when this is dropped.
#[derive(Debug)]
pub struct Net {
    name: String,
    members: usize,
}

/// Does something with a new network and a new folder, on a thread of its own in the clients' namespace. Threads and
/// processes that it starts are in that namespace too, so the host's network is not used. The kernel kills the
/// processes when the thread ends.
pub fn in_new_network<T: Send + 'static, F: Future<Output = Result<T, Failure>>>(
    members: usize,
    work: impl FnOnce(Net, TempDir) -> F + Send + 'static,
) -> Result<T, Failure> {
    let thread = thread::spawn(move || {
        let net = Net::new(members)?;
        net.enter()?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|source| Failure::system("starting the runtime", source))?;
        let dir = TempDir::new().map_err(|source| Failure::system("making a folder", source))?;
        runtime.block_on(work(net, dir))
    });
    match thread.join() {
        Ok(done) => done,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

// === impl Link ===

impl Link {
    fn name(self) -> &'static str {
        match self {
            Self::Peers => "peers",
            Self::Clients => "clients",
        }
    }

    fn subnet(self) -> &'static str {
        match self {
            Self::Peers => "10.77.1",
            Self::Clients => "10.77.2",
        }
    }

    /// Its end at the bridge.
    fn port(self, member: usize) -> String {
        format!("{}{member}", self.name())
    }
}

// === impl Net ===

impl Net {
    /// Creates the namespaces.
    pub fn new(members: usize) -> Result<Self, Failure> {
        if !rustix::process::geteuid().is_root() {
            return Err(Failure::NotRoot);
        }
        sweep();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let net = Self { name: format!("{PREFIX}{}-{count}", std::process::id()), members };
        let hub = net.hub();
        ip(&["netns", "add", &hub])?;
        ip(&["-n", &hub, "link", "set", "lo", "up"])?;
        for link in [Link::Peers, Link::Clients] {
            let bridge = format!("br-{}", link.name());
            let address = format!("{}.254/24", link.subnet());
            // Without a delay a port forwards as soon as it is up.
            ip(&["-n", &hub, "link", "add", &bridge, "type", "bridge", "forward_delay", "0"])?;
            ip(&["-n", &hub, "addr", "add", &address, "dev", &bridge])?;
            ip(&["-n", &hub, "link", "set", &bridge, "up"])?;
        }
        for member in 0..members {
            let namespace = net.namespace(member);
            ip(&["netns", "add", &namespace])?;
            ip(&["-n", &namespace, "link", "set", "lo", "up"])?;
            for link in [Link::Peers, Link::Clients] {
                let (port, end) = (link.port(member), link.name());
                let address = format!("{}.{}/24", link.subnet(), member + 1);
                let bridge = format!("br-{}", link.name());
                ip(&[
                    "-n", &hub, "link", "add", &port, "type", "veth", "peer", "name", end, "netns",
                    &namespace,
                ])?;
                ip(&["-n", &hub, "link", "set", &port, "master", &bridge, "up"])?;
                ip(&["-n", &namespace, "addr", "add", &address, "dev", end])?;
                ip(&["-n", &namespace, "link", "set", end, "up"])?;
            }
        }
        Ok(net)
    }

    /// The URL of a member for sidecars and harness.
    pub fn client_url(&self, member: usize) -> String {
        format!("https://{}.{}:2379", Link::Clients.subnet(), member + 1)
    }

    /// Where members find each other.
    pub fn peer_url(&self, member: usize) -> String {
        format!("https://{}.{}:2380", Link::Peers.subnet(), member + 1)
    }

    /// A member's addresses on both links.
    pub fn addresses(&self, member: usize) -> [String; 2] {
        [Link::Clients, Link::Peers].map(|link| format!("{}.{}", link.subnet(), member + 1))
    }

    /// The file of a member's namespace.
    pub fn namespace_file(&self, member: usize) -> PathBuf {
        Path::new(NAMESPACES).join(self.namespace(member))
    }

    /// Cuts or heals a link.
    pub fn set(&self, member: usize, link: Link, up: bool) -> Result<(), Failure> {
        let state = if up { "up" } else { "down" };
        ip(&["-n", &self.hub(), "link", "set", &link.port(member), state])
    }

    /// Moves the calling thread into the clients' namespace. Threads and processes that it starts later are in there
    /// too.
    pub fn enter(&self) -> Result<(), Failure> {
        let path = Path::new(NAMESPACES).join(self.hub());
        let failed = |source| Failure::system(format!("entering {}", path.display()), source);
        let file = File::open(&path).map_err(failed)?;
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
            .map_err(|error| failed(error.into()))
    }

    fn hub(&self) -> String {
        format!("{}-hub", self.name)
    }

    fn namespace(&self, member: usize) -> String {
        format!("{}-etcd{member}", self.name)
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        // The next run removes what cannot be removed now.
        for member in 0..self.members {
            let _ = ip(&["netns", "del", &self.namespace(member)]);
        }
        let _ = ip(&["netns", "del", &self.hub()]);
    }
}

/// Removes the namespaces of runs whose process has ended. Their child processes have ended with them.
fn sweep() {
    let entries = fs::read_dir(NAMESPACES).into_iter().flatten().flatten();
    for name in entries.filter_map(|entry| entry.file_name().into_string().ok()) {
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        let Some(pid) = owner.and_then(|owner| owner.parse::<u32>().ok()) else {
            continue;
        };
        if !Path::new(&format!("/proc/{pid}")).exists() {
            let _ = ip(&["netns", "del", &name]);
        }
    }
}

fn ip(arguments: &[&str]) -> Result<(), Failure> {
    let command = || format!("ip {}", arguments.join(" "));
    let output = Command::new("ip")
        .args(arguments)
        .output()
        .map_err(|source| Failure::system(format!("running {}", command()), source))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Failure::Command { command: command(), output: text })
}
