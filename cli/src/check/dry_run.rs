//! Admission as a user's pod meets it: a dry run of a pod that opts in, by the API server. Nothing is created.

use cairn_core::contract::annotation;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, PostParams};
use serde_json::json;

use super::finding::Finding;
use super::pods::has_sidecar;
use crate::cluster::words;

const ABOUT: &str = "admission";
/// The API server's words about a webhook that it cannot ask.
const NOT_ASKED: &str = "failed calling webhook";

/// Tries it with a pool in a namespace.
pub async fn check(client: &Client, namespace: &str, pool: &str) -> Finding {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let params = PostParams { dry_run: true, ..PostParams::default() };
    let pod = match serde_json::from_value(pod(pool)) {
        Ok(pod) => pod,
        Err(error) => return Finding::unknown(ABOUT, error.to_string()),
    };
    match pods.create(&params, &pod).await {
        Ok(pod) => admitted(&pod, namespace, pool),
        Err(kube::Error::Api(status)) => refused(&status.message, namespace),
        Err(error) => {
            Finding::unknown(ABOUT, format!("the dry run of a pod failed: {}", words(&error)))
        }
    }
}

fn admitted(pod: &Pod, namespace: &str, pool: &str) -> Finding {
    if has_sidecar(pod) {
        return Finding::fine(
            ABOUT,
            format!(
                "a pod of namespace '{namespace}' that asks for pool '{pool}' gets its sidecar (dry run)"
            ),
        );
    }
    Finding::problem(
        ABOUT,
        format!(
            "a pod of namespace '{namespace}' that asks for pool '{pool}' gets no sidecar (dry run); see whether the \
             namespace is one of the chart's excludedNamespaces, and whether the webhook configuration is there: \
             kubectl get mutatingwebhookconfigurations"
        ),
    )
}

fn refused(message: &str, namespace: &str) -> Finding {
    if message.contains(NOT_ASKED) {
        return Finding::problem(
            ABOUT,
            format!(
                "the API server cannot ask the webhook: {message}; see whether its pods are ready, and whether the \
                 control plane reaches their port"
            ),
        );
    }
    Finding::unknown(
        ABOUT,
        format!(
            "the dry run of a pod in namespace '{namespace}' was refused: {message}; try another one with -n"
        ),
    )
}

/// It meets the Pod Security standard `restricted` and has requests and limits for quotas.
fn pod(pool: &str) -> serde_json::Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "cairn-check-", "annotations": {annotation::POOL: pool}},
        "spec": {
            "automountServiceAccountToken": false,
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [{
                "name": "app",
                "image": "never-run",
                "resources": {
                    "requests": {"cpu": "10m", "memory": "16Mi"},
                    "limits": {"cpu": "10m", "memory": "16Mi"},
                },
                "securityContext": {
                    "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
                },
            }],
        },
    })
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn only_a_pod_with_the_sidecar_is_fine() {
        let with = |inits: serde_json::Value| {
            let mut pod = pod("mountains");
            pod["spec"]["initContainers"] = inits;
            admitted(&serde_json::from_value(pod).unwrap(), "shop", "mountains").level
        };
        assert_eq!(with(json!([{"name": "cairn"}])), Level::Fine);
        assert_eq!(with(json!([])), Level::Problem);
    }

    #[test]
    fn a_webhook_that_cannot_be_asked_is_a_problem_and_a_quota_is_none() {
        let down =
            r#"Internal error occurred: failed calling webhook "pods.cairn.dev": no endpoints"#;
        assert_eq!(refused(down, "shop").level, Level::Problem);
        assert_eq!(refused("exceeded quota", "shop").level, Level::Unknown);
    }
}
