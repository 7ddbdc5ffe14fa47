//! The decision about a pod: the patch, or the refusal.
//!
//! A pure function of the pod and of [`Facts`]. Every part is idempotent: an injected pod gets an empty patch. A pod
//! that another webhook changed after us gets what is missing, and fields that the sidecar needs are corrected. The
//! rules are in `docs/pods.md`.

use cairn_core::contract::{annotation, pod as names};
use cairn_core::request::Request;
use cairn_core::time::UnixMillis;
use cairn_store::ClusterId;

use super::api_types::{Secret, Volume};
use super::app_probes::{self, AppProbeArgs};
use super::membership::Membership;
use super::patch::{Patch, escape};
use super::qos;
use super::refusal::Refusal;
use super::settings::Settings;
use super::sidecar_spec::{self, Sidecar};
use crate::env_mode::EnvFacts;
use crate::namespaces::NamespaceFacts;
use crate::pools::catalog::Catalog;
use crate::view::{Container, Pod};

mod apps;
mod drain;
mod env;
mod mesh;
mod placement;
mod resolve;
mod stop;

/// The facts that a decision depends on.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The settings of sidecars.
    pub settings: &'a Settings,
    /// The etcd cluster that sidecars talk to, if it is known.
    pub etcd_cluster_id: Option<ClusterId>,
    /// The authorities that verify the agent, as an argument of the sidecar.
    pub agent_ca: &'a str,
    /// All pools.
    pub catalog: &'a Catalog,
    /// The pod's namespace.
    pub namespace: &'a str,
    /// Its labels and mesh.
    pub namespace_facts: &'a NamespaceFacts,
    /// How variables can get into app containers in this cluster.
    pub env: &'a EnvFacts,
    /// Draws a random token, for a pod that is injected for the first time and needs one.
    pub probe_token: fn() -> String,
    /// When a pod that is injected for the first time is admitted.
    pub now: UnixMillis,
}

/// The decision about an accepted pod.
#[derive(Debug, Default, PartialEq)]
pub struct Plan {
    /// The changes of the pod.
    pub patch: Patch,
    /// Warnings for the pod's author.
    pub warnings: Vec<String>,
    /// Whether the pod has a sidecar afterwards.
    pub injected: bool,
}

/// Decides about a pod at CREATE.
pub fn decide(pod: &Pod<'_>, facts: &Facts<'_>) -> Result<Plan, Refusal> {
    let mut plan = Plan::default();
    let metadata = &pod.metadata;
    strip_results(pod, &mut plan.patch);
    let annotations = metadata.annotations.iter().map(|(k, v)| (&**k, &**v));
    let labels = metadata.labels.iter().map(|(k, v)| (&**k, &**v));
    let Some(request) = Request::parse(annotations, labels)? else {
        return Ok(plan);
    };
    placement::check(&pod.spec, request.asked_by(), facts.settings.dns)?;
    plan.warnings.extend(env::old_node_warning(&pod.spec, facts.env));
    let pools = resolve::pools(&request, facts)?;
    let stop = stop::Stop::of(&pools, &request, &pod.spec)?;
    let group = resolve::group(&request, &pools, metadata, &mut plan.warnings)?;
    let mut inits = placement::init_containers(&pod.spec)?;
    let found = placement::find_ours(&inits)?.map(|(index, _)| index);
    if let Some(index) = found {
        move_before_waiting(index, pod, &mut inits, &mut plan.patch);
    }
    let ours = placement::find_ours(&inits)?;
    placement::check_volumes(&pod.spec, ours.is_some())?;
    let stopped_for = stop.as_ref().map(stop::Stop::loss);
    let targets = apps::targets(&request, stopped_for, pod, &inits)?;
    let mut mode = env::mode(&request, ours.map(|(_, container)| container), pod, facts.env)?;
    if let Some(stop) = &stop {
        mode = stop.env_mode(mode, &mut plan.warnings);
    }
    let before = ours.map(|(_, container)| app_probes::recorded(container, facts.probe_token));
    let app_probes = match &stop {
        Some(stop) => stop.app_probes(&targets, before.as_ref(), facts.probe_token)?,
        None => AppProbeArgs::default(),
    };
    let wanted = request.coordination.as_ref();
    let membership = wanted.map(|wanted| {
        Membership::new(wanted, metadata, ours.map(|(_, container)| container), facts.now)
    });
    let holds_app = drains_first(membership.as_ref(), pod, &mut plan.warnings);
    let sidecar = Sidecar {
        settings: facts.settings,
        etcd_cluster_id: facts.etcd_cluster_id,
        agent_ca: facts.agent_ca,
        request: &request,
        pools: &pools,
        group: group.as_ref(),
        namespace: facts.namespace,
        mode,
        host_network: pod.spec.host_network,
        runs_as_root: pod.spec.security_context.run_as_user == Some(0),
        qos: qos::of(&pod.spec, &inits),
        cpu_limited: qos::is_cpu_limited(&pod.spec, &inits),
        app_probes: &app_probes,
        membership: membership.as_ref(),
    };

    set_label(pod, &mut plan.patch);
    mesh::exclude_ports(pod, &inits, facts, &mut plan.patch);
    for target in &targets {
        apps::equip(target, &sidecar, &pod.spec.volumes, ours.is_some(), &mut plan.patch)?;
        match (&stop, &before) {
            (Some(stop), _) => stop.aim(target, &app_probes, ours.is_some(), &mut plan.patch),
            (None, Some(before)) => stop::put_back(target, before, &mut plan.patch),
            (None, None) => {}
        }
        if holds_app {
            drain::hold(target, &mut plan.patch);
        }
    }
    add_volumes(pod, &sidecar, &mut plan.patch);
    add_pull_secrets(pod, facts.settings, &mut plan.patch);
    match ours {
        Some((index, _)) => {
            let raw = found.and_then(|found| pod.spec.init_containers.get(found));
            let raw = raw.map(|raw| raw.get());
            let path = format!("/spec/initContainers/{index}");
            sidecar_spec::recheck::correct(raw.unwrap_or("{}"), &sidecar, &path, &mut plan.patch);
        }
        None => plan.patch.insert(
            "/spec/initContainers",
            !inits.is_empty(),
            Some(placement::index_for_ours(&inits)),
            &[sidecar.container()],
        ),
    }
    plan.injected = true;
    Ok(plan)
}

