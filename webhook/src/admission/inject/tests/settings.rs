//! What the operator changes about every sidecar.

use cairn_core::request::resources::Resources;
use cairn_kit::log::LogFormat;

use super::*;
use crate::admission::settings::ContainerSettings;

fn fixture(change: impl FnOnce(&mut ContainerSettings)) -> Fixture {
    let mut fixture = Fixture::new();
    let mut container = ContainerSettings::default();
    change(&mut container);
    fixture.settings.container = Arc::new(container);
    fixture
}

fn resources(set: &str, pod: &Value) -> Value {
    let set = Resources::parse(set).unwrap();
    let after = fixture(|container| container.resources = set).inject(pod);
    after["spec"]["initContainers"][0]["resources"].clone()
}

#[test]
fn resources_replace_the_defaults_and_a_pods_annotation_replaces_them() {
    let set = "requests.cpu=25m,limits.memory=24Mi";
    assert_eq!(
        resources(set, &mountains()),
        json!({"requests": {"cpu": "25m", "memory": "16Mi"}, "limits": {"memory": "24Mi"}})
    );
    let own = pod(json!({"cairn.dev/pool": "mountains", "cairn.dev/resources": "limits.cpu=20m"}));
    assert_eq!(
        resources(set, &own),
        json!({"requests": {"cpu": "20m", "memory": "16Mi"}, "limits": {"cpu": "20m", "memory": "24Mi"}})
    );
}

#[test]
fn a_guaranteed_pod_stays_guaranteed_with_an_operators_resources() {
    let equal = json!({"limits": {"cpu": "1", "memory": "1Gi"}});
    let pod = with(mountains(), "/spec/containers/0/resources", equal);
    let both = json!({"cpu": "60m", "memory": "40Mi"});
    assert_eq!(
        resources("requests.cpu=60m,requests.memory=16Mi,limits.memory=40Mi", &pod),
        json!({"requests": both, "limits": both})
    );
}

#[test]
fn an_operators_memory_limit_never_cuts_a_member_of_a_group() {
    let member = pod(json!({"cairn.dev/pool": "mountains", "cairn.dev/coordinate": "peers"}));
    assert_eq!(resources("limits.memory=24Mi", &member)["limits"]["memory"], "64Mi");
    assert_eq!(resources("limits.memory=96Mi", &member)["limits"]["memory"], "96Mi");
}

#[test]
fn the_sidecar_has_a_cpu_limit_where_all_others_have_one() {
    let limited = json!({"requests": {"cpu": "100m"}, "limits": {"cpu": "2"}});
    let one = with(mountains(), "/spec/containers/0/resources", limited.clone());
    let after = Fixture::new().inject(&one);
    let ours = &after["spec"]["initContainers"][0]["resources"];
    assert_eq!(ours["limits"], json!({"cpu": "50m", "memory": "32Mi"}));
    assert_eq!(ours["requests"], json!({"cpu": "10m", "memory": "16Mi"}));
    let other = json!({"name": "second", "image": "i", "resources": {"limits": {"memory": "1Gi"}}});
    let two = with(one.clone(), "/spec/containers/-", other);
    let after = Fixture::new().inject(&two);
    assert_eq!(
        after["spec"]["initContainers"][0]["resources"]["limits"],
        json!({"memory": "32Mi"})
    );
    let init = json!([{"name": "prep", "image": "i"}]);
    let after = Fixture::new().inject(&with(one, "/spec/initContainers", init));
    assert_eq!(
        after["spec"]["initContainers"][0]["resources"]["limits"],
        json!({"memory": "32Mi"})
    );
}

#[test]
fn pull_secrets_are_added_once_to_those_of_the_pod() {
    let fixture = fixture(|container| container.pull_secrets = vec!["a".into(), "b".into()]);
    let after = fixture.inject(&mountains());
    assert_eq!(after["spec"]["imagePullSecrets"], json!([{"name": "a"}, {"name": "b"}]));
    let own = with(mountains(), "/spec/imagePullSecrets", json!([{"name": "b"}, {"name": "c"}]));
    let after = fixture.inject(&own);
    assert_eq!(
        after["spec"]["imagePullSecrets"],
        json!([{"name": "b"}, {"name": "c"}, {"name": "a"}])
    );
    assert!(fixture.decide(&after).unwrap().patch.is_empty());
}

#[test]
fn a_seccomp_profile_is_left_out_where_the_cluster_forbids_one() {
    let after = fixture(|container| container.no_seccomp_profile = true).inject(&mountains());
    assert_eq!(after["spec"]["initContainers"][0]["securityContext"].get("seccompProfile"), None);
}

#[test]
fn the_form_of_log_lines_reaches_the_sidecar() {
    let after = fixture(|container| container.log_format = LogFormat::Json).inject(&mountains());
    let args = strings(&after["spec"]["initContainers"][0]["args"]);
    assert!(args.contains(&"--log-format=json"), "{args:?}");
}
