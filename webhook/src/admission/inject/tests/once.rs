//! What must not change: foreign fields, pods that have everything, pods that ask for nothing.

use proptest::prelude::*;

use super::*;

#[test]
fn an_injected_pod_needs_nothing_more() {
    let stop = pod(json!({"cairn.dev/pool": "snowflake,mountains"}));
    let meshed = Fixture::new().labelled("istio-injection", "enabled");
    for fixture in [Fixture::new(), Fixture::new().without_env_files(), meshed] {
        for before in [mountains(), stop.clone()] {
            let after = fixture.inject(&before);
            let again = fixture.decide(&after).unwrap();
            assert!(again.patch.is_empty(), "{}", String::from_utf8_lossy(&again.patch.to_json()));
        }
    }
}

#[test]
fn additions_of_other_webhooks_are_tolerated() {
    let mut pod = Fixture::new().inject(&mountains());
    let ours = &mut pod["spec"]["initContainers"][0];
    ours["image"] = json!("mirror.example.com/cairn-sidecar:1");
    ours["securityContext"]["runAsUser"] = json!(1_000_650_000);
    ours["resources"]["limits"]["cpu"] = json!("1");
    ours["env"].as_array_mut().unwrap().push(json!({"name": "HTTP_PROXY", "value": "p"}));
    ours["startupProbe"]["successThreshold"] = json!(1);
    ours["livenessProbe"]["httpGet"] = json!({"path": "/app-health/cairn/livez", "port": 15020});
    ours["env"][0]["valueFrom"]["fieldRef"]["apiVersion"] = json!("v1");
    assert!(Fixture::new().decide(&pod).unwrap().patch.is_empty());
}

#[test]
fn wrong_changes_by_another_webhook_or_a_copy_are_corrected() {
    let golden = Fixture::new().inject(&mountains());
    let mut pod = golden.clone();
    let ours = &mut pod["spec"]["initContainers"][0];
    ours["args"] = json!(["--in-pod", "--namespace=other"]);
    ours["command"] = json!(["sh", "-c", "true"]);
    ours.as_object_mut().unwrap().remove("livenessProbe");
    pod["spec"]["containers"].as_array_mut().unwrap().push(json!({"name": "late", "image": "l"}));
    pod["metadata"]["labels"].as_object_mut().unwrap().remove("cairn.dev/injected");
    let after = Fixture::new().inject(&pod);
    assert_eq!(after["spec"]["initContainers"], golden["spec"]["initContainers"]);
    assert_eq!(after["spec"]["volumes"], golden["spec"]["volumes"]);
    assert_eq!(after["metadata"], golden["metadata"]);
    assert_eq!(names_of(&after["spec"]["containers"][1]["env"])[0], "CAIRN_NAME");
}

/// As webhooks do whose library is older than a field: they read pods into structs, which drop it.
#[test]
fn fields_that_another_webhook_has_dropped_are_put_back() {
    let golden = Fixture::new().inject(&mountains());
    let mut pod = golden.clone();
    pod["spec"]["initContainers"][0].as_object_mut().unwrap().remove("restartPolicy");
    for (index, var) in
        pod["spec"]["containers"][0]["env"].as_array_mut().unwrap()[..6].iter_mut().enumerate()
    {
        if index % 2 == 0 {
            var["valueFrom"] = json!({});
        } else {
            var.as_object_mut().unwrap().remove("valueFrom");
        }
    }
    assert_eq!(Fixture::new().inject(&pod), golden);
    pod["spec"]["containers"][0]["env"][0]["value"] = json!("mine");
    assert!(Fixture::new().refuse(&pod).contains("already sets CAIRN_NAME"));
}

#[test]
fn a_sidecar_behind_a_container_that_waits_for_its_claim_is_moved_before_it() {
    let inits = json!([{"name": "first"}, {"name": "prepare"}]);
    let golden = Fixture::new().inject(&with(mountains(), "/spec/initContainers", inits));
    let mut pod = golden.clone();
    pod["spec"]["initContainers"].as_array_mut().unwrap().rotate_left(1);
    assert_eq!(names_of(&pod["spec"]["initContainers"]), ["first", "prepare", "cairn"]);
    pod["spec"]["initContainers"].as_array_mut().unwrap().insert(0, json!({"name": "late"}));
    let after = Fixture::new().inject(&pod);
    assert_eq!(names_of(&after["spec"]["initContainers"]), ["late", "cairn", "first", "prepare"]);
    assert_eq!(
        after["spec"]["initContainers"].as_array().unwrap()[1..],
        *golden["spec"]["initContainers"].as_array().unwrap()
    );
    assert!(Fixture::new().decide(&after).unwrap().patch.is_empty());
}

