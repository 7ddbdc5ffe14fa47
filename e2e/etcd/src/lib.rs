//! A real etcd process on loopback, for tests: started, frozen, thawed, restarted, gone with its
//! handle.
//!
//! The binary is the one that `e2e/cluster/cluster build etcd` makes, or the one that `CAIRN_ETCD`
//! names. A test without it fails and says how to get it; it is never skipped.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, io};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use thiserror::Error;

/// A free port may be taken by a test beside this one before etcd has bound it; twice in a row is rare.
const START_ATTEMPTS: usize = 5;
/// A cold binary on a busy machine; a warm one takes a tenth of a second.
const START_LIMIT: Duration = Duration::from_mins(1);

/// One member.
#[derive(Debug)]
pub struct TestEtcd {
    dir: TempDir,
    client: String,
    peer: String,
    flags: Vec<String>,
    process: Option<Child>,
}

/// Why there is no etcd.
#[derive(Debug, Error)]
pub enum TestEtcdError {
    /// No binary.
    #[error("there is no etcd at {}; run `e2e/cluster/cluster build etcd`, or set CAIRN_ETCD", .0.display())]
    Missing(PathBuf),
    /// The process could not be started, or its folder not be made.
    #[error("could not start etcd")]
    Start(#[source] io::Error),
    /// It does not listen.
    #[error("etcd did not answer within {START_LIMIT:?}; its log ends with: {0}")]
    Silent(String),
}

// === impl TestEtcd ===

impl TestEtcd {
    /// Starts a member with an empty store and waits until it listens.
    pub fn start() -> Result<Self, TestEtcdError> {
        Self::start_with(&[])
    }

    /// The same with flags of etcd's own.
    pub fn start_with(flags: &[&str]) -> Result<Self, TestEtcdError> {
        for _ in 1..START_ATTEMPTS {
            match Self::start_once(flags) {
                Err(TestEtcdError::Silent(log)) if log.contains("address already in use") => {}
                outcome => return outcome,
            }
        }
        Self::start_once(flags)
    }

    fn start_once(flags: &[&str]) -> Result<Self, TestEtcdError> {
        let (client, peer) = (free_url()?, free_url()?);
        let dir = TempDir::new().map_err(TestEtcdError::Start)?;
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let mut etcd = Self { dir, client, peer, flags, process: None };
        etcd.spawn()?;
        Ok(etcd)
    }

    /// The URL for clients.
    pub fn url(&self) -> &str {
        &self.client
    }

    /// Kills the process as a crash would; the data stays.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // Both fail only when the process is gone already, which is what is wanted.
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Starts it again on the same data.
    pub fn restart(&mut self) -> Result<(), TestEtcdError> {
        self.kill();
        self.spawn()
    }

    /// Stops the process without ending it: connections stay open, nothing is answered.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets a frozen process go on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
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
            .args(["--listen-client-urls", &self.client, "--advertise-client-urls", &self.client])
            .args(["--listen-peer-urls", &self.peer, "--initial-advertise-peer-urls", &self.peer])
            .args(["--initial-cluster", &format!("default={}", self.peer)])
            // The data lives as long as the test: nothing is gained by waiting for the disk.
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

    /// Waits until the log says so: a port that accepts is not yet a member that serves.
    fn wait(&mut self, log: &Path) -> Result<(), TestEtcdError> {
        #[expect(clippy::disallowed_methods, reason = "a test's own patience, not a deadline")]
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
            #[expect(clippy::disallowed_methods, reason = "a test's own patience, not a deadline")]
            if ended || begin.elapsed() > START_LIMIT {
                let tail: Vec<&str> = text.lines().rev().take(3).collect();
                return Err(TestEtcdError::Silent(tail.join(" | ")));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for TestEtcd {
    fn drop(&mut self) {
        self.thaw();
        self.kill();
    }
}

/// The binary: what `CAIRN_ETCD` names, or what the cluster tool has built.
pub fn binary() -> PathBuf {
    if let Some(path) = env::var_os("CAIRN_ETCD") {
        return path.into();
    }
    let home = env::var_os("CAIRN_HOME").map(PathBuf::from);
    let home = home.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.cairn"));
    home.join("bin/etcd")
}

/// The system picks a free port; between here and etcd's start nobody else is likely to be given it.
fn free_url() -> Result<String, TestEtcdError> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(TestEtcdError::Start)?;
    let address = listener.local_addr().map_err(TestEtcdError::Start)?;
    Ok(format!("http://{address}"))
}
