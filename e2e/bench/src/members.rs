//! An etcd of one member or several, on loopback, with fsync.
//!
//! Unlike the etcd of the tests these members wait for the disk, because the cost of a Raft entry is measured. All
//! members share one machine, so three are slower than on three machines.

use std::fs::File;
use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cairn_test_etcd::{Pki, PkiError};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use thiserror::Error;
use tokio::time::{sleep, timeout};

use crate::http::{self, HttpError};

mod sample;

pub use sample::{Requests, Sample};

/// How long a start with an election may take on a busy machine when the binary is not in the page cache.
const START_LIMIT: Duration = Duration::from_mins(1);

/// Between two looks at a member that starts or ends.
const LOOK: Duration = Duration::from_millis(20);

/// Running members. They are killed when this is dropped.
#[derive(Debug)]
pub struct Members {
    /// The parent of the data directories; removed after the processes have ended.
    dir: TempDir,
    addresses: Vec<String>,
    /// Where metrics and health are read, without a certificate.
    pages: Vec<String>,
    /// The authority of members that ask for certificates.
    pki: Option<Pki>,
    processes: Vec<Child>,
    /// The arguments of each.
    arguments: Vec<Vec<String>>,
}

/// Why etcd does not run.
#[derive(Debug, Error)]
pub enum MembersError {
    /// There is no binary.
    #[error("there is no etcd at {}; run `e2e/cluster/cluster build etcd`, or set CAIRN_ETCD", .0.display())]
    Missing(PathBuf),
    /// A process or its folder could not be created.
    #[error("could not start etcd")]
    Start(#[source] io::Error),
    /// It was not healthy before the deadline.
    #[error("etcd was not healthy within {START_LIMIT:?}")]
    Silent,
    /// A certificate could not be made.
    #[error("could not make a certificate")]
    Certificate(#[from] PkiError),
    /// A page could not be read.
    #[error("could not read etcd's metrics or version")]
    Page(#[from] HttpError),
}

// === impl Members ===

impl Members {
    /// Starts `count` members with an empty store and waits until they are healthy.
    pub async fn start(count: usize) -> Result<Self, MembersError> {
        Self::start_with(count, None).await
    }

    /// The same, but members ask clients for certificates of this authority.
    pub async fn start_secure(count: usize, pki: Pki) -> Result<Self, MembersError> {
        Self::start_with(count, Some(pki)).await
    }

    async fn start_with(count: usize, pki: Option<Pki>) -> Result<Self, MembersError> {
        let binary = cairn_test_etcd::binary();
        if !binary.exists() {
            return Err(MembersError::Missing(binary));
        }
        let dir = TempDir::new().map_err(MembersError::Start)?;
        let clients = free_addresses(count).map_err(MembersError::Start)?;
        let peers = free_addresses(count).map_err(MembersError::Start)?;
        let named = peers.iter().enumerate();
        let cluster: Vec<_> = named.map(|(n, peer)| format!("m{n}=http://{peer}")).collect();
        let (scheme, pages) = match &pki {
            Some(_) => ("https", free_addresses(count).map_err(MembersError::Start)?),
            None => ("http", clients.clone()),
        };
        let security = security(pki.as_ref(), &dir)?;
        let addresses = clients.clone();
        let (processes, arguments) = (Vec::new(), Vec::new());
        let mut members = Self { dir, addresses, pages, pki, processes, arguments };
        for (number, (client, peer)) in clients.iter().zip(&peers).enumerate() {
            let name = format!("m{number}");
            let (client, peer) = (format!("{scheme}://{client}"), format!("http://{peer}"));
            let home = members.dir.path().join(&name);
            let page = members.pages.get(number).filter(|_| !security.is_empty());
            let page = page.map(|page| format!("--listen-metrics-urls=http://{page}"));
            let arguments = [
                format!("--name={name}"),
                format!("--initial-cluster={}", cluster.join(",")),
                format!("--data-dir={}", home.display()),
                format!("--listen-client-urls={client}"),
                format!("--advertise-client-urls={client}"),
                format!("--listen-peer-urls={peer}"),
                format!("--initial-advertise-peer-urls={peer}"),
            ];
            let arguments: Vec<String> =
                arguments.into_iter().chain(security.clone()).chain(page).collect();
            members.processes.push(members.spawn(number, &arguments)?);
            members.arguments.push(arguments);
        }
        timeout(START_LIMIT, members.healthy()).await.map_err(|_| MembersError::Silent)?;
        Ok(members)
    }

    /// Ends a member as a rollout does, starts it again on its data, and waits until it is healthy.
    pub async fn restart(&mut self, number: usize) -> Result<(), MembersError> {
        let Some(process) = self.processes.get_mut(number) else { return Ok(()) };
        if let Some(pid) = i32::try_from(process.id()).ok().and_then(Pid::from_raw) {
            kill_process(pid, Signal::TERM).map_err(|errno| MembersError::Start(errno.into()))?;
        }
        while process.try_wait().map_err(MembersError::Start)?.is_none() {
            sleep(LOOK).await;
        }
        let arguments = self.arguments.get(number).cloned().unwrap_or_default();
        let process = self.spawn(number, &arguments)?;
        if let Some(former) = self.processes.get_mut(number) {
            *former = process;
        }
        timeout(START_LIMIT, self.healthy()).await.map_err(|_| MembersError::Silent)
    }

    fn spawn(&self, number: usize, arguments: &[String]) -> Result<Child, MembersError> {
        let log = self.dir.path().join(format!("m{number}.log"));
        let log = File::options().create(true).append(true).open(log);
        Command::new(cairn_test_etcd::binary())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.map_err(MembersError::Start)?)
            .spawn()
            .map_err(MembersError::Start)
    }

    /// The processes.
    pub fn processes(&self) -> Vec<u32> {
        self.processes.iter().map(Child::id).collect()
    }

    /// The number of members.
    pub fn count(&self) -> usize {
        self.processes.len()
    }

    /// The members' URLs for clients.
    pub fn urls(&self) -> Vec<String> {
        let scheme = if self.pki.is_some() { "https" } else { "http" };
        self.addresses.iter().map(|address| format!("{scheme}://{address}")).collect()
    }

    /// The authority of members that ask for certificates.
    pub fn pki(&self) -> Option<&Pki> {
        self.pki.as_ref()
    }

    /// Reads the members' counters.
    ///
    /// Entries are `etcd_server_proposals_committed_total`: everything that went through Raft, a failed compare as well
    /// as a put, a lease as well as a key. `etcd_mvcc_put_total` would count the keys of a transaction one by one, and
    /// no leases. The leader counts an entry before it answers the request. So the largest count of all members is
    /// exact once all requests are answered.
    pub async fn sample(&self) -> Result<Sample, MembersError> {
        let mut sum = Sample::default();
        for address in &self.pages {
            sum.add(&http::get(address, "/metrics").await?);
        }
        Ok(sum)
    }

    /// The version of the first member; `unknown` when it cannot be read.
    pub async fn version(&self) -> String {
        let Some(address) = self.addresses.first() else { return String::new() };
        let page = http::get(address, "/version").await.unwrap_or_default();
        let page: Value = serde_json::from_str(&page).unwrap_or_default();
        page.get("etcdserver").and_then(Value::as_str).unwrap_or("unknown").to_owned()
    }

    async fn healthy(&self) {
        for address in &self.pages {
            let well = |page: String| page.contains(r#""health":"true""#);
            while !http::get(address, "/health").await.is_ok_and(well) {
                sleep(LOOK).await;
            }
        }
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        for process in &mut self.processes {
            // Both fail only when the process has already ended.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// The flags of members that ask for certificates.
fn security(pki: Option<&Pki>, dir: &TempDir) -> Result<Vec<String>, MembersError> {
    let Some(pki) = pki else {
        return Ok(Vec::new());
    };
    let files = pki.member(&["127.0.0.1"])?.write(dir.path(), "member");
    let files = files.map_err(MembersError::Start)?;
    Ok(vec![
        "--client-cert-auth".to_owned(),
        format!("--trusted-ca-file={}", files.authorities.display()),
        format!("--cert-file={}", files.chain.display()),
        format!("--key-file={}", files.key.display()),
        // It would connect with the member's own certificate.
        "--enable-grpc-gateway=false".to_owned(),
        // As the chart does: the clients' port serves gRPC alone.
        "--listen-client-http-urls=https://127.0.0.1:0".to_owned(),
    ])
}

/// Addresses with ports that are free now. All listeners stay open until all ports are known, so that the ports differ.
fn free_addresses(count: usize) -> io::Result<Vec<String>> {
    let listeners: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<io::Result<_>>()?;
    listeners.iter().map(|listener| Ok(listener.local_addr()?.to_string())).collect()
}
