//! How apps are stopped after the deadline of a claim to a `Stop` pool: the kubelet's liveness and startup probes of
//! each app container ask the sidecar, which asks the app's own probes. The rules are in `docs/pods.md`.
//!
//! Invariants: from the claim's deadline on, detection, SIGTERM, grace period and SIGKILL take less than the shortest
//! quarantine among the pod's Stop pools, whatever the app's own probes answer. A container that starts while the claim
//! is not held, or beside a sidecar that does not answer, is killed within seconds. A pod for which this cannot be
//! guaranteed is refused. [`timing`] has the numbers, and [`own`] reads the app's own probes.

use std::sync::Arc;

use cairn_core::contract::{annotation, path};
use cairn_core::pool::{OnLoss, Pool, PoolName};
use cairn_core::request::{EnvChoice, Gate, Request, StoppedBy};
use cairn_core::stop_probe::SHORTEST_QUARANTINE;
use serde_json::Value;
use serde_json::value::RawValue;

use super::apps::Target;
use crate::admission::app_probes::AppProbeArgs;
use crate::admission::patch::Patch;
use crate::admission::refusal::Refusal;
use crate::admission::sidecar_spec::recheck::covers;
use crate::env_mode::EnvMode;
use crate::view::Spec;

mod own;
mod timing;

use timing::KubeletProbes;

/// The rules for stopping the apps of one pod with a claim to a `Stop` pool.
pub(super) struct Stop<'p> {
    /// The pool with the shortest quarantine.
    pool: &'p Pool,
    /// The pod's grace period, in seconds.
    grace: u64,
}

// === impl Stop ===

impl<'p> Stop<'p> {
    /// The rules for a pod; `None` if Cairn stops nothing in it.
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

    /// The mode of the pod, given the mode that it would have otherwise. Annotations outlive a claim: a stopped app
    /// would start again with an outdated name. Then the pod gets no variables.
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

    /// The own probes of the containers that are stopped, for the sidecar's arguments. `before` are those of an
    /// injected pod; `token` is for other pods.
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

    /// Aims the kubelet's probes of a container, or of a native sidecar, at our sidecar.
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
                // The app's own readiness probe stays.
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

/// Restores a container's own probes, if Cairn does not stop it any more.
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
        let pointer = format!("{}/{field}", target.path);
        match own {
            Some(own) => patch.add(pointer, own.to_value()),
            None => patch.remove(pointer),
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

/// Whether a probe has the wanted fields. The API server adds defaults.
fn says(present: &RawValue, wanted: &Value) -> bool {
    serde_json::from_str(present.get()).is_ok_and(|present: Value| covers(&present, wanted))
}
