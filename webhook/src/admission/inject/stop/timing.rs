//! The kubelet's probes of one container, as JSON.

use std::time::Duration;

use cairn_core::app_probe::AppProbes;
use cairn_core::contract::port;
use cairn_core::stop_probe::{ProbeTiming, SHORTEST_GRACE, TIMEOUT};
use serde_json::{Value, json};

use super::own::AppProbeArgs;

/// What Kubernetes gives a pod that says nothing.
pub(super) const DEFAULT_GRACE: u64 = 30;

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

// === impl KubeletProbes ===

impl KubeletProbes<'_> {
    /// Fails while the claim is withdrawn, and once the app's own threshold is reached.
    pub(super) fn liveness(&self) -> Value {
        let timing = ProbeTiming::liveness(self.quarantine);
        let own = self.own.liveness.as_ref().and_then(|own| own.termination_grace);
        let own = Duration::from_secs(own.unwrap_or(self.grace));
        let grace = timing.grace.min(own).max(SHORTEST_GRACE);
        self.stopping(port::APP_LIVEZ, ProbeTiming { grace, ..timing })
    }

    /// Passes as soon as the sidecar answers and the claim is held. The kubelet asks no liveness
    /// probe before, so the app's own startup probe cannot be waited for here.
    pub(super) fn startup(&self) -> Value {
        self.stopping(port::APP_STARTUPZ, ProbeTiming::STARTUP)
    }

    /// Passes once the app's own startup probe has; `None` where there is none.
    pub(super) fn readiness(&self) -> Option<Value> {
        self.own.startup.as_ref()?;
        Some(json!({
            "httpGet": self.get(port::APP_READYZ),
            "periodSeconds": READINESS_PERIOD,
            "timeoutSeconds": TIMEOUT.as_secs(),
        }))
    }

    /// A probe that stops the container.
    fn stopping(&self, path: &str, timing: ProbeTiming) -> Value {
        json!({
            "httpGet": self.get(path),
            "periodSeconds": timing.period.as_secs(),
            "timeoutSeconds": TIMEOUT.as_secs(),
            "failureThreshold": timing.failures,
            "terminationGracePeriodSeconds": timing.grace.as_secs(),
        })
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
