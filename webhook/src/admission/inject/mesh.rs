//! Excludes our ports from a service mesh. Otherwise a proxy that starts later, or that requires mutual TLS from the
//! kubelet, would block the sidecar.
//!
//! A list on the pod replaces the one that it would have without: that of its namespace where the mesh reads one there,
//! or that of the mesh's own configuration. The namespace's is merged; the mesh's configuration cannot be seen here.

use std::collections::BTreeMap;

use cairn_core::contract::port;

use super::Facts;
use crate::admission::patch::Patch;
use crate::namespaces::NamespaceFacts;
use crate::view::{Container, Pairs, Pod};

struct Mesh {
    inbound: &'static str,
    outbound: &'static str,
    /// The container of its proxy.
    proxy: &'static str,
    /// Whether it puts its proxy into the pod.
    injects: fn(&Pod<'_>, &NamespaceFacts) -> bool,
}

const MESHES: [Mesh; 4] = [
    Mesh {
        inbound: "traffic.sidecar.istio.io/excludeInboundPorts",
        outbound: "traffic.sidecar.istio.io/excludeOutboundPorts",
        proxy: "istio-proxy",
        injects: in_istio,
    },
    Mesh {
        inbound: "config.linkerd.io/skip-inbound-ports",
        outbound: "config.linkerd.io/skip-outbound-ports",
        proxy: "linkerd-proxy",
        injects: in_linkerd,
    },
    Mesh {
        inbound: "traffic.kuma.io/exclude-inbound-ports",
        outbound: "traffic.kuma.io/exclude-outbound-ports",
        proxy: "kuma-sidecar",
        injects: in_kuma,
    },
    Mesh {
        inbound: "consul.hashicorp.com/transparent-proxy-exclude-inbound-ports",
        outbound: "consul.hashicorp.com/transparent-proxy-exclude-outbound-ports",
        proxy: "consul-dataplane",
        injects: in_consul,
    },
];

/// Appends our ports to the exclusions of the mesh that the pod is in, if any.
pub(super) fn exclude_ports(
    pod: &Pod<'_>,
    inits: &[Container<'_>],
    facts: &Facts<'_>,
    patch: &mut Patch,
) {
    // The pod has annotations: one of them names the pool.
    let annotations = &pod.metadata.annotations;
    let has = |name: &str| {
        let is = |container: &Container<'_>| *container.name == *name;
        pod.spec.containers.iter().chain(inits).any(is)
    };
    let namespace = facts.namespace_facts;
    let mut keys = Vec::new();
    for mesh in MESHES {
        if (mesh.injects)(pod, namespace) || has(mesh.proxy) {
            let (inherited, outbound) = (&namespace.mesh_ports, &facts.settings.outbound_ports);
            keys.extend(mesh.exclusions(annotations, inherited, outbound));
        }
    }
    patch.set_keys("/metadata/annotations", true, &keys);
}

fn in_istio(pod: &Pod<'_>, namespace: &NamespaceFacts) -> bool {
    let labels = &namespace.labels;
    match own(pod, "sidecar.istio.io/inject") {
        Some(value) => value == "true",
        None => {
            labels.get("istio-injection").is_some_and(|value| value == "enabled")
                || labels.contains_key("istio.io/rev")
                || pod.metadata.labels.contains_key("istio.io/rev")
        }
    }
}

fn in_linkerd(pod: &Pod<'_>, namespace: &NamespaceFacts) -> bool {
    match pod.metadata.annotations.get("linkerd.io/inject") {
        Some(value) => matches!(&**value, "enabled" | "ingress"),
        None => namespace.linkerd,
    }
}

fn in_kuma(pod: &Pod<'_>, namespace: &NamespaceFacts) -> bool {
    const SWITCH: &str = "kuma.io/sidecar-injection";
    let on = |value: &str| matches!(value, "enabled" | "true");
    own(pod, SWITCH).map_or_else(|| namespace.labels.get(SWITCH).is_some_and(|value| on(value)), on)
}

/// Consul may also be configured to inject into all pods. Then its proxy is in the pod when we are asked again.
fn in_consul(pod: &Pod<'_>, _: &NamespaceFacts) -> bool {
    let inject = pod.metadata.annotations.get("consul.hashicorp.com/connect-inject");
    inject.is_some_and(|value| **value == *"true")
}

/// A label of the pod, or else an annotation.
fn own<'p>(pod: &'p Pod<'_>, key: &str) -> Option<&'p str> {
    let metadata = &pod.metadata;
    metadata.labels.get(key).or_else(|| metadata.annotations.get(key)).map(|value| &**value)
}

// === impl Mesh ===

impl Mesh {
    fn exclusions(
        &self,
        annotations: &Pairs<'_>,
        inherited: &BTreeMap<String, String>,
        outbound: &[u16],
    ) -> Vec<(&'static str, String)> {
        [(self.inbound, &[port::ADMIN][..]), (self.outbound, outbound)]
            .into_iter()
            .filter_map(|(key, ports)| {
                let own = annotations.get(key).map(|value| &**value);
                let present = own.or_else(|| inherited.get(key).map(String::as_str));
                let list = with_ports(present.unwrap_or_default(), ports)?;
                Some((key, list))
            })
            .collect()
    }
}

/// The list with our ports appended; `None` if it has them all.
fn with_ports(present: &str, ports: &[u16]) -> Option<String> {
    let mut list: Vec<String> = present
        .split(',')
        .map(|entry| entry.trim().to_owned())
        .filter(|entry| !entry.is_empty())
        .collect();
    let before = list.len();
    if list.iter().any(|entry| entry == "*") {
        return None;
    }
    for port in ports.iter().map(u16::to_string) {
        if !list.contains(&port) {
            list.push(port);
        }
    }
    (list.len() > before).then(|| list.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_appended_once_and_a_star_covers_all() {
        assert_eq!(with_ports("", &[2379]).as_deref(), Some("2379"));
        assert_eq!(with_ports("80, 443", &[2379]).as_deref(), Some("80,443,2379"));
        assert_eq!(with_ports("80,2379", &[2379]), None);
        assert_eq!(with_ports("*", &[2379]), None);
    }
}
