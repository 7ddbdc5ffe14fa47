//! Becomes another program that ends with its parent: the kernel sends it SIGKILL when the parent has ended
//! (`PR_SET_PDEATHSIG`, prctl(2), which execve(2) keeps). `cairn-sidecar run` starts its program through this.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
use thiserror::Error;

/// Why this process did not become the program.
#[derive(Debug, Error)]
pub enum TetherError {
    /// The parent ended before the kernel watched it.
    #[error("the process that started this one has ended")]
    Orphan,
    /// The kernel does not watch the parent.
    #[error("cannot be tied to the parent's life")]
    Watch(#[source] rustix::io::Errno),
    /// There is no such program, or it cannot be started.
    #[error("cannot start '{0}'")]
    Program(String, #[source] io::Error),
}

/// Becomes the program. Returns only if that fails.
pub fn become_program(parent: u32, program: &[OsString]) -> TetherError {
    if let Err(errno) = set_parent_process_death_signal(Some(Signal::KILL)) {
        return TetherError::Watch(errno);
    }
    // A parent that ended before that call sends no signal.
    let present = getppid().map(Pid::as_raw_nonzero).and_then(|id| u32::try_from(id.get()).ok());
    if present != Some(parent) {
        return TetherError::Orphan;
    }
    let (name, arguments) = program.split_first().unwrap_or((const { &OsString::new() }, &[]));
    let error = Command::new(name).args(arguments).exec();
    TetherError::Program(name.to_string_lossy().into_owned(), error)
}