#[test]
fn containers_in_another_order_do_not_change_the_sidecar() {
    let apps =
        json!([{"name": "app", "livenessProbe": {"tcpSocket": {"port": 1}}}, {"name": "worker"}]);
    let pod = with(pod(json!({"cairn.dev/pool": "snowflake"})), "/spec/containers", apps);
    let mut after = Fixture::new().inject(&pod);
    after["spec"]["containers"].as_array_mut().unwrap().reverse();
    assert!(Fixture::new().decide(&after).unwrap().patch.is_empty());
}

#[test]
fn a_probe_that_its_author_aimed_at_the_sidecar_of_a_keep_pool_stays() {
    let aimed = json!([{"name": "app", "livenessProbe": {"httpGet": {"path": "/app/livez/app", "port": 24041}}}]);
    let once = Fixture::new().inject(&with(mountains(), "/spec/containers", aimed));
    assert!(Fixture::new().decide(&once).unwrap().patch.is_empty());
}

#[test]
fn a_pod_keeps_the_way_of_its_variables_when_the_cluster_changes_between_two_looks() {
    let by_annotation = Fixture::new().without_env_files().inject(&mountains());
    assert!(Fixture::new().decide(&by_annotation).unwrap().patch.is_empty());
    let by_file = Fixture::new().inject(&mountains());
    for fixture in [Fixture::new().without_env_files(), Fixture::new().with_old_node("a", "b")] {
        assert!(fixture.decide(&by_file).unwrap().patch.is_empty());
    }
}

#[test]
fn old_results_are_stripped() {
    let copied = pod(json!({
        "cairn.dev/pool": "mountains", "cairn.dev/status": "{}", "claim.cairn.dev/mountains": "Denali",
    }));
    let after = Fixture::new().inject(&copied);
    assert_eq!(after["metadata"]["annotations"], json!({"cairn.dev/pool": "mountains"}));
}

#[test]
fn a_pod_that_asks_for_nothing_is_left_alone() {
    let plan = Fixture::new().decide(&pod(json!({"other": "x"}))).unwrap();
    assert_eq!(plan, Plan::default());
}

/// Any JSON.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-z/~]{1,6}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn foreign_fields_survive_and_a_second_look_finds_nothing_to_do(
        deep in any_json(), env in 0_usize..40, containers in 1_usize..5,
        pools in proptest::sample::select(vec!["mountains", "snowflake", "snowflake,mountains"]),
        file_works in any::<bool>(),
        inits in proptest::collection::vec(
            proptest::sample::select(vec![
                ("prep", None),
                ("shipper", Some("Always")),
                ("kuma-sidecar", Some("Always")),
            ]),
            0..4,
        ),
    ) {
        let mut before = pod(json!({"cairn.dev/pool": pools, "x/y~z": "v"}));
        let app = json!({
            "name": "app", "unknown": deep,
            "env": (0..env).map(|i| json!({"name": format!("V{i}"), "value": "v"})).collect::<Vec<_>>(),
        });
        before["spec"]["containers"] = (0..containers).map(|_| app.clone()).collect();
        before["spec"]["unknown"] = deep;
        before["spec"]["initContainers"] = inits
            .into_iter()
            .map(|(name, policy)| match policy {
                Some(policy) => json!({"name": name, "restartPolicy": policy}),
                None => json!({"name": name}),
            })
            .collect();
        let fixture = if file_works { Fixture::new() } else { Fixture::new().without_env_files() };
        let after = fixture.inject(&before);
        prop_assert_eq!(without_ours(after.clone()), without_ours(before));
        prop_assert!(fixture.decide(&after).unwrap().patch.is_empty());
    }
}

/// The pod with everything taken away that Cairn may add.
fn without_ours(mut pod: Value) -> Value {
    pod["metadata"]["labels"].as_object_mut().unwrap().remove("cairn.dev/injected");
    let annotations = pod["metadata"]["annotations"].as_object_mut().unwrap();
    annotations.retain(|key, _| !key.starts_with("traffic.kuma.io/exclude-"));
    let spec = pod["spec"].as_object_mut().unwrap();
    for (list, key) in [("initContainers", "name"), ("volumes", "name")] {
        retain(spec.entry(list).or_insert_with(|| json!([])), key, "cairn");
    }
    for list in ["containers", "initContainers"] {
        for container in spec[list].as_array_mut().unwrap() {
            let container = container.as_object_mut().unwrap();
            retain(container.entry("env").or_insert_with(|| json!([])), "name", "CAIRN_");
            retain(container.entry("volumeMounts").or_insert_with(|| json!([])), "name", "cairn");
            for field in ["livenessProbe", "startupProbe"] {
                container.remove(field);
            }
        }
    }
    pod
}

fn retain(list: &mut Value, key: &str, prefix: &str) {
    let ours = |item: &Value| item[key].as_str().is_some_and(|name| name.starts_with(prefix));
    list.as_array_mut().unwrap().retain(|item| !ours(item));
}
