//! The kubelet's probes of an app container of a Stop pool: sends them and counts failures.

use cairn_core::contract::port::{APP_LIVEZ, APP_STARTUPZ};
use cairn_core::stop_probe::{ProbeTiming, TIMEOUT};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The kind of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Runs first, until it has passed once.
    Startup,
    /// Runs after the startup probe has passed.
    Liveness,
}

/// Counts failures in a row.
#[derive(Clone, Copy, Debug)]
pub struct Count {
    allowed: u32,
    failed: u32,
}

// === impl Count ===

impl Count {
    /// Starts with a new container.
    pub fn new(timing: ProbeTiming) -> Self {
        Self { allowed: timing.failures, failed: 0 }
    }

    /// Counts one result. True when the container has to be stopped.
    pub fn fails(&mut self, healthy: bool) -> bool {
        self.failed = if healthy { 0 } else { self.failed + 1 };
        self.failed >= self.allowed
    }
}

/// Sends the probe to the sidecar on this machine.
pub async fn ask(port: u16, probe: Probe) -> bool {
    let path = match probe {
        Probe::Startup => APP_STARTUPZ,
        Probe::Liveness => APP_LIVEZ,
    };
    let answer = timeout(TIMEOUT, status(port, path)).await;
    matches!(answer, Ok(Ok(200..=399)))
}

async fn status(port: u16, path: &str) -> std::io::Result<u16> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let request = format!("GET {path}/app HTTP/1.1\r\nHost: pod\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_app_is_stopped_only_by_failures_in_a_row() {
        let mut count = Count::new(ProbeTiming::liveness(Duration::from_secs(30)));
        assert!(
            [false, false, false, true, false, false, false].map(|ok| count.fails(ok))
                == [false; 7]
        );
        assert!(count.fails(false));
    }
}
