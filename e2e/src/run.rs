//! Runs programs and keeps their output.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::{Done, Failure};

/// The result of a program.
#[derive(Debug)]
pub struct Output {
    /// Program and arguments, for messages.
    pub command: String,
    /// The exit code; `None` after a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Runs a program to its end. Its exit code may be any.
pub fn run(command: &mut Command, stdin: Option<&str>) -> Result<Output, Failure> {
    let shown = show(command);
    let started = |source| Failure::Start { program: shown.clone(), source };
    let mut child = command
        .stdin(if stdin.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(started)?;
    if let (Some(text), Some(mut pipe)) = (stdin, child.stdin.take()) {
        // The write fails when the program ends before it has read everything. Its exit code and output say why.
        let _ = pipe.write_all(text.as_bytes());
    }
    let output = child.wait_with_output().map_err(started)?;
    Ok(Output {
        command: shown,
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Runs a program that must succeed. Its standard error is passed through, because it shows progress.
pub fn watch(command: &mut Command) -> Done {
    let shown = show(command);
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .status()
        .map_err(|source| Failure::Start { program: shown.clone(), source })?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::Command {
        command: shown,
        code: status.code(),
        stderr: "see its output above".to_owned(),
    })
}

impl Output {
    /// Standard output; an error when the exit code is not 0.
    pub fn ok(self) -> Result<String, Failure> {
        if self.code == Some(0) {
            Ok(self.stdout)
        } else {
            Err(Failure::Command {
                command: self.command,
                code: self.code,
                stderr: self.stderr.trim().to_owned(),
            })
        }
    }

    /// Standard output as JSON.
    pub fn json(self) -> Result<Value, Failure> {
        let command = self.command.clone();
        let text = self.ok()?;
        serde_json::from_str(&text).map_err(|error| {
            Failure::new(format!("'{command}' did not print JSON: {error}: {text}"))
        })
    }
}

fn show(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|word| word.to_string_lossy().into_owned()));
    words.join(" ")
}
