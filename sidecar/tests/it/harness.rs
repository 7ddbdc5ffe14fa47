//! A running sidecar whose driver is the test.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once};
use std::time::Duration;

use cairn_core::claim::{ClaimState, Fence};
use cairn_core::clock::Steady;
use cairn_core::identity::Slot;
use cairn_core::lease::{EndReason, Inherited, Minting};
use cairn_core::pool::{ClockRule, OnLoss, Scope};
use cairn_core::time::UnixMillis;
use cairn_kit::clock::{Clock, SystemClock};
use cairn_kit::exit::Exit;
use cairn_kit::shutdown::{self, Trigger};
use cairn_sidecar::app;
use cairn_sidecar::args::Args;
use cairn_sidecar::claim::Deps;
use cairn_sidecar::config::Config;
use cairn_sidecar::snapshot::Snapshot;
use clap::Parser as _;
use tempfile::TempDir;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

mod http;

pub(crate) use http::{exchange, get, request, request_with, send};

/// Much longer than any step takes on a busy machine.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// A uid that owns no file.
pub(crate) const NOBODY: u32 = 65534;

/// A sidecar that runs in this process.
pub(crate) struct App {
    pub(crate) dir: Dir,
    pub(crate) api: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) snapshots: watch::Sender<Arc<Snapshot>>,
    pub(crate) trigger: Trigger,
    pub(crate) end: mpsc::Sender<EndReason>,
    /// Makes the driver ignore the shutdown.
    pub(crate) hang: Arc<AtomicBool>,
    pub(crate) running: JoinHandle<Exit>,
}

/// A directory that every uid can enter, as the volume in a pod is.
pub(crate) struct Dir(TempDir);

impl Dir {
    pub(crate) fn new() -> Self {
        restrict_umask();
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
        Self(dir)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The published directory, which the sidecar creates.
    pub(crate) fn published(&self) -> PathBuf {
        self.0.path().join("run")
    }

    pub(crate) fn read(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.published().join(name)).ok()
    }
}

impl App {
    /// Starts a sidecar for two pools, `mountains` (Keep) and `snowflake` (Stop).
    pub(crate) async fn start(flags: &[&str]) -> Self {
        Self::start_in(Dir::new(), flags).await
    }

    pub(crate) async fn start_in(dir: Dir, flags: &[&str]) -> Self {
        let published = dir.published();
        let mut argv: Vec<OsString> =
            vec!["cairn-sidecar".into(), "--dir".into(), published.into()];
        argv.extend(flags.iter().map(OsString::from));
        for (flag, value) in [
            ("--etcd", "http://127.0.0.1:1"),
            ("--pool", "mountains,snowflake"),
            ("--instance", "u"),
            ("--api", "127.0.0.1:0"),
            ("--admin", "127.0.0.1:0"),
        ] {
            if !flags.contains(&flag) {
                argv.extend([flag.into(), value.into()]);
            }
        }
        let config = Config::try_from(Args::try_parse_from(argv).unwrap().claim).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let bound = app::build(Arc::new(config), clock).await.unwrap();
        let (api, admin) = (bound.api_address().unwrap(), bound.admin_address().unwrap());
        let (starts, mut given) = mpsc::channel::<Deps>(8);
        let (end, ends) = mpsc::channel(1);
        let ends = Arc::new(Mutex::new(ends));
        let hang = Arc::new(AtomicBool::new(false));
        let hangs = Arc::clone(&hang);
        let driver = move |deps: Deps| {
            let (starts, ends, hangs) = (starts.clone(), Arc::clone(&ends), Arc::clone(&hangs));
            async move {
                let shutdown = deps.shutdown.clone();
                let _ = starts.send(deps).await;
                let mut ends = ends.lock().await;
                let stopped = async {
                    shutdown.draining().await;
                    if hangs.load(Ordering::Relaxed) {
                        std::future::pending::<()>().await;
                    }
                };
                tokio::select! {
                    Some(reason) = ends.recv() => reason,
                    () = stopped => EndReason::Released,
                }
            }
        };
        let (trigger, shutdown) = shutdown::channel();
        let running = tokio::spawn(bound.run(driver, shutdown));
        let snapshots = given.recv().await.unwrap().snapshots;
        // The publisher ends after the last sender is dropped.
        tokio::spawn(async move { while given.recv().await.is_some() {} });
        Self { dir, api, admin, snapshots, trigger, end, hang, running }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot::clone(&self.snapshots.borrow())
    }

    pub(crate) fn send(&self, snapshot: Snapshot) {
        self.snapshots.send_replace(Arc::new(snapshot));
    }

