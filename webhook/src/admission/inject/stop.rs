//! How apps are stopped after the deadline of a claim to a `Stop` pool: the kubelet's liveness and startup probes of
//! each app container ask the sidecar, which asks the app's own probes. The rules are in `docs/pods.md`.
//!
//! Invariants: from the claim's deadline on, detection, SIGTERM, grace period and SIGKILL take less than the shortest
//! quarantine among the pod's Stop pools, whatever the app's own probes answer. A container that starts while the claim
//! is not held, or beside a sidecar that does not answer, is killed within seconds. A pod for which this cannot be
//! guaranteed is refused. A lost session of a pod with `cairn.dev/on-loss: Stop` has no quarantine: there the same
//! probes stop an app that hangs, in as many seconds as its validity has, and at least ten. [`timing`] has the numbers,
//! and [`own`] reads the app's own probes.

use std::sync::Arc;
use std::time::Duration;

use cairn_core::contract::{annotation, path};
use cairn_core::pool::{OnLoss, Pool};
use cairn_core::request::{EnvChoice, Gate, Request, StoppedBy};
use cairn_core::stop_probe::SHORTEST_QUARANTINE;
use serde_json::Value;
use serde_json::value::RawValue;

use super::apps::Target;
use crate::admission::app_probes::AppProbeArgs;
use crate::admission::loss::Loss;
use crate::admission::patch::Patch;
use crate::admission::refusal::Refusal;
use crate::admission::sidecar_spec::recheck::covers;
use crate::env_mode::EnvMode;
use crate::view::Spec;

mod own;
mod timing;

pub(super) use timing::DEFAULT_GRACE;
use timing::KubeletProbes;

/// Below it, one probe that is not answered would stop the app: each restart of the sidecar would cost its life.
const SHORTEST_AFTER_SESSION: Duration = Duration::from_secs(10);

/// The rules for stopping the apps of one pod with a claim to a `Stop` pool, or with `cairn.dev/on-loss: Stop`.
pub(super) struct Stop {
    /// The claim on the pool with the shortest quarantine, or the session.
    loss: Loss,
    /// The app is stopped within this time.
    within: Duration,
    /// The pod's grace period, in seconds.
    grace: u64,
}

// === impl Stop ===

impl Stop {
    /// The rules for a pod; `None` if Cairn stops nothing in it.
    pub(super) fn of(
        pools: &[Arc<Pool>],
        request: &Request,
        spec: &Spec<'_>,
    ) -> Result<Option<Self>, Refusal> {
        let strictest = pools
            .iter()
            .filter(|pool| pool.spec.on_loss == OnLoss::Stop)
            .min_by_key(|pool| pool.spec.quarantine);
        let session = request.coordination.as_ref().filter(|own| own.on_loss == OnLoss::Stop);
        let (loss, within) = match (strictest, session) {
            _ if request.stop == StoppedBy::App => return Ok(None),
            (Some(pool), _) => (Loss::Claim(pool.name.clone()), pool.spec.quarantine),
            // As long again as the app may have gone on without a renewal. No quarantine protects it: the app itself
            // has to keep to its deadlines, and is stopped if it hangs.
            (None, Some(own)) => {
                (Loss::Session, own.terms.validity.span().max(SHORTEST_AFTER_SESSION))
            }
            (None, None) => return Ok(None),
        };
        if request.gate == Gate::None {
            return Err(Refusal::StopWithoutGate { loss });
        }
        if spec.host_network {
            return Err(Refusal::StopHostNetwork { loss });
        }
        if let Loss::Claim(pool) = &loss {
            let pool = pool.clone();
            if request.env == EnvChoice::Annotation {
                return Err(Refusal::StopAnnotationEnv { pool });
            }
            if within < SHORTEST_QUARANTINE {
                let least = SHORTEST_QUARANTINE;
                return Err(Refusal::StopQuarantine { pool, quarantine: within, least });
            }
        }
        let grace = spec.termination_grace_period_seconds.unwrap_or(DEFAULT_GRACE);
        Ok(Some(Self { loss, within, grace }))
    }

    /// What the app is stopped for.
    pub(super) fn loss(&self) -> &Loss {
        &self.loss
    }

    /// The mode of the pod, given the mode that it would have otherwise. Annotations outlive a claim: a stopped app
    /// would start again with an outdated name. Then the pod gets no variables.
    pub(super) fn env_mode(&self, mode: EnvMode, warnings: &mut Vec<String>) -> EnvMode {
        let Loss::Claim(pool) = &self.loss else { return mode };
        if mode != EnvMode::Annotation {
            return mode;
        }
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
    /// injected pod; `token` draws one for other pods.
    pub(super) fn app_probes(
        &self,
        targets: &[Target<'_, '_>],
        before: Option<&AppProbeArgs>,
        token: fn() -> String,
    ) -> Result<AppProbeArgs, Refusal> {
        let stopped = targets.iter().filter(|target| target.kind.has_probes());
        let read = stopped.map(|target| own::read(target, before, &self.loss));
        let token = before.map_or_else(token, |before| before.token.clone());
        let mut containers = read.collect::<Result<Vec<_>, _>>()?;
        // Another webhook may change the order of containers, and that is no reason to change the sidecar.
        containers.sort_by(|a, b| a.container.cmp(&b.container));
        Ok(AppProbeArgs { containers, token })
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
        let wanted = KubeletProbes { within: self.within, grace: self.grace, own, probes };
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

/// Restores a container's own probes, if Cairn does not stop it any more. Where it never did, a probe that asks the
/// sidecar is the author's.
pub(super) fn put_back(target: &Target<'_, '_>, before: &AppProbeArgs, patch: &mut Patch) {
    let Some(own) = before.of(&target.container.name) else { return };
    for (field, present) in fields(target) {
        if !present.is_some_and(own::is_at_sidecar) {
            continue;
        }
        let own = match field {
            LIVENESS => own.liveness.as_ref(),
            STARTUP => own.startup.as_ref(),
            _ => None,
        };
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
