//! `cairn ui` as a process.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// A running `cairn ui`.
pub(crate) struct Server {
    process: Child,
    /// What it prints.
    pub(crate) url: String,
}

impl Server {
    pub(crate) fn start(etcd: &str) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_cairn"))
            .args(["ui", "--etcd", etcd])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Self { process, url: url.trim().to_owned() }
    }

    /// Ends the process.
    pub(crate) fn end(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}
