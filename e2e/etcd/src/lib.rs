//! A real etcd process on loopback, for tests. It can be frozen, continued and restarted, and is killed when its handle
//! is dropped.
//!
//! The binary is the one that `e2e/cluster/cluster build etcd` makes, or the one that `CAIRN_ETCD` names. Without it a
//! test fails with a message that says how to get it. It is never skipped.
//!
//! [`TestEtcd::start`] gives a plain one, [`TestEtcd::start_secure`] one with TLS, client certificates and
//! authentication.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, io};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use thiserror::Error;

pub mod pki;
mod secure;

pub use pki::{Certificate, Pki};
pub use rcgen::Error as PkiError;

/// Another test may take a free port before etcd has bound it. Twice in a row is rare.
const START_ATTEMPTS: usize = 5;
/// How long a start may take on a busy machine when the binary is not in the page cache. Otherwise it takes a tenth of
/// a second.
const START_LIMIT: Duration = Duration::from_mins(1);
/// Milliseconds until all threads are stopped on a busy machine. Mostly it takes one.
const FREEZE_ROUNDS: u32 = 5000;

/// One running member.
#[derive(Debug)]
pub struct TestEtcd {
    dir: TempDir,
    client: String,
    listen: String,
    peer: String,
    flags: Vec<String>,
    pki: Option<Pki>,
    process: Option<Child>,
}

/// Where clients reach it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// On 127.0.0.1 alone.
    V4,
    /// On `::1`; it listens on every address.
    V6,
}

