//! The kubelet's probes of an app container in a pod with a `Stop` pool: how fast they stop the app.
//!
//! The webhook writes them into pods, and the fault tests' kubelet keeps to them. The app must be dead before the
//! quarantine of its name ends. Not for: what the probes ask.

use std::time::Duration;

/// The sidecar answers from memory, so a probe that takes longer counts as not answered.
pub const TIMEOUT: Duration = Duration::from_secs(1);
/// Below this quarantine the kubelet cannot detect, terminate and kill in time.
pub const SHORTEST_QUARANTINE: Duration = Duration::from_secs(5);
/// The shortest period that Kubernetes allows.
pub const SHORTEST_PERIOD: Duration = Duration::from_secs(1);
/// The shortest grace period that the kubelet applies (`minimumGracePeriodInSeconds` in `kuberuntime_manager.go`).
pub const SHORTEST_GRACE: Duration = Duration::from_secs(2);

/// A longer period would only detect the loss later.
const LONGEST_PERIOD: u64 = 5;
/// An app that needs longer to stop is killed, because its number will soon be granted to another pod.
const LONGEST_GRACE: u64 = 10;

/// When a probe stops a container. Periods and graces are whole seconds, as in Kubernetes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeTiming {
    /// Between two probes.
    pub period: Duration,
    /// So many failures in a row, and the container is stopped.
    pub failures: u32,
    /// Between SIGTERM and SIGKILL, at most.
    pub grace: Duration,
}

// === impl ProbeTiming ===

impl ProbeTiming {
    /// The startup probe. With one failure, an app that is started beside a sidecar that does not answer ran for
    /// 2.1 to 2.7 s before it got SIGTERM on a real kubelet, and right after a kill for 3.5 to 3.9 s: up to a
    /// second each until the kubelet sees it run, until the next period, and for the timeout. Another failure
    /// adds a second. A sidecar that was merely slow costs the app a restart.
    pub const STARTUP: Self = Self { period: SHORTEST_PERIOD, failures: 1, grace: SHORTEST_GRACE };

    /// The liveness probe: half of the quarantine for detection, so that a sidecar that restarts does not cost
    /// the app its life, a quarter for the grace, the last quarter for the kubelet.
    pub fn liveness(quarantine: Duration) -> Self {
        let whole = quarantine.as_secs();
        let period = (whole / 10).clamp(SHORTEST_PERIOD.as_secs(), LONGEST_PERIOD);
        let failures = ((whole / 2).saturating_sub(TIMEOUT.as_secs()) / period).max(1);
        let grace = (whole / 4).clamp(SHORTEST_GRACE.as_secs(), LONGEST_GRACE);
        Self {
            period: Duration::from_secs(period),
            failures: u32::try_from(failures).unwrap_or(u32::MAX),
            grace: Duration::from_secs(grace),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_app_is_dead_before_the_quarantine_ends() {
        for seconds in 5..=3600 {
            let whole = Duration::from_secs(seconds);
            let timing = ProbeTiming::liveness(whole);
            let dead = timing.period * timing.failures + TIMEOUT + timing.grace;
            assert!(dead <= Duration::from_secs(seconds - seconds / 5), "{whole:?}: {timing:?}");
            // Its start in that time, beside a sidecar that withdraws the claim or is silent.
            let startup = ProbeTiming::STARTUP;
            let started = (startup.period + TIMEOUT) * startup.failures + startup.grace;
            assert!(started <= whole + SHORTEST_PERIOD, "{whole:?}");
        }
    }

    #[test]
    fn a_default_snowflake_pool_outlives_a_short_restart_of_its_sidecar() {
        let timing = ProbeTiming::liveness(Duration::from_secs(30));
        let seconds = (timing.period.as_secs(), timing.failures, timing.grace.as_secs());
        assert_eq!(seconds, (3, 4, 7));
    }
}
