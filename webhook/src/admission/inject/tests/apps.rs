//! What app containers get.

use super::*;

#[test]
fn variables_come_from_the_env_file_and_before_the_containers_own() {
    let after = Fixture::new().inject(&mountains());
    let app = &after["spec"]["containers"][0];
    assert_eq!(
        names_of(&app["env"]),
        [
            "CAIRN_NAME",
            "CAIRN_PREFIX",
            "CAIRN_FENCE",
            "CAIRN_MOUNTAINS_NAME",
            "CAIRN_MOUNTAINS_PREFIX",
            "CAIRN_MOUNTAINS_FENCE",
            "GREETING",
        ]
    );
    assert_eq!(
        app["env"][0]["valueFrom"],
        json!({"fileKeyRef": {"volumeName": "cairn", "path": "env", "key": "CAIRN_NAME"}})
    );
    assert_eq!(
        app["volumeMounts"][1],
        json!({"name": "cairn", "mountPath": "/var/run/cairn", "readOnly": true})
    );
}

#[test]
fn without_env_files_they_come_from_annotations_and_the_gate_watches_those() {
    let annotations = json!({"cairn.dev/pool": "mountains,snowflake", "cairn.dev/stop": "self"});
    let after = Fixture::new().without_env_files().inject(&pod(annotations.clone()));
    let env = &after["spec"]["containers"][0]["env"];
    let from_file = Fixture::new().inject(&pod(annotations));
    assert_eq!(names_of(env), names_of(&from_file["spec"]["containers"][0]["env"]));
    let path = |name: &str| {
        let env = env.as_array().unwrap();
        let variable = env.iter().find(|variable| variable["name"] == name).unwrap();
        variable["valueFrom"]["fieldRef"]["fieldPath"].as_str().unwrap().to_owned()
    };
    for (name, key) in [
        ("CAIRN_NAME", "claim.cairn.dev/mountains"),
        ("CAIRN_PREFIX", "claim.cairn.dev/mountains.prefix"),
        ("CAIRN_FENCE", "claim.cairn.dev/mountains.fence"),
        ("CAIRN_SNOWFLAKE_NAME", "claim.cairn.dev/snowflake"),
        ("CAIRN_SNOWFLAKE_PREFIX", "claim.cairn.dev/snowflake.prefix"),
        ("CAIRN_SNOWFLAKE_FENCE", "claim.cairn.dev/snowflake.fence"),
    ] {
        assert_eq!(path(name), format!("metadata.annotations['{key}']"));
    }
    let ours = &after["spec"]["initContainers"][0];
    assert!(strings(&ours["args"]).contains(&"--gate-file=/etc/cairn/pod/annotations"));
    assert!(names_of(&ours["volumeMounts"]).contains(&"cairn-annotations"));
    assert_eq!(
        after["spec"]["volumes"][4],
        json!({"name": "cairn-annotations", "downwardAPI": {"items": [{
            "path": "annotations", "fieldRef": {"fieldPath": "metadata.annotations"},
        }]}})
    );
}

#[test]
fn only_old_nodes_that_the_pod_can_run_on_keep_it_from_files() {
    let fixture = Fixture::new().with_old_node("pool", "old");
    let source = |fixture: &Fixture, pod: &Value| {
        let after = fixture.inject(pod);
        let source = &after["spec"]["containers"][0]["env"][0]["valueFrom"];
        source.as_object().unwrap().keys().next().unwrap().clone()
    };
    let selecting = |pool: &str| with(mountains(), "/spec/nodeSelector", json!({"pool": pool}));
    assert_eq!(source(&fixture, &mountains()), "fieldRef");
    assert_eq!(source(&fixture, &selecting("old")), "fieldRef");
    assert_eq!(source(&fixture, &selecting("new")), "fileKeyRef");
    let mut empty = Fixture::new();
    empty.env.files = FileSupport::ByNode(Arc::default());
    assert_eq!(source(&empty, &mountains()), "fieldRef", "nothing is known of an empty cluster");
}

#[test]
fn only_the_named_containers_are_touched_and_mesh_proxies_never_by_default() {
    let proxy = json!({"name": "istio-proxy", "image": "p"});
    let worker = json!({"name": "worker", "image": "w"});
    let before =
        with(with(mountains(), "/spec/containers/-", proxy.clone()), "/spec/containers/-", worker);
    let after = Fixture::new().inject(&before);
    assert_eq!(after["spec"]["containers"][1], proxy);
    assert_eq!(after["spec"]["containers"][2]["volumeMounts"][0]["name"], "cairn");
    let named =
        with(before.clone(), "/metadata/annotations/cairn.dev~1containers", json!("worker"));
    let mut named = named;
    named["metadata"]["annotations"] =
        json!({"cairn.dev/pool": "mountains", "cairn.dev/containers": "worker"});
    let after = Fixture::new().inject(&named);
    assert_eq!(after["spec"]["containers"][0], before["spec"]["containers"][0]);
    assert_eq!(after["spec"]["containers"][2]["volumeMounts"][0]["name"], "cairn");
}

#[test]
fn a_meshed_pod_keeps_our_ports_out_of_the_mesh() {
    let istio = Fixture::new().labelled("istio-injection", "enabled");
    let annotations = istio.inject(&mountains())["metadata"]["annotations"].clone();
    assert_eq!(annotations["traffic.sidecar.istio.io/excludeOutboundPorts"], "2379,8443");
    assert_eq!(annotations["traffic.sidecar.istio.io/excludeInboundPorts"], "24041");
    let linkerd = pod(json!({
        "cairn.dev/pool": "mountains", "linkerd.io/inject": "enabled",
        "config.linkerd.io/skip-outbound-ports": "3306",
    }));
    let annotations = Fixture::new().inject(&linkerd)["metadata"]["annotations"].clone();
    assert_eq!(annotations["config.linkerd.io/skip-outbound-ports"], "3306,2379,8443");
    let opted_out = pod(json!({"cairn.dev/pool": "mountains", "sidecar.istio.io/inject": "false"}));
    let annotations = istio.inject(&opted_out)["metadata"]["annotations"].clone();
    assert_eq!(annotations.as_object().unwrap().len(), 2);
}
