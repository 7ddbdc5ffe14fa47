//! The numbers of the kubelet's probes, in seconds and tries.

use std::time::Duration;

use cairn_core::app_probe::AppProbes;
use cairn_core::contract::port;
use serde_json::{Value, json};

use super::own::AppProbeArgs;

/// Below this the kubelet cannot detect, terminate and kill in time.
pub(super) const SHORTEST_QUARANTINE: Duration = Duration::from_secs(5);
/// What Kubernetes gives a pod that says nothing.
pub(super) const DEFAULT_GRACE: u64 = 30;

/// Kubernetes' floor for periods.
const SHORTEST: u64 = 1;
/// The kubelet gives no container less (`minimumGracePeriodInSeconds` in `kuberuntime_manager.go`).
const LEAST_GRACE: u64 = 2;
/// A slower probe would only find the loss later.
const LONGEST_PERIOD: u64 = 5;
/// An app that needs longer to stop is killed: somebody else is about to get its number.
const LONGEST_GRACE: u64 = 10;
/// The sidecar answers from memory; longer than this and it is not answering.
const TIMEOUT: u64 = 1;
/// Tries at the start of a container. With one, an app that is started beside a sidecar that does not
/// answer ran for 2.1 to 2.7 s before it got SIGTERM on a real kubelet, and right after a kill for 3.5
/// to 3.9 s: up to a second each until the kubelet sees it run, until the next period, and for the
/// timeout. Another try adds a second. A sidecar that was merely slow costs the app a restart.
const STARTUP_TRIES: u64 = 1;
/// Costs the sidecar one answer from memory; a slower one would keep an app that has started out of
/// its Services.
const READINESS_PERIOD: u64 = 2;

/// What the kubelet asks about one container.
pub(super) struct KubeletProbes<'a> {
    /// The shortest quarantine of the pod's Stop pools.
    pub(super) quarantine: Duration,
    /// Seconds that the pod gives its containers to stop.
    pub(super) grace: u64,
    /// The container's own probes.
    pub(super) own: &'a AppProbes,
    /// Those of the pod.
    pub(super) probes: &'a AppProbeArgs,
}

/// The numbers of the liveness probe.
#[derive(Debug, PartialEq, Eq)]
struct Timing {
    period: u64,
    failures: u64,
    grace: u64,
}

// === impl KubeletProbes ===

impl KubeletProbes<'_> {
    /// Fails while the claim is withdrawn, and once the app's own threshold is reached.
    pub(super) fn liveness(&self) -> Value {
        let timing = Timing::within(self.quarantine);
        let own = self.own.liveness.as_ref().and_then(|own| own.termination_grace);
        let grace = timing.grace.min(own.unwrap_or(self.grace)).max(LEAST_GRACE);
        json!({
            "httpGet": self.get(port::APP_LIVEZ),
            "periodSeconds": timing.period,
            "timeoutSeconds": TIMEOUT,
            "failureThreshold": timing.failures,
            "terminationGracePeriodSeconds": grace,
        })
    }

    /// Passes as soon as the sidecar answers and the claim is held. The kubelet asks no liveness
    /// probe before, so the app's own startup probe cannot be waited for here.
    pub(super) fn startup(&self) -> Value {
        json!({
            "httpGet": self.get(port::APP_STARTUPZ),
            "periodSeconds": SHORTEST,
            "timeoutSeconds": TIMEOUT,
            "failureThreshold": STARTUP_TRIES,
            "terminationGracePeriodSeconds": LEAST_GRACE,
        })
    }

    /// Passes once the app's own startup probe has; `None` where there is none.
    pub(super) fn readiness(&self) -> Option<Value> {
        self.own.startup.as_ref()?;
        Some(json!({
            "httpGet": self.get(port::APP_READYZ),
            "periodSeconds": READINESS_PERIOD,
            "timeoutSeconds": TIMEOUT,
        }))
    }

    fn get(&self, path: &str) -> Value {
        let mut get =
            json!({"path": format!("{path}/{}", self.own.container), "port": port::ADMIN});
        // Where the sidecar asks nothing itself, nobody has to tell it of starts.
        if self.probes.are_any()
            && let Some(get) = get.as_object_mut()
        {
            let token = json!([{"name": port::PROBE_TOKEN_HEADER, "value": self.probes.token}]);
            get.insert("httpHeaders".to_owned(), token);
        }
        get
    }
}

// === impl Timing ===

impl Timing {
    /// Half of the quarantine for detection, so that a sidecar that restarts does not cost the app
    /// its life, a quarter for the grace, the last quarter for the kubelet.
    fn within(quarantine: Duration) -> Self {
        let whole = quarantine.as_secs();
        let period = (whole / 10).clamp(SHORTEST, LONGEST_PERIOD);
        Self {
            period,
            failures: ((whole / 2).saturating_sub(TIMEOUT) / period).max(1),
            grace: (whole / 4).clamp(LEAST_GRACE, LONGEST_GRACE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_app_is_dead_before_the_quarantine_ends() {
        for whole in 5..=3600 {
            let timing = Timing::within(Duration::from_secs(whole));
            let detection = timing.period * timing.failures + TIMEOUT;
            assert!(detection + timing.grace <= whole - whole / 5, "{whole}s: {timing:?}");
            // Its start in that time, beside a sidecar that withdraws the claim or is silent.
            let started = STARTUP_TRIES * (SHORTEST + TIMEOUT) + LEAST_GRACE;
            assert!(started <= whole + SHORTEST, "{whole}s");
        }
    }

    #[test]
    fn a_default_snowflake_pool_outlives_a_short_restart_of_its_sidecar() {
        let timing = Timing::within(Duration::from_secs(30));
        assert_eq!(timing, Timing { period: 3, failures: 4, grace: 7 });
    }
}
