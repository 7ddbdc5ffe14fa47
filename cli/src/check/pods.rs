//! Pods that ask for Cairn and run without its sidecar. Pure.

use cairn_core::contract::pod as names;
use cairn_core::opt_in::ASKING;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;

use super::finding::Finding;

const ABOUT: &str = "pods";
/// More are only counted.
const SHOWN: usize = 10;

/// Collects pods page by page; a cluster may have many.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    injected: usize,
    missed: Vec<String>,
}

// === impl Survey ===

impl Survey {
    /// Looks at more pods.
    pub fn add(&mut self, pods: &[Pod]) {
        for pod in pods.iter().filter(|pod| asks(pod) && !is_over(pod)) {
            if has_sidecar(pod) {
                self.injected += 1;
            } else {
                let namespace = pod.namespace().unwrap_or_default();
                self.missed.push(format!("{namespace}/{}", pod.name_any()));
            }
        }
    }

    /// What was found.
    pub fn judge(&self) -> Vec<Finding> {
        let missed = |pod: &String| {
            Finding::problem(
                ABOUT,
                format!(
                    "{pod} asks for Cairn and runs without its sidecar; delete it, so that it is created again (pods \
                     of excluded namespaces never get one)"
                ),
            )
        };
        let mut findings: Vec<Finding> = self.missed.iter().take(SHOWN).map(missed).collect();
        let more = self.missed.len().saturating_sub(SHOWN);
        if more > 0 {
            findings
                .push(Finding::problem(ABOUT, format!("{more} more pods are without a sidecar")));
        }
        if findings.is_empty() {
            let message = match self.injected {
                0 => "no pod asks for Cairn".to_owned(),
                1 => "the one pod that asks for Cairn has its sidecar".to_owned(),
                count => format!("all {count} pods that ask for Cairn have its sidecar"),
            };
            findings.push(Finding::fine(ABOUT, message));
        }
        findings
    }
}

/// Whether a pod asks for Cairn.
pub fn asks(pod: &Pod) -> bool {
    ASKING.iter().any(|key| pod.annotations().contains_key(*key))
}

/// Whether it has a sidecar.
pub fn has_sidecar(pod: &Pod) -> bool {
    let inits = pod.spec.as_ref().and_then(|spec| spec.init_containers.as_ref());
    inits.into_iter().flatten().any(|container| container.name == names::CONTAINER)
}

fn is_over(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(name: &str, annotations: &Value, inits: &Value, phase: &str) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "shop", "annotations": annotations},
            "spec": {"containers": [], "initContainers": inits}, "status": {"phase": phase},
        }))
        .unwrap()
    }

    #[test]
    fn living_pods_without_the_sidecar_are_found() {
        let (asks, ours) = (json!({"cairn.dev/pool": "mountains"}), json!([{"name": "cairn"}]));
        let mut survey = Survey::default();
        survey.add(&[
            pod("good", &asks, &ours, "Running"),
            pod("other", &json!({}), &json!([]), "Running"),
            pod("ended", &asks, &json!([]), "Succeeded"),
        ]);
        let fine = Finding::fine("pods", "the one pod that asks for Cairn has its sidecar");
        assert_eq!(survey.judge(), [fine]);
        survey.add(&[pod("missed", &asks, &json!([{"name": "init"}]), "Pending")]);
        let found = survey.judge();
        assert_eq!(found.len(), 1);
        assert!(found[0].message.starts_with("shop/missed asks for Cairn and runs without"));
        for index in 0..SHOWN {
            survey.add(&[pod(&format!("p{index}"), &asks, &json!([]), "Running")]);
        }
        assert_eq!(survey.judge().last().unwrap().message, "1 more pods are without a sidecar");
    }
}
