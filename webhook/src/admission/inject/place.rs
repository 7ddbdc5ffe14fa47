//! Whether there is a place for Cairn in the pod, and where.

use cairn_core::contract::{flag, pod as names};

use super::super::refusal::Refusal;
use super::super::view::{Container, Pairs, Spec};
use super::VOLUMES;

/// Proxies that other containers reach the network through: as native sidecars they start before us.
const MESH_PROXIES: [&str; 4] =
    ["istio-proxy", "linkerd-proxy", "kuma-sidecar", "consul-dataplane"];

/// The containers that meshes add to pods: their proxies, and what prepares the network for these.
/// None of them is an app.
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

/// Refuses pods that run where Cairn cannot.
pub(super) fn check(spec: &Spec<'_>) -> Result<(), Refusal> {
    let selects = |key: &str, value: &str| selects(&spec.node_selector, key, value);
    if *spec.os.name == *"windows"
        || selects("kubernetes.io/os", "windows")
        || selects("beta.kubernetes.io/os", "windows")
    {
        return Err(Refusal::Windows);
    }
    let tolerates_virtual =
        spec.tolerations.iter().any(|toleration| *toleration.key == *"virtual-kubelet.io/provider");
    if selects("type", "virtual-kubelet") || tolerates_virtual {
        return Err(Refusal::VirtualNode);
    }
    // An empty policy is ClusterFirst: the API server fills it in before webhooks see the pod.
    if spec.host_network && (spec.dns_policy.is_empty() || *spec.dns_policy == *"ClusterFirst") {
        return Err(Refusal::HostDns);
    }
    Ok(())
}

/// The init containers, read. One that cannot be read gets an empty name, so that indexes stay true.
pub(super) fn init_containers<'a>(spec: &Spec<'a>) -> Vec<Container<'a>> {
    spec.init_containers
        .iter()
        .map(|raw| serde_json::from_str(raw.get()).unwrap_or_default())
        .collect()
}

/// Our container, when the pod carries it already.
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

/// How many init containers stand before those that start after ours, once ours is there. Ours is one
/// of them when the pod carries it already.
pub(super) fn early_count(inits: &[Container<'_>]) -> usize {
    let ours = inits.iter().position(|container| *container.name == *names::CONTAINER);
    ours.map_or_else(|| index_for_ours(inits), |index| index + 1)
}

/// Refuses volumes that have our names and are not ours.
pub(super) fn check_volumes(spec: &Spec<'_>, injected: bool) -> Result<(), Refusal> {
    for name in VOLUMES {
        let Some(volume) = spec.volumes.iter().find(|volume| *volume.name == *name) else {
            continue;
        };
        let kind = match name {
            names::VOLUME => volume.empty_dir,
            names::TOKEN_VOLUME => volume.projected,
            _ => volume.downward_api,
        };
        if !injected || kind.is_none() {
            return Err(Refusal::VolumeTaken(name));
        }
    }
    Ok(())
}

fn is_ours(container: &Container<'_>) -> bool {
    *container.restart_policy == *"Always"
        && container.args.iter().any(|arg| **arg == *flag::IN_POD)
}

fn selects(selector: &Pairs<'_>, key: &str, value: &str) -> bool {
    selector.get(key).is_some_and(|found| **found == *value)
}
