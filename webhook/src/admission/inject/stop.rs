//! How an app is stopped once a claim of a `Stop` pool cannot be believed: a liveness probe on the
//! app, aimed at the sidecar.
//!
//! Invariant: from the claim's deadline on, detection, SIGTERM, grace and SIGKILL take less than the
//! shortest quarantine among the pod's Stop pools; before that nobody else gets the name.

use std::sync::Arc;
use std::time::Duration;

use cairn_core::contract::{path, port};
use cairn_core::pool::{OnLoss, Pool};
use serde_json::{Value, json};

use cairn_core::request::Gate;

use super::super::sidecar_spec::Sidecar;
use super::apps::Target;
use super::{EnvMode, Plan};

/// The kubelet's floor for periods and grace.
const SHORTEST: u64 = 1;
/// A slower probe would only find the loss later.
const LONGEST_PERIOD: u64 = 5;
/// An app that needs longer to stop is killed: somebody else is about to get its number.
const LONGEST_GRACE: u64 = 10;
/// The sidecar answers from memory; longer than this and it is not answering.
const TIMEOUT: u64 = 1;
/// Below this the kubelet cannot detect, terminate and kill in time.
const SHORTEST_QUARANTINE: Duration = Duration::from_secs(5);

/// What stops the apps of one pod.
pub(super) struct Stop<'p> {
    pool: Option<&'p Pool>,
    quarantine: Duration,
    gateless: bool,
    host_network: bool,
    /// Variables that outlive a claim: a stopped app starts again with them at once.
    stale_env: bool,
}

/// The numbers of a probe, in seconds and tries.
#[derive(Debug, PartialEq, Eq)]
struct Timing {
    period: u64,
    failures: u64,
    grace: u64,
}

// === impl Stop ===

impl<'p> Stop<'p> {
    /// What the pod's pools ask for.
    pub(super) fn of(pools: &'p [Arc<Pool>], sidecar: &Sidecar<'_>) -> Self {
        let strictest = pools
            .iter()
            .filter(|pool| pool.spec.on_loss == OnLoss::Stop)
            .min_by_key(|pool| pool.spec.quarantine);
        Self {
            pool: strictest.map(|pool| &**pool),
            quarantine: strictest.map_or(Duration::ZERO, |pool| pool.spec.quarantine),
            gateless: sidecar.request.gate == Gate::None,
            host_network: sidecar.host_network,
            stale_env: sidecar.mode == EnvMode::Annotation,
        }
    }

    /// What to say once per pod.
    pub(super) fn warnings(&self) -> Option<String> {
        let pool = &self.pool?.name;
        let watch =
            format!("let the app watch valid_until in {}/{pool}/{}", path::DIR, path::CLAIM_JSON);
        if self.host_network {
            return Some(format!(
                "Cairn: a hostNetwork app is not stopped when its claim on pool '{pool}' is lost; {watch}"
            ));
        }
        if self.gateless {
            return Some(format!(
                "Cairn: with cairn.dev/gate: none the app is not stopped when its claim on pool '{pool}' is lost; {watch}"
            ));
        }
        if self.quarantine < SHORTEST_QUARANTINE {
            return Some(format!(
                "Cairn: the quarantine of pool '{pool}' is too short to stop an app in; give it at least {}s",
                SHORTEST_QUARANTINE.as_secs()
            ));
        }
        self.stale_env.then(|| {
            format!(
                "Cairn: an app that was stopped starts again before its claim on pool '{pool}' is back; \
                 let it read {}/{pool}/{}, which is gone until then, and not the variables",
                path::DIR,
                path::NAME
            )
        })
    }

    /// Makes sure that a container is stopped, or says what is missing for it.
    pub(super) fn probe(&self, target: &Target<'_, '_>, plan: &mut Plan) {
        let Some(pool) = self.pool else { return };
        if self.host_network || self.gateless {
            return;
        }
        match target.container.liveness_probe {
            None => {
                let path = format!("{}/livenessProbe", target.path);
                plan.patch.add(path, Timing::within(self.quarantine).probe());
            }
            Some(probe) if is_ours(probe.get()) => {}
            Some(_) => plan.warnings.push(format!(
                "Cairn: container '{}' has its own livenessProbe, so it is not stopped when its claim on pool '{}' is lost; \
                 probe http://:{}{} instead, or call it from yours",
                target.container.name,
                pool.name,
                port::ADMIN,
                port::APP_LIVEZ
            )),
        }
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
            grace: (whole / 4).clamp(SHORTEST, LONGEST_GRACE),
        }
    }

    fn probe(&self) -> Value {
        json!({
            "httpGet": {"path": port::APP_LIVEZ, "port": port::ADMIN},
            "periodSeconds": self.period,
            "timeoutSeconds": TIMEOUT,
            "failureThreshold": self.failures,
            "terminationGracePeriodSeconds": self.grace,
        })
    }
}

/// Ours, or ours as Istio rewrites it to go through its agent.
fn is_ours(probe: &str) -> bool {
    let probe: Value = serde_json::from_str(probe).unwrap_or_default();
    let path = probe.pointer("/httpGet/path").and_then(Value::as_str).unwrap_or_default();
    let direct = probe.pointer("/httpGet/port").and_then(Value::as_u64) == Some(port::ADMIN.into())
        && path == port::APP_LIVEZ;
    direct || path.starts_with("/app-health/")
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
        }
    }

    #[test]
    fn a_default_snowflake_pool_outlives_a_short_restart_of_its_sidecar() {
        let timing = Timing::within(Duration::from_secs(30));
        assert_eq!(timing, Timing { period: 3, failures: 4, grace: 7 });
    }
}
