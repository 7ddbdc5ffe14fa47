//! How apps are stopped once a claim of a `Stop` pool cannot be believed: the kubelet's liveness and
//! startup probes of each app container are aimed at the sidecar, which asks the app's own probes.
//!
//! Invariants: from the claim's deadline on, detection, SIGTERM, grace and SIGKILL take less than the
//! shortest quarantine among the pod's Stop pools, whatever the app's own probes say; a container
//! that is started while the claim is not held, or beside a sidecar that does not answer, is killed
//! within seconds. A pod for which that cannot be had is refused. Numbers: [`timing`]. What the
//! app's own probes are, also when the pod was injected before: [`own`].

use std::sync::Arc;

use cairn_core::contract::{annotation, path};
use cairn_core::pool::{OnLoss, Pool, PoolName};
use cairn_core::request::{EnvChoice, Gate, Request, StoppedBy};
use cairn_core::stop_probe::SHORTEST_QUARANTINE;
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::patch::Patch;
use super::super::refusal::Refusal;
use super::super::sidecar_spec::recheck::covers;
use super::super::view::Spec;
use super::EnvMode;
use super::apps::Target;

mod own;
mod timing;

pub use own::AppProbeArgs;
pub(super) use own::recorded;
use timing::KubeletProbes;

/// What stops the apps of one pod whose claims are of a `Stop` pool.
pub(super) struct Stop<'p> {
    /// The pool with the shortest quarantine.
    pool: &'p Pool,
    /// Seconds that the pod gives its containers to stop.
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
        let grace = spec.termination_grace_period_seconds.unwrap_or(timing::DEFAULT_GRACE);
        Ok(Some(Self { pool: strictest, grace }))
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

    /// The own probes of the containers that are stopped, for the sidecar's arguments. `before` is
    /// what they were when the pod was injected already; `token` is for pods that were not.
    pub(super) fn app_probes(
        &self,
        targets: &[Target<'_, '_>],
        before: Option<&AppProbeArgs>,
        token: &str,
    ) -> Result<AppProbeArgs, Refusal> {
        let stopped = targets.iter().filter(|target| target.kind.has_probes());
        let read = stopped.map(|target| own::read(target, before, &self.pool.name));
        let token = before.map_or(token, |before| &before.token).to_owned();
        Ok(AppProbeArgs { containers: read.collect::<Result<_, _>>()?, token })
    }

    /// Makes sure that the kubelet asks the sidecar about a container, native sidecars included.
    pub(super) fn aim(
        &self,
        target: &Target<'_, '_>,
        probes: &AppProbeArgs,
        injected: bool,
        patch: &mut Patch,
    ) {
        let Some(own) = probes.of(&target.container.name) else { return };
        let wanted =
            KubeletProbes { quarantine: self.pool.spec.quarantine, grace: self.grace, own, probes };
        for (field, present) in fields(target) {
            let at_sidecar = present.is_none_or(own::is_at_sidecar);
            let wanted = match field {
                LIVENESS => Some(wanted.liveness()),
                STARTUP => Some(wanted.startup()),
                // A readiness probe of the app's own says enough.
                _ => wanted.readiness().filter(|_| at_sidecar),
            };
            let Some(wanted) = wanted else { continue };
            let fits = |present: &RawValue| {
                injected && own::is_rewritten(present) || says(present, &wanted)
            };
            if !present.is_some_and(fits) {
                patch.add(format!("{}/{field}", target.path), wanted);
            }
        }
    }
}

/// Puts a container's own probes back: nothing has to be stopped any more, or not by Cairn.
pub(super) fn put_back(target: &Target<'_, '_>, before: &AppProbeArgs, patch: &mut Patch) {
    let own = before.of(&target.container.name);
    for (field, present) in fields(target) {
        if !present.is_some_and(own::is_at_sidecar) {
            continue;
        }
        let own = own.and_then(|own| match field {
            LIVENESS => own.liveness.as_ref(),
            STARTUP => own.startup.as_ref(),
            _ => None,
        });
        let place = format!("{}/{field}", target.path);
        match own {
            Some(own) => patch.add(place, own.to_value()),
            None => patch.remove(place),
        }
    }
}

const LIVENESS: &str = "livenessProbe";
const STARTUP: &str = "startupProbe";
const READINESS: &str = "readinessProbe";

/// A container's probes under their names.
fn fields<'a>(target: &Target<'_, 'a>) -> [(&'static str, Option<&'a RawValue>); 3] {
    let container = target.container;
    [
        (LIVENESS, container.liveness_probe),
        (STARTUP, container.startup_probe),
        (READINESS, container.readiness_probe),
    ]
}

/// Whether a probe says what it should; the API server adds defaults.
fn says(present: &RawValue, wanted: &Value) -> bool {
    serde_json::from_str(present.get()).is_ok_and(|present: Value| covers(&present, wanted))
}
