//! The kubelet's probes of an app container of a Stop pool: their numbers, their count, their questions.

use std::time::Duration;

use cairn_core::contract::port::{APP_LIVEZ, APP_STARTUPZ};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The sidecar answers from memory; a probe that waits longer has failed.
pub const TIMEOUT: Duration = Duration::from_secs(1);

/// When an app is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Between two probes.
    pub period: Duration,
    /// So many failures in a row, and the container is stopped.
    pub failures: u32,
    /// Between SIGTERM and SIGKILL.
    pub grace: Duration,
}

/// Which probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Until it passes once, no other is asked.
    Startup,
    /// Asked from then on.
    Liveness,
}

/// Counts failures in a row.
#[derive(Clone, Copy, Debug)]
pub struct Count {
    allowed: u32,
    failed: u32,
}

// === impl Timing ===

impl Timing {
    /// The startup probe that the webhook gives to the containers of a Stop pool (`admission::inject::stop`):
    /// an app that is started beside a sidecar that does not answer runs three seconds at most.
    pub const STARTUP: Self =
        Self { period: Duration::from_secs(1), failures: 2, grace: Duration::from_secs(1) };

    /// The numbers of the liveness probe that the webhook gives them: half of the quarantine for
    /// detection, a quarter for the grace period, the rest for the kubelet.
    pub fn within(quarantine: Duration) -> Self {
        let whole = quarantine.as_secs();
        let period = (whole / 10).clamp(1, 5);
        let failures = ((whole / 2).saturating_sub(TIMEOUT.as_secs()) / period).max(1);
        Self {
            period: Duration::from_secs(period),
            failures: u32::try_from(failures).unwrap_or(u32::MAX),
            grace: Duration::from_secs((whole / 4).clamp(1, 10)),
        }
    }
}

// === impl Count ===

impl Count {
    /// Starts with a new container.
    pub fn new(timing: Timing) -> Self {
        Self { allowed: timing.failures, failed: 0 }
    }

    /// Takes in one answer. True when the container is to be stopped.
    pub fn fails(&mut self, healthy: bool) -> bool {
        self.failed = if healthy { 0 } else { self.failed + 1 };
        self.failed >= self.allowed
    }
}

/// Asks the sidecar on this machine whether its app may go on.
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
    use super::*;

    #[test]
    fn an_app_is_stopped_by_failures_in_a_row_and_by_nothing_else() {
        let mut count = Count::new(Timing::within(Duration::from_secs(30)));
        assert!(
            [false, false, false, true, false, false, false].map(|ok| count.fails(ok))
                == [false; 7]
        );
        assert!(count.fails(false));
    }

    #[test]
    fn the_numbers_are_those_of_the_default_snowflake_pool() {
        let timing = Timing::within(Duration::from_secs(30));
        let seconds = (timing.period.as_secs(), timing.failures, timing.grace.as_secs());
        assert_eq!(seconds, (3, 4, 7));
    }
}
