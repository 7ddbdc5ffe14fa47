//! Namespaces with a quota that demands requests and limits of every container, the sidecar included.

use cairn_e2e::app::App;
use cairn_e2e::ns::within;
use cairn_e2e::pod::Pod;
use cairn_e2e::{Done, Failure, json};
use serde_json::{Value, json as object};

#[test]
fn in_a_namespace_with_a_quota_pods_get_their_names_with_limits_of_their_own_or_of_a_limit_range()
-> Done {
    within("quota", |ns| {
        let hard = object!({
            "requests.cpu": "2", "requests.memory": "1Gi", "limits.cpu": "2", "limits.memory": "1Gi",
        });
        let quota = object!({
            "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "quota"},
            "spec": {"hard": hard},
        });
        ns.apply(&quota.to_string())?;
        let limited = object!({
            "requests": {"cpu": "20m", "memory": "16Mi"}, "limits": {"cpu": "100m", "memory": "64Mi"},
        });
        let pod =
            App::claiming("limited", "mountains").with("resources", limited).deploy(ns)?.remove(0);
        assert_eq!(pod.claimed("mountains")?, "Denali");
        assert_eq!(limits(&pod)?, object!({"cpu": "50m", "memory": "32Mi"}));

        let range = object!({
            "apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "range"},
            "spec": {"limits": [{
                "type": "Container",
                "default": {"cpu": "200m", "memory": "64Mi"},
                "defaultRequest": {"cpu": "20m", "memory": "16Mi"},
                "maxLimitRequestRatio": {"cpu": "10"},
            }]},
        });
        ns.apply(&range.to_string())?;
        let pod = App::claiming("ranged", "mountains").deploy(ns)?.remove(0);
        assert_eq!(pod.claimed("mountains")?, "Denali");
        assert_eq!(limits(&pod)?, object!({"cpu": "50m", "memory": "32Mi"}));
        Ok(())
    })
}

/// The limits of the sidecar.
fn limits(pod: &Pod<'_>) -> Result<Value, Failure> {
    let object = pod.object()?;
    let sidecar = json::list(&object, "/spec/initContainers").first();
    Ok(sidecar
        .and_then(|sidecar| sidecar.pointer("/resources/limits"))
        .cloned()
        .unwrap_or_default())
}