/// Moves our container before the first one that waits for a claim. From here on, indexes are those after the move.
fn move_before_waiting(from: usize, pod: &Pod<'_>, inits: &mut [Container<'_>], patch: &mut Patch) {
    let Some(to) = apps::index_before_waiting(inits, from) else { return };
    let Some(raw) = pod.spec.init_containers.get(from) else { return };
    patch.remove(format!("/spec/initContainers/{from}"));
    patch.add(format!("/spec/initContainers/{to}"), raw);
    if let Some(between) = inits.get_mut(to..=from) {
        between.rotate_right(1);
    }
}

/// Whether the app containers get SIGTERM after the drain only. Warns about a grace period that is too short for that.
fn drains_first(
    membership: Option<&Membership<'_>>,
    pod: &Pod<'_>,
    warnings: &mut Vec<String>,
) -> bool {
    let Some(membership) = membership else { return false };
    let grace = pod.spec.termination_grace_period_seconds.unwrap_or(stop::DEFAULT_GRACE);
    let fits = membership.check_grace(grace).map_err(|warning| warnings.push(warning));
    fits.is_ok() && membership.wanted.owns() && !pod.spec.host_network
}

/// Removes result annotations: only the mirror writes them, so those of a copied manifest are outdated.
fn strip_results(pod: &Pod<'_>, patch: &mut Patch) {
    for key in pod.metadata.annotations.keys() {
        if **key == *annotation::STATUS || key.starts_with(annotation::CLAIM_PREFIX) {
            patch.remove(format!("/metadata/annotations/{}", escape(key)));
        }
    }
}

fn set_label(pod: &Pod<'_>, patch: &mut Patch) {
    let labels = &pod.metadata.labels;
    if labels.get(annotation::INJECTED_LABEL).is_none_or(|value| **value != *"true") {
        let key = (annotation::INJECTED_LABEL, "true");
        patch.set_keys("/metadata/labels", !labels.is_empty(), &[key]);
    }
}

fn add_volumes(pod: &Pod<'_>, sidecar: &Sidecar<'_>, patch: &mut Patch) {
    let volumes = &pod.spec.volumes;
    let absent = |volume: &Volume| !volumes.iter().any(|present| *present.name == *volume.name);
    let missing: Vec<Volume> = sidecar.volumes().into_iter().filter(absent).collect();
    patch.append("/spec/volumes", !volumes.is_empty(), &missing);
}

/// The Secrets with which the sidecar's image is pulled, where the operator named some.
fn add_pull_secrets(pod: &Pod<'_>, settings: &Settings, patch: &mut Patch) {
    let present = &pod.spec.image_pull_secrets;
    let missing = settings.container.pull_secrets.iter();
    let missing = missing.filter(|name| !present.iter().any(|one| *one.name == ***name));
    let missing: Vec<_> = missing.map(|name| Secret { name }).collect();
    patch.append("/spec/imagePullSecrets", !present.is_empty(), &missing);
}

/// The names of our volumes.
const VOLUMES: [&str; 4] =
    [names::VOLUME, names::CREDENTIALS_VOLUME, names::TOKEN_VOLUME, names::ANNOTATIONS_VOLUME];

#[cfg(test)]
mod tests;
