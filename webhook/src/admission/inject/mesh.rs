//! Excludes our ports from a service mesh. Otherwise a proxy that starts later, or that requires mutual TLS from the
//! kubelet, would block the sidecar.

use cairn_core::contract::port;
use serde_json::{Value, json};

use super::Facts;
use crate::admission::patch::Patch;
use crate::view::{Container, Pairs, Pod};

struct Mesh {
    inbound: &'static str,
    outbound: &'static str,
}

const ISTIO: Mesh = Mesh {
    inbound: "traffic.sidecar.istio.io/excludeInboundPorts",
    outbound: "traffic.sidecar.istio.io/excludeOutboundPorts",
};

const LINKERD: Mesh = Mesh {
    inbound: "config.linkerd.io/skip-inbound-ports",
    outbound: "config.linkerd.io/skip-outbound-ports",
};

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
    let mut keys = Vec::new();
    if in_istio(pod, facts) || has("istio-proxy") {
        keys.extend(ISTIO.exclusions(annotations, &facts.settings.outbound_ports));
    }
    if in_linkerd(pod, facts) || has("linkerd-proxy") {
        keys.extend(LINKERD.exclusions(annotations, &facts.settings.outbound_ports));
    }
    patch.set_keys("/metadata/annotations", true, keys);
}

fn in_istio(pod: &Pod<'_>, facts: &Facts<'_>) -> bool {
    const SWITCH: &str = "sidecar.istio.io/inject";
    let metadata = &pod.metadata;
    let own = metadata.labels.get(SWITCH).or_else(|| metadata.annotations.get(SWITCH));
    if let Some(value) = own {
        return **value == *"true";
    }
    let labels = &facts.namespace_facts.labels;
    labels.get("istio-injection").is_some_and(|value| value == "enabled")
        || labels.contains_key("istio.io/rev")
        || metadata.labels.contains_key("istio.io/rev")
}

fn in_linkerd(pod: &Pod<'_>, facts: &Facts<'_>) -> bool {
    match pod.metadata.annotations.get("linkerd.io/inject") {
        Some(value) => matches!(&**value, "enabled" | "ingress"),
        None => facts.namespace_facts.linkerd,
    }
}

// === impl Mesh ===

impl Mesh {
    fn exclusions(&self, annotations: &Pairs<'_>, outbound: &[u16]) -> Vec<(String, Value)> {
        [(self.inbound, &[port::ADMIN][..]), (self.outbound, outbound)]
            .into_iter()
            .filter_map(|(key, ports)| {
                let present = annotations.get(key).map(|value| &**value).unwrap_or_default();
                let list = with_ports(present, ports)?;
                Some((key.to_owned(), json!(list)))
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