/// Why etcd does not run.
#[derive(Debug, Error)]
pub enum TestEtcdError {
    /// There is no binary.
    #[error("there is no etcd at {}; run `e2e/cluster/cluster build etcd`, or set CAIRN_ETCD", .0.display())]
    Missing(PathBuf),
    /// The process or its folder could not be created.
    #[error("could not start etcd")]
    Start(#[source] io::Error),
    /// It was not ready before the deadline, or has ended.
    #[error("etcd did not answer within {START_LIMIT:?}; its log ends with: {0}")]
    Silent(String),
    /// A certificate could not be made.
    #[error("could not make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// Authentication could not be turned on.
    #[error("could not turn authentication on: {0}")]
    Auth(String),
    /// Earlier revisions were not forgotten.
    #[error("could not compact")]
    Compact(#[source] etcd_client::Error),
    /// The member was started without certificates.
    #[error("this etcd was started without certificates; use start_secure")]
    Plain,
}

// === impl TestEtcd ===

impl TestEtcd {
    /// Starts a member with an empty store and waits until it listens.
    pub fn start() -> Result<Self, TestEtcdError> {
        Self::start_with(&[])
    }

    /// The same with additional flags of etcd.
    pub fn start_with(flags: &[&str]) -> Result<Self, TestEtcdError> {
        Self::start_attempts(flags, None, Reach::V4)
    }

    fn start_attempts(
        flags: &[&str],
        mut pki: Option<Pki>,
        reach: Reach,
    ) -> Result<Self, TestEtcdError> {
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let mut attempt = 1;
        loop {
            let mut etcd = Self::prepare(flags.clone(), pki.take(), reach)?;
            match etcd.spawn() {
                Ok(()) => return Ok(etcd),
                Err(TestEtcdError::Silent(log))
                    if attempt < START_ATTEMPTS && log.contains("address already in use") =>
                {
                    attempt += 1;
                    pki = etcd.pki.take();
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn prepare(flags: Vec<String>, pki: Option<Pki>, reach: Reach) -> Result<Self, TestEtcdError> {
        let scheme = if pki.is_some() { "https" } else { "http" };
        let address = free_address(reach)?;
        let client = format!("{scheme}://{address}");
        let listen = match reach {
            Reach::V4 => client.clone(),
            Reach::V6 => format!("{scheme}://0.0.0.0:{}", address.port()),
        };
        let peer = format!("http://{}", free_address(Reach::V4)?);
        let dir = TempDir::new().map_err(TestEtcdError::Start)?;
        let mut etcd = Self { dir, client, listen, peer, flags, pki, process: None };
        etcd.flags.extend(etcd.tls_flags()?);
        Ok(etcd)
    }

    /// The URL for clients.
    pub fn url(&self) -> &str {
        &self.client
    }

    /// Kills the process with SIGKILL. The data stays.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // Both fail only when the process has already ended.
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Kills the process and starts it again with the same data.
    pub fn restart(&mut self) -> Result<(), TestEtcdError> {
        self.kill();
        self.spawn()
    }

    /// Sends SIGSTOP and waits until it has stopped every thread: connections stay open, and nothing is answered.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
        let Some(id) = self.process.as_ref().map(Child::id) else { return };
        for _ in 0..FREEZE_ROUNDS {
            if is_stopped(id) {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Sends SIGCONT.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Forgets everything before a revision. Of a member without certificates.
    pub async fn compact(&self, revision: i64) -> Result<(), TestEtcdError> {
        let client = etcd_client::Client::connect([self.url()], None).await;
        let mut client = client.map_err(TestEtcdError::Compact)?;
        client.compact(revision, None).await.map(drop).map_err(TestEtcdError::Compact)
    }

    fn signal(&self, signal: Signal) {
        let id = self.process.as_ref().and_then(|process| i32::try_from(process.id()).ok());
        if let Some(pid) = id.and_then(Pid::from_raw) {
            let _ = kill_process(pid, signal);
        }
    }

    fn spawn(&mut self) -> Result<(), TestEtcdError> {
        let binary = binary();
        if !binary.exists() {
            return Err(TestEtcdError::Missing(binary));
        }
        let log = self.dir.path().join("log");
        let output = fs::File::create(&log).map_err(TestEtcdError::Start)?;
        let process = Command::new(&binary)
            .arg("--data-dir")
            .arg(self.dir.path().join("data"))
            .args(["--listen-client-urls", &self.listen, "--advertise-client-urls", &self.client])
            .args(["--listen-peer-urls", &self.peer, "--initial-advertise-peer-urls", &self.peer])
            .args(["--initial-cluster", &format!("default={}", self.peer)])
            // The data is not needed after the test, so etcd need not wait for the disk.
            .arg("--unsafe-no-fsync")
            .args(&self.flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output)
            .spawn()
            .map_err(TestEtcdError::Start)?;
        self.process = Some(process);
        self.wait(&log)
    }

    /// Waits until the log says that the member serves. It accepts connections earlier.
    fn wait(&mut self, log: &Path) -> Result<(), TestEtcdError> {
        #[expect(
            clippy::disallowed_methods,
            reason = "a test's timeout, not a deadline of a claim"
        )]
        let begin = Instant::now();
        loop {
            let text = fs::read_to_string(log).unwrap_or_default();
            if text.contains("ready to serve client requests") {
                return Ok(());
            }
            let ended = self
                .process
                .as_mut()
                .is_some_and(|child| child.try_wait().is_ok_and(|code| code.is_some()));
            #[expect(
                clippy::disallowed_methods,
                reason = "a test's timeout, not a deadline of a claim"
            )]
            if ended || begin.elapsed() > START_LIMIT {
                let tail: Vec<&str> = text.lines().rev().take(3).collect();
                return Err(TestEtcdError::Silent(tail.join(" | ")));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Whether every thread of a process is stopped by a signal (proc(5)): state T after the name in parentheses.
fn is_stopped(process: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    threads.map(|thread| fs::read_to_string(thread.path().join("stat"))).all(|stat| {
        let state =
            |text: &str| text.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'));
        // A thread that has ended meanwhile answers nothing.
        stat.map_or(true, |text| state(&text))
    })
}

impl Drop for TestEtcd {
    fn drop(&mut self) {
        self.thaw();
        self.kill();
    }
}

/// The path of the binary: `CAIRN_ETCD`, or the binary that the cluster tool builds.
pub fn binary() -> PathBuf {
    if let Some(path) = env::var_os("CAIRN_ETCD") {
        return path.into();
    }
    let home = env::var_os("CAIRN_HOME").map(PathBuf::from);
    let home = home.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.cairn"));
    home.join("bin/etcd")
}

/// An address with a port that is free now. The system is unlikely to give it to another process before etcd has bound
/// it.
fn free_address(reach: Reach) -> Result<SocketAddr, TestEtcdError> {
    let loopback = match reach {
        Reach::V4 => IpAddr::V4(Ipv4Addr::LOCALHOST),
        Reach::V6 => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    let listener = TcpListener::bind((loopback, 0)).map_err(TestEtcdError::Start)?;
    listener.local_addr().map_err(TestEtcdError::Start)
}
