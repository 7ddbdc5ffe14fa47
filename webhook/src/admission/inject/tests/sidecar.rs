//! The container that is added, and where.

use super::*;

#[test]
fn the_sidecar_of_a_deployment_is_the_golden_one() {
    let after = Fixture::new().inject(&mountains());
    let expected = json!({
        "name": "cairn",
        "image": "example.com/cairn-sidecar:1",
        "restartPolicy": "Always",
        "args": [
            "--in-pod", "--dir=/var/run/cairn", "--agent=https://cairn-webhook.cairn.svc:8443",
            "--agent-ca=QUJD", "--pool=mountains", "--namespace=shop", "--instance=$(POD_UID)", "--pod=$(POD_NAME)",
            "--node=$(NODE_NAME)", "--group=checkout",
        ],
        "env": [
            {"name": "POD_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        ],
        "ports": [{"name": "cairn-admin", "containerPort": 24041, "protocol": "TCP"}],
        "startupProbe": {
            "exec": {"command": ["/usr/bin/cairn-sidecar", "probe", "--dir", "/var/run/cairn"]},
            "periodSeconds": 1, "timeoutSeconds": 5, "failureThreshold": 2_147_483_647,
        },
        "livenessProbe": {
            "httpGet": {"path": "/livez", "port": 24041},
            "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 4,
            "terminationGracePeriodSeconds": 2,
        },
        "resources": {
            "requests": {"cpu": "10m", "memory": "16Mi"},
            "limits": {"memory": "32Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": true,
            "runAsNonRoot": true,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "cairn", "mountPath": "/var/run/cairn"},
            {"name": "cairn-credentials", "mountPath": "/var/run/cairn-credentials"},
            {
                "name": "cairn-token", "readOnly": true,
                "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
            },
        ],
    });
    assert_eq!(after["spec"]["initContainers"], json!([expected]));
    assert_eq!(
        after["spec"]["volumes"].as_array().unwrap()[1..],
        [
            json!({"name": "cairn", "emptyDir": {"medium": "Memory", "sizeLimit": "2Mi"}}),
            json!({
                "name": "cairn-credentials",
                "emptyDir": {"medium": "Memory", "sizeLimit": "256Ki"},
            }),
            json!({"name": "cairn-token", "projected": {"sources": [{"serviceAccountToken": {
                "audience": "cairn.dev", "expirationSeconds": 3600, "path": "token",
            }}]}}),
        ]
    );
    assert_eq!(after["metadata"]["labels"]["cairn.dev/injected"], "true");
}

#[test]
fn it_comes_first_but_after_a_native_mesh_proxy() {
    let plain = json!([{"name": "migrate", "image": "m"}]);
    let after = Fixture::new().inject(&with(mountains(), "/spec/initContainers", plain));
    assert_eq!(names_of(&after["spec"]["initContainers"]), ["cairn", "migrate"]);
    let meshed = json!([
        {"name": "istio-init"}, {"name": "istio-proxy", "restartPolicy": "Always"}, {"name": "migrate"},
    ]);
    let after = Fixture::new().inject(&with(mountains(), "/spec/initContainers", meshed));
    assert_eq!(
        names_of(&after["spec"]["initContainers"]),
        ["istio-init", "istio-proxy", "cairn", "migrate"]
    );
}

#[test]
fn it_leaves_the_user_to_the_image_unless_the_pod_says_root() {
    let user = |uid| {
        let context = json!({"runAsUser": uid});
        let after = Fixture::new().inject(&with(mountains(), "/spec/securityContext", context));
        after["spec"]["initContainers"][0]["securityContext"]["runAsUser"].clone()
    };
    assert_eq!(user(0), 65532);
    assert_eq!(user(1000), Value::Null);
}

#[test]
fn a_guaranteed_pod_stays_guaranteed_and_one_without_a_cpu_limit_gets_none() {
    let resources = |resources| {
        let after =
            Fixture::new().inject(&with(mountains(), "/spec/containers/0/resources", resources));
        after["spec"]["initContainers"][0]["resources"].clone()
    };
    let equal = json!({"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1000m", "memory": "1Gi"}});
    let both = json!({"cpu": "50m", "memory": "32Mi"});
    assert_eq!(resources(equal), json!({"requests": both, "limits": both}));
    let burstable = json!({"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}});
    assert_eq!(resources(burstable)["limits"], json!({"memory": "32Mi"}));
}

#[test]
fn a_pod_with_a_budget_as_a_whole_pays_for_the_sidecar_from_it() {
    let budget = json!({"limits": {"cpu": "1", "memory": "1Gi"}});
    let after = Fixture::new().inject(&with(mountains(), "/spec/resources", budget));
    assert_eq!(after["spec"]["initContainers"][0].get("resources"), None);
}

#[test]
fn resources_by_annotation_win_and_never_contradict_the_defaults() {
    let resources = |text| {
        let annotations = json!({"cairn.dev/pool": "mountains", "cairn.dev/resources": text});
        Fixture::new().inject(&pod(annotations))["spec"]["initContainers"][0]["resources"].clone()
    };
    let both = json!({"cpu": "20m", "memory": "24Mi"});
    assert_eq!(resources("cpu=20m,memory=24Mi"), json!({"requests": both, "limits": both}));
    assert_eq!(
        resources("limits.memory=12Mi"),
        json!({"requests": {"cpu": "10m", "memory": "12Mi"}, "limits": {"memory": "12Mi"}})
    );
    assert_eq!(resources("requests.memory=64Mi")["limits"]["memory"], "64Mi");
}

#[test]
fn a_host_network_pod_opens_no_ports() {
    let pod = with(mountains(), "/spec/hostNetwork", json!(true));
    let pod = with(pod, "/spec/dnsPolicy", json!("ClusterFirstWithHostNet"));
    let after = Fixture::new().inject(&pod);
    let ours = &after["spec"]["initContainers"][0];
    assert_eq!((ours.get("ports"), ours.get("livenessProbe")), (None, None));
    let args = strings(&ours["args"]);
    assert!(args.contains(&"--api=off") && args.contains(&"--admin=off"), "{args:?}");
}

#[test]
fn an_app_that_does_not_wait_has_a_sidecar_without_startup_probe() {
    let annotations = json!({"cairn.dev/pool": "mountains", "cairn.dev/gate": "none"});
    let after = Fixture::new().inject(&pod(annotations));
    assert_eq!(after["spec"]["initContainers"][0].get("startupProbe"), None);
    assert_eq!(names_of(&after["spec"]["containers"][0]["env"]), ["GREETING"]);
}

#[test]
fn group_prefix_and_pools_reach_the_arguments() {
    let annotations = json!({
        "cairn.dev/pool": "snowflake,mountains", "cairn.dev/group": "cart", "cairn.dev/prefix": "a.{name}",
    });
    let after = Fixture::new().inject(&pod(annotations));
    let args = strings(&after["spec"]["initContainers"][0]["args"]);
    for wanted in ["--pool=snowflake,mountains", "--group=cart", "--prefix=a.{name}"] {
        assert!(args.contains(&wanted), "{args:?}");
    }
}

#[test]
fn a_bare_pod_has_no_group() {
    let mut bare = mountains();
    bare["metadata"].as_object_mut().unwrap().remove("ownerReferences");
    let after = Fixture::new().inject(&bare);
    let args = strings(&after["spec"]["initContainers"][0]["args"]);
    assert!(!args.iter().any(|arg| arg.starts_with("--group")), "{args:?}");
}

#[test]
fn a_log_level_that_is_not_the_default_reaches_the_sidecar() {
    let mut fixture = Fixture::new();
    fixture.settings.log_level = "warn,cairn=debug".parse().unwrap();
    let after = fixture.inject(&mountains());
    let args = after["spec"]["initContainers"][0]["args"].as_array().unwrap();
    assert!(args.contains(&json!("--log-level=warn,cairn=debug")), "{args:?}");
}

#[test]
fn the_layout_of_ids_is_an_argument_where_all_pools_of_node_ids_agree() {
    let pool = |name: &str, ids: &str| {
        let spec = format!(r#"{{"names":{{"range":{{"from":0,"to":9}}}},"clock":"Reserve"{ids}}}"#);
        Pool::from_json(name.parse().unwrap(), spec.as_bytes()).unwrap()
    };
    let other = r#","ids":{"layout":"42/8/13"}"#;
    let wanted = ["--id-layout=42/8/13", "--id-epoch=2020-01-01T00:00:00Z"];
    let table =
        [(other, other, true), (other, "", false), ("", "", false), (r#","ids":{}"#, "", false)];
    for (first, second, given) in table {
        let fixture = Fixture::new().with_all([pool("a", first), pool("b", second)]);
        let after = fixture.inject(&pod(json!({"cairn.dev/pool": "a,b"})));
        let args = strings(&after["spec"]["initContainers"][0]["args"]);
        let found: Vec<_> = args.iter().filter(|arg| arg.starts_with("--id-")).collect();
        assert_eq!(found.len(), if given { 2 } else { 0 }, "{first} {second}: {args:?}");
        assert!(!given || wanted.iter().all(|arg| args.contains(arg)), "{args:?}");
    }
}
