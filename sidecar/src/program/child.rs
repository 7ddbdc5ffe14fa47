//! A process of the program, in a process group of its own.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitCode, ExitStatus};

use cairn_core::contract::command;
use rustix::process::{Pid, Signal, getpid, kill_process_group};
use thiserror::Error;
use tokio::process::{Child as Process, Command};
use tracing::warn;

/// This program itself, also when its file was replaced meanwhile (proc(5)).
const SELF: &str = "/proc/self/exe";
/// Shells add this to the number of the signal that ended a program.
const BY_SIGNAL: i32 = 128;

/// Why the program was not started.
#[derive(Debug, Error)]
#[error("cannot start the program")]
pub struct StartError(#[from] io::Error);

/// A running program.
#[derive(Debug)]
pub struct Child {
    process: Process,
    /// Its process group, which has its number.
    group: Option<Pid>,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended(ExitStatus);

// === impl Child ===

impl Child {
    /// Starts it with these variables besides our own. It ends when this thread's process does.
    pub fn start(
        program: &[OsString],
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, StartError> {
        let process = Command::new(SELF)
            .arg(command::TETHER)
            .arg(getpid().as_raw_nonzero().to_string())
            .arg("--")
            .args(program)
            .envs(variables)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let id = process.id().and_then(|id| i32::try_from(id).ok());
        Ok(Self { process, group: id.and_then(Pid::from_raw) })
    }

    /// Its process ID; `None` once it has ended.
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// Asks its process group to end.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Ends its process group.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Waits for its end. What it has started and left behind is ended too.
    pub async fn ended(&mut self) -> Ended {
        let status = match self.process.wait().await {
            Ok(status) => status,
            Err(error) => {
                warn!(%error, "how the program ended is not known");
                ExitStatus::from_raw(BY_SIGNAL)
            }
        };
        self.kill();
        Ended(status)
    }

    fn signal(&self, signal: Signal) {
        // It fails only when the whole group has ended.
        let _ = self.group.map(|group| kill_process_group(group, signal));
    }
}

// === impl Ended ===

impl Ended {
    /// The code with which a shell would report it.
    pub fn code(self) -> ExitCode {
        let by_signal = || self.0.signal().map(|signal| BY_SIGNAL.saturating_add(signal));
        let code = self.0.code().or_else(by_signal).unwrap_or(BY_SIGNAL);
        ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
    }
}