    /// Sends a snapshot with every claim held and waits until it is published.
    pub(crate) async fn hold(&self, names: [&str; 2]) -> Snapshot {
        let snapshot = held(&self.snapshot(), names);
        self.send(snapshot.clone());
        self.eventually("held", async || self.get("/v1/probe").await.0 == 200).await;
        snapshot
    }

    /// A GET over the socket.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let stream = UnixStream::connect(self.dir.published().join("cairn.sock")).await.unwrap();
        get(stream, path).await
    }

    /// A GET from the admin server.
    pub(crate) async fn admin(&self, path: &str) -> (u16, String) {
        get(TcpStream::connect(self.admin).await.unwrap(), path).await
    }

    pub(crate) async fn eventually(&self, what: &str, condition: impl AsyncFn() -> bool) {
        eventually(what, condition).await;
    }

    /// Ends the driver and waits for the end of the sidecar.
    pub(crate) async fn end(self, reason: EndReason) -> (Dir, Exit) {
        self.end.send(reason).await.unwrap();
        self.ended().await
    }

    pub(crate) async fn ended(self) -> (Dir, Exit) {
        drop(self.snapshots);
        let exit = timeout(LONGEST_WAIT, self.running).await.unwrap().unwrap();
        (self.dir, exit)
    }

    /// Ends the sidecar as SIGKILL does, without any clean-up. The lock is free when this returns.
    pub(crate) async fn kill(self) -> Dir {
        self.running.abort();
        assert!(self.running.await.unwrap_err().is_cancelled());
        // The publishing task ends with its last sender.
        drop(self.snapshots);
        let lock = std::fs::File::open(self.dir.published().join(".lock")).unwrap();
        eventually("unlocked", async || lock.try_lock().is_ok()).await;
        self.dir
    }

    /// Runs the probe as another uid.
    pub(crate) async fn probe(&self, flags: &[&str]) -> (i32, String) {
        let mut argv = vec!["probe".to_owned(), "--dir".to_owned()];
        argv.push(self.dir.published().display().to_string());
        argv.extend(flags.iter().map(|flag| (*flag).to_owned()));
        let output = tokio::task::spawn_blocking(move || run_as_nobody(&argv)).await.unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    }
}

/// Claims of `mountains` and `snowflake` with these names and a deadline in the future.
pub(crate) fn held(snapshot: &Snapshot, names: [&str; 2]) -> Snapshot {
    let mut snapshot = snapshot.clone();
    snapshot.failure = None;
    let now = SystemClock.now();
    let rules = [(OnLoss::Keep, ClockRule::None), (OnLoss::Stop, ClockRule::Reserve)];
    for ((claim, name), (on_loss, clock)) in snapshot.claims.iter_mut().zip(names).zip(rules) {
        let fence = Fence { epoch: 1, revision: 7 };
        claim.status.clock = Some(clock);
        claim.status.minting = (clock == ClockRule::Reserve).then(|| Minting {
            fence,
            node: name.parse().unwrap(),
            largest: 1023,
            layout: None,
            not_before: now.wall,
            from: now.wall,
            not_after: now.wall.after(Duration::from_secs(60)),
            steady: Steady::new(now),
        });
        claim.status.on_loss = Some(on_loss);
        claim.was_held = true;
        claim.status.identity.state = ClaimState::Held;
        claim.status.identity.reason = None;
        claim.status.identity.slot = Some(Slot {
            name: name.into(),
            index: Some(0),
            prefix: format!("shop.checkout.{name}"),
            fence,
            since: UnixMillis(0),
            valid_until: now.wall.after(Duration::from_secs(30)),
            valid_until_boottime: now.boot.after(Duration::from_secs(30)),
            not_before: None,
            not_after: None,
        });
        claim.status.mark = Some(Inherited {
            pool: claim.status.identity.pool.clone(),
            on_loss,
            scope: Scope::Namespace,
            key: name.into(),
            name: name.into(),
            index: Some(0),
            prefix: format!("shop.checkout.{name}"),
            fence,
            since: UnixMillis(0),
            incarnation: 1,
            validity_ms: 30_000,
            quarantine_ms: 15_000,
            deadline: None,
            not_before: None,
            not_after: None,
        });
    }
    snapshot
}

/// Waits for a condition.
pub(crate) async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    let end = Instant::now() + LONGEST_WAIT;
    while !condition().await {
        assert!(Instant::now() < end, "never: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// The binary under test.
pub(crate) fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cairn-sidecar"));
    command.env_clear().stdin(Stdio::null());
    command
}

fn run_as_nobody(argv: &[String]) -> Output {
    let mut command = binary();
    command.args(argv);
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.output().unwrap()
}

/// Sets the strictest umask, so that the sidecar has to set the modes of its files explicitly.
fn restrict_umask() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        rustix::process::umask(rustix::fs::Mode::from_bits_truncate(0o077));
    });
}
