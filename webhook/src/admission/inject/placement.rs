//! Whether Cairn can run in the pod, and the index of our container.

use cairn_core::contract::{flag, pod as names};
use serde_json::value::RawValue;

use super::{VOLUMES, apps};
use crate::admission::refusal::Refusal;
use crate::view::object::Object;
use crate::view::{Container, Pairs, Spec};

/// Proxies that connect other containers to the network. As native sidecars they start before our container.
const MESH_PROXIES: [&str; 4] =
    ["istio-proxy", "linkerd-proxy", "kuma-sidecar", "consul-dataplane"];

/// The containers that meshes add to pods: proxies and their init containers. They get no identity.
pub(super) const MESH_CONTAINERS: [&str; 11] = [
    "istio-proxy",
    "istio-init",
    "istio-validation",
    "linkerd-proxy",
    "linkerd-init",
    "linkerd-network-validator",
    "kuma-sidecar",
    "kuma-init",
    "kuma-validation",
    "consul-dataplane",
    "consul-connect-inject-init",
];

/// Refuses pods that run where Cairn cannot. `asked_by` is the annotation with which they ask.
pub(super) fn check(spec: &Spec<'_>, asked_by: &'static str) -> Result<(), Refusal> {
    let selects = |key: &str, value: &str| selects(&spec.node_selector, key, value);
    if *spec.os.name == *"windows"
        || selects("kubernetes.io/os", "windows")
        || selects("beta.kubernetes.io/os", "windows")
    {
        return Err(Refusal::Windows(asked_by));
    }
    let tolerates_virtual =
        spec.tolerations.iter().any(|toleration| *toleration.key == *"virtual-kubelet.io/provider");
    if selects("type", "virtual-kubelet") || tolerates_virtual {
        return Err(Refusal::VirtualNode(asked_by));
    }
    // An empty policy means ClusterFirst, which the API server sets before it calls webhooks.
    if spec.host_network && (spec.dns_policy.is_empty() || *spec.dns_policy == *"ClusterFirst") {
        return Err(Refusal::HostDns);
    }
    Ok(())
}

/// Parses the init containers.
pub(super) fn init_containers<'a>(spec: &Spec<'a>) -> Result<Vec<Container<'a>>, Refusal> {
    let read = |raw: &&'a RawValue| serde_json::from_str(raw.get()).map(|Object(read)| read);
    let all: Result<_, serde_json::Error> = spec.init_containers.iter().map(read).collect();
    all.map_err(|error| Refusal::InitContainer(error.to_string()))
}

/// Where our container at this index must go, because one before it waits for a claim: another webhook has changed the
/// order, and the pod would never start.
pub(super) fn index_before_waiting(inits: &[Container<'_>], ours: usize) -> Option<usize> {
    inits.iter().take(ours).position(apps::waits_for_claim)
}

/// Our container with its index, if the pod has it already.
pub(super) fn find_ours<'c, 'a>(
    inits: &'c [Container<'a>],
) -> Result<Option<(usize, &'c Container<'a>)>, Refusal> {
    let found =
        inits.iter().enumerate().find(|(_, container)| *container.name == *names::CONTAINER);
    match found {
        Some((_, container)) if !is_ours(container) => {
            Err(Refusal::ContainerTaken(names::CONTAINER))
        }
        found => Ok(found),
    }
}

/// The index at which our container goes: after the last native mesh proxy, otherwise first.
pub(super) fn index_for_ours(inits: &[Container<'_>]) -> usize {
    inits
        .iter()
        .rposition(|container| {
            *container.restart_policy == *"Always" && MESH_PROXIES.contains(&&*container.name)
        })
        .map_or(0, |index| index + 1)
}

/// The number of init containers that start before the containers with an identity. It counts ours if the pod has it.
pub(super) fn early_count(inits: &[Container<'_>]) -> usize {
    let ours = inits.iter().position(|container| *container.name == *names::CONTAINER);
    ours.map_or_else(|| index_for_ours(inits), |index| index + 1)
}

/// Refuses foreign volumes with our names.
pub(super) fn check_volumes(spec: &Spec<'_>, injected: bool) -> Result<(), Refusal> {
    for name in VOLUMES {
        let Some(volume) = spec.volumes.iter().find(|volume| *volume.name == *name) else {
            continue;
        };
        let kind = match name {
            names::VOLUME | names::CREDENTIALS_VOLUME => volume.empty_dir,
            names::TOKEN_VOLUME => volume.projected,
            _ => volume.downward_api,
        };
        if !injected || kind.is_none() {
            return Err(Refusal::VolumeTaken(name));
        }
    }
    Ok(())
}

/// Its `restartPolicy` is corrected: another webhook drops it when its library is older than native sidecars.
fn is_ours(container: &Container<'_>) -> bool {
    container.args.iter().any(|arg| **arg == *flag::IN_POD)
}

fn selects(selector: &Pairs<'_>, key: &str, value: &str) -> bool {
    selector.get(key).is_some_and(|found| **found == *value)
}
