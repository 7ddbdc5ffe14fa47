//! How an app is stopped once a claim of a `Stop` pool cannot be believed: a liveness probe on the
//! app, aimed at the sidecar.
//!
//! Invariant: from the claim's deadline on, detection, SIGTERM, grace and SIGKILL take less than the
//! shortest quarantine among the pod's Stop pools; before that nobody else gets the name.

use std::sync::Arc;
use std::time::Duration;

use cairn_core::app_probe::AppProbe;
use cairn_core::contract::{annotation, path, port};
use cairn_core::pool::{OnLoss, Pool, PoolName};
use cairn_core::request::{EnvChoice, Gate, Request, StoppedBy};
use serde_json::{Value, json};

use super::super::refusal::Refusal;
use super::super::view::Spec;
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

/// What stops the apps of one pod whose claims are of a `Stop` pool.
pub(super) struct Stop<'p> {
    /// The pool with the shortest quarantine.
    pool: &'p Pool,
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
    /// What the pod's pools ask for; `None` where nothing has to be stopped by Cairn.
    pub(super) fn of(
        pools: &'p [Arc<Pool>],
        request: &Request,
        spec: &Spec<'_>,
    ) -> Result<Option<Self>, Refusal> {
        let strictest = pools
            .iter()
            .filter(|pool| pool.spec.on_loss == OnLoss::Stop)
            .min_by_key(|pool| pool.spec.quarantine);
        let Some(strictest) = strictest.filter(|_| request.stop == StoppedBy::Sidecar) else {
            return Ok(None);
        };
        let pool = strictest.name.clone();
        if request.gate == Gate::None {
            return Err(Refusal::StopWithoutGate { pool });
        }
        if spec.host_network {
            return Err(Refusal::StopHostNetwork { pool });
        }
        if request.env == EnvChoice::Annotation {
            return Err(Refusal::StopAnnotationEnv { pool });
        }
        let quarantine = strictest.spec.quarantine;
        if quarantine < SHORTEST_QUARANTINE {
            return Err(Refusal::StopQuarantine { pool, quarantine, least: SHORTEST_QUARANTINE });
        }
        Ok(Some(Self { pool: strictest }))
    }

    /// The pool with the shortest quarantine.
    pub(super) fn pool(&self) -> &PoolName {
        &self.pool.name
    }

    /// How variables get into the pod, given how they would. Annotations outlive a claim, so an app
    /// that was stopped would start again with an old one; then there are none.
    pub(super) fn env_mode(&self, mode: EnvMode, warnings: &mut Vec<String>) -> EnvMode {
        if mode != EnvMode::Annotation {
            return mode;
        }
        let pool = &self.pool.name;
        warnings.push(format!(
            "Cairn: the app gets no CAIRN_ variables, because in this cluster they would outlive its claim on \
             pool '{pool}'; let it read {}/{pool}/{}, or set {}: self",
            path::DIR,
            path::NAME,
            annotation::STOP
        ));
        EnvMode::None
    }

    /// Makes sure that a container is stopped, or says what is missing for it.
    pub(super) fn probe(&self, target: &Target<'_, '_>, plan: &mut Plan) -> Result<(), Refusal> {
        let pool = &self.pool.name;
        match target.container.liveness_probe {
            None => {
                let path = format!("{}/livenessProbe", target.path);
                plan.patch.add(path, Timing::within(self.pool.spec.quarantine).probe());
            }
            Some(probe) if is_ours(probe.get()) => {}
            Some(probe) => {
                AppProbe::parse(probe.get(), |_| Some(1)).map_err(|error| Refusal::StopProbe {
                    container: target.container.name.to_string(),
                    probe: "livenessProbe",
                    error,
                    pool: pool.clone(),
                })?;
                plan.warnings.push(format!(
                    "Cairn: container '{}' has its own livenessProbe, so it is not stopped when its claim on pool \
                     '{pool}' is lost; probe http://:{}{} instead, or call it from yours",
                    target.container.name,
                    port::ADMIN,
                    port::APP_LIVEZ
                ));
            }
        }
        Ok(())
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
