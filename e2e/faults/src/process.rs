//! A child process that the kernel kills when the harness ends.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::failure::Failure;

/// A running child.
#[derive(Debug)]
pub struct Process {
    child: Child,
}

// === impl Process ===

impl Process {
    /// Starts a command. The kernel kills it when the thread that has started it ends, so that thread must live as long
    /// as the history.
    pub fn start(command: &[&str], envs: &[(&str, String)], log: &Path) -> Result<Self, Failure> {
        let failed = |source| Failure::system(format!("starting {}", command.join(" ")), source);
        let output: File =
            OpenOptions::new().create(true).append(true).open(log).map_err(failed)?;
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .args(command)
            .envs(envs.iter().map(|(key, value)| (*key, value.as_str())))
            .stdin(Stdio::null())
            .stdout(Stdio::from(output.try_clone().map_err(failed)?))
            .stderr(Stdio::from(output))
            .spawn()
            .map_err(failed)?;
        Ok(Self { child })
    }

    /// Kills it with SIGKILL.
    pub fn kill(mut self) {
        // Both fail only when the process has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends SIGSTOP: connections stay open, and nothing is answered.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Sends SIGCONT.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Its exit code once it has ended; -1 for a signal.
    pub fn ended(&mut self) -> Option<i32> {
        let status = self.child.try_wait().ok().flatten()?;
        Some(status.code().unwrap_or(-1))
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // This fails when the process has just ended.
            let _ = kill_process(pid, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
