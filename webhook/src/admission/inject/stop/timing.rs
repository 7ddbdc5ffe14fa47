//! The kubelet's probes of one container, as JSON.

use std::time::Duration;

use cairn_core::app_probe::AppProbes;
use cairn_core::contract::port;
use cairn_core::stop_probe::{ProbeTiming, SHORTEST_GRACE, TIMEOUT};
use serde_json::{Value, json};

use crate::admission::app_probes::AppProbeArgs;

/// Kubernetes' default grace period, in seconds.
pub(in super::super) const DEFAULT_GRACE: u64 = 30;

/// Seconds. The sidecar answers from memory. A longer period would keep a started app out of its Services.
const READINESS_PERIOD: u64 = 2;

/// The kubelet's probes of one container.
pub(super) struct KubeletProbes<'a> {
    /// The app is stopped within this time.
    pub(super) within: Duration,
    /// The pod's grace period, in seconds.
    pub(super) grace: u64,
    /// The container's own probes.
    pub(super) own: &'a AppProbes,
    /// The probes of all containers of the pod.
    pub(super) probes: &'a AppProbeArgs,
}

// === impl KubeletProbes ===

impl KubeletProbes<'_> {
    /// Fails while the claim is withdrawn, and once the app's own threshold is reached.
    pub(super) fn liveness(&self) -> Value {
        let timing = ProbeTiming::liveness(self.within);
        let own = self.own.liveness.as_ref().and_then(|own| own.termination_grace);
        let own = Duration::from_secs(own.unwrap_or(self.grace));
        let grace = timing.grace.min(own).max(SHORTEST_GRACE);
        self.stopping(port::APP_LIVEZ, ProbeTiming { grace, ..timing })
    }

    /// Passes once the sidecar answers and the claim is held. It does not wait for the app's own startup probe, because
    /// the kubelet runs no liveness probe before this one has passed.
    pub(super) fn startup(&self) -> Value {
        self.stopping(port::APP_STARTUPZ, ProbeTiming::STARTUP)
    }

    /// Passes once the app's own startup probe has passed; `None` if there is none.
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
        // A sidecar that asks no probes itself needs no token.
        if self.probes.are_any()
            && let Some(get) = get.as_object_mut()
        {
            let token = json!([{"name": port::PROBE_TOKEN_HEADER, "value": self.probes.token}]);
            get.insert("httpHeaders".to_owned(), token);
        }
        get
    }
}
