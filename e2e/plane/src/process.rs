//! A child process with a log, killed when it is dropped.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, thread};

use crate::failure::Failure;

/// Longer than any start on a busy machine.
pub const LIMIT: Duration = Duration::from_mins(3);

/// The time between two looks.
const LOOK: Duration = Duration::from_millis(100);

/// A running process.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
}

// === impl Process ===

impl Process {
    /// Starts a command whose output goes to `log`.
    pub fn start(command: &mut Command, log: PathBuf) -> Result<Self, Failure> {
        let program = command.get_program().to_string_lossy().into_owned();
        let failed = |what: &str| Failure::io(format!("{what} {program}"));
        let output = File::create(&log).map_err(failed("create the log of"))?;
        let errors = output.try_clone().map_err(failed("share the log of"))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .map_err(failed("start"))?;
        Ok(Self { child, log })
    }

    /// Waits until `done`, as long as the process runs.
    pub fn wait(&mut self, what: &str, mut done: impl FnMut() -> bool) -> Result<(), Failure> {
        let ended = || Failure::Late { what: what.to_owned(), log: tail(&self.log) };
        let mut alive = || self.child.try_wait().is_ok_and(|code| code.is_none());
        if until(|| !alive() || done()) && alive() { Ok(()) } else { Err(ended()) }
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        // Both fail only when the process has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits until a condition holds; false when [`LIMIT`] has passed.
pub fn until(mut holds: impl FnMut() -> bool) -> bool {
    #[expect(clippy::disallowed_methods, reason = "a test's timeout, not a deadline of a claim")]
    let begun = Instant::now();
    loop {
        if holds() {
            return true;
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "a test's timeout, not a deadline of a claim"
        )]
        if begun.elapsed() > LIMIT {
            return false;
        }
        thread::sleep(LOOK);
    }
}

/// Runs a command to its end and returns what it printed.
pub fn run(command: &mut Command) -> Result<String, Failure> {
    let program = format!("{command:?}");
    let output = command.output().map_err(Failure::io(format!("run {program}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Failure::Program { program, message })
}

/// A program of `.cairn/bin`.
pub fn tool(name: &str, how: &'static str) -> Result<PathBuf, Failure> {
    let home = env::var_os("CAIRN_HOME").map(PathBuf::from);
    present(home.unwrap_or_else(|| repository().join(".cairn")).join("bin").join(name), how)
}

/// A program of this workspace, as `cargo build` or `cargo build --release` makes it: the profile of this test.
pub fn built(name: &str, how: &'static str) -> Result<PathBuf, Failure> {
    let own = env::current_exe().map_err(Failure::io("find this program"))?;
    let dir = own.ancestors().find(|dir| dir.ends_with("debug") || dir.ends_with("release"));
    present(dir.unwrap_or(&own).join(name), how)
}

fn present(path: PathBuf, how: &'static str) -> Result<PathBuf, Failure> {
    if path.exists() { Ok(path) } else { Err(Failure::Missing { path, how }) }
}

/// The folder of this repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A port that is free now. The system is unlikely to give it to another process soon.
pub fn free_port() -> Result<u16, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(Failure::io("find a free port"))?;
    Ok(listener.local_addr().map_err(Failure::io("find a free port"))?.port())
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(8).collect();
    let lines: Vec<&str> = lines.into_iter().rev().collect();
    format!("its log ends with: {}", lines.join(" | "))
}
