//! How apps of `Stop` pools are stopped, and what becomes of their own probes.

use cairn_core::app_probe::AppProbe;
use proptest::prelude::*;

use super::*;

fn stop() -> Value {
    pod(json!({"cairn.dev/pool": "snowflake"}))
}

/// A pod of the snowflake pool with these probes.
fn probed(probes: &[(&str, Value)]) -> Value {
    probes.iter().fold(stop(), |pod, (field, probe)| {
        with(pod, &format!("/spec/containers/0/{field}"), probe.clone())
    })
}

fn app(pod: &Value) -> &Value {
    &pod["spec"]["containers"][0]
}

/// What the sidecar is told to ask of the app, as it reads its arguments.
fn recorded(pod: &Value) -> Vec<Value> {
    strings(&pod["spec"]["initContainers"][0]["args"])
        .iter()
        .filter_map(|arg| arg.strip_prefix("--app-probes="))
        .map(|json| serde_json::from_str(&json.replace("$$", "$")).unwrap())
        .collect()
}

#[test]
fn an_app_without_probes_is_stopped_by_two_that_ask_the_sidecar() {
    let plan = Fixture::new().decide(&stop()).unwrap();
    assert_eq!(plan.warnings, Vec::<String>::new());
    let after = applied(&stop(), &plan);
    assert_eq!(
        app(&after)["livenessProbe"],
        json!({
            "httpGet": {"path": "/app/livez/app", "port": 24041}, "periodSeconds": 3,
            "timeoutSeconds": 1, "failureThreshold": 4, "terminationGracePeriodSeconds": 7,
        })
    );
    assert_eq!(
        app(&after)["startupProbe"],
        json!({
            "httpGet": {"path": "/app/startupz/app", "port": 24041}, "periodSeconds": 1,
            "timeoutSeconds": 1, "failureThreshold": 1, "terminationGracePeriodSeconds": 2,
        })
    );
    assert_eq!(app(&after).get("readinessProbe"), None);
    assert_eq!(recorded(&after), [json!({"container": "app"})]);
    let keep = Fixture::new().inject(&mountains());
    for field in ["livenessProbe", "startupProbe", "readinessProbe"] {
        assert_eq!(app(&keep).get(field), None);
    }
}

#[test]
fn the_apps_own_probes_are_given_to_the_sidecar() {
    let liveness = json!({
        "httpGet": {
            "path": "/healthz", "port": "web", "scheme": "HTTPS",
            "httpHeaders": [{"name": "X-A", "value": "$(POD_UID)"}],
        },
        "initialDelaySeconds": 7, "periodSeconds": 20, "failureThreshold": 5,
        "terminationGracePeriodSeconds": 3,
    });
    let startup = json!({"grpc": {"port": 9000, "service": ""}, "failureThreshold": 60});
    let before = probed(&[("livenessProbe", liveness), ("startupProbe", startup)]);
    let ports = json!([{"name": "web", "containerPort": 8443}]);
    let after = Fixture::new().inject(&with(before, "/spec/containers/0/ports", ports));
    assert_eq!(
        recorded(&after),
        [json!({
            "container": "app",
            "liveness": {
                "httpGet": {
                    "path": "/healthz", "port": 8443, "scheme": "HTTPS",
                    "httpHeaders": [{"name": "X-A", "value": "$(POD_UID)"}],
                },
                "initialDelaySeconds": 7, "periodSeconds": 20, "failureThreshold": 5,
                "terminationGracePeriodSeconds": 3,
            },
            "startup": {"grpc": {"port": 9000}, "failureThreshold": 60},
        })]
    );
    let ours = &after["spec"]["initContainers"][0];
    let args = strings(&ours["args"]);
    assert!(args.contains(&"--app-host=$(POD_IP)") && args.contains(&"--probe-token=0123"));
    assert!(args.iter().any(|arg| arg.contains("$$(POD_UID)")), "the kubelet would replace it");
    assert_eq!(ours["env"][3]["valueFrom"]["fieldRef"]["fieldPath"], "status.podIP");
    let token = json!([{"name": "Cairn-Probe-Token", "value": "0123"}]);
    for (field, path) in [
        ("livenessProbe", "/app/livez/app"),
        ("startupProbe", "/app/startupz/app"),
        ("readinessProbe", "/app/readyz/app"),
    ] {
        let get = json!({"path": path, "port": 24041, "httpHeaders": token});
        assert_eq!(app(&after)[field]["httpGet"], get, "{field}");
    }
    assert_eq!(app(&after)["livenessProbe"]["terminationGracePeriodSeconds"], 3);
}

#[test]
fn a_readiness_probe_of_the_apps_own_stays() {
    let readiness = json!({"exec": {"command": ["true"]}});
    let tcp = json!({"tcpSocket": {"port": 1}});
    for probes in [
        vec![("readinessProbe", readiness.clone())],
        vec![("readinessProbe", readiness.clone()), ("startupProbe", tcp.clone())],
    ] {
        let after = Fixture::new().inject(&probed(&probes));
        assert_eq!(app(&after)["readinessProbe"], readiness);
    }
    let after = Fixture::new().inject(&probed(&[("livenessProbe", tcp)]));
    assert_eq!(app(&after).get("readinessProbe"), None, "it is ready as soon as it runs");
}

#[test]
fn a_pod_that_gives_its_apps_less_time_to_stop_is_obeyed() {
    let short = with(stop(), "/spec/terminationGracePeriodSeconds", json!(5));
    let after = Fixture::new().inject(&short);
    assert_eq!(app(&after)["livenessProbe"]["terminationGracePeriodSeconds"], 5);
    let none = with(stop(), "/spec/terminationGracePeriodSeconds", json!(0));
    let after = Fixture::new().inject(&none);
    assert_eq!(app(&after)["livenessProbe"]["terminationGracePeriodSeconds"], 2);
}

#[test]
fn a_probe_that_its_author_aimed_at_the_sidecar_is_not_the_apps_own() {
    let aimed = json!({"httpGet": {"path": "/app/livez", "port": 24041}, "failureThreshold": 99});
    let after = Fixture::new().inject(&probed(&[("livenessProbe", aimed)]));
    assert_eq!(recorded(&after), [json!({"container": "app"})]);
    assert_eq!(app(&after)["livenessProbe"]["failureThreshold"], 4);
}

#[test]
fn probes_that_istio_rewrote_are_left_alone_and_ours_behind_them_are_remembered() {
    let rewritten = |container: &str, kind: &str| {
        let path = format!("/app-health/{container}/{kind}");
        json!({"httpGet": {"path": path, "port": 15020}})
    };
    // Before us: the agent asks the app.
    let first = Fixture::new().inject(&probed(&[("livenessProbe", rewritten("app", "livez"))]));
    assert_eq!(recorded(&first)[0]["liveness"]["httpGet"]["path"], "/app-health/app/livez");
    assert_eq!(app(&first)["livenessProbe"]["httpGet"]["port"], 24041);
    // After us: the agent asks the sidecar.
    let own = json!({"httpGet": {"path": "/healthz", "port": 8080}});
    let mut after = Fixture::new().inject(&probed(&[("livenessProbe", own)]));
    for (field, kind) in [("livenessProbe", "livez"), ("startupProbe", "startupz")] {
        after["spec"]["containers"][0][field]["httpGet"] =
            rewritten("app", kind)["httpGet"].clone();
    }
    let again = Fixture::new().decide(&after).unwrap();
    assert!(again.patch.is_empty(), "{}", String::from_utf8_lossy(&again.patch.to_json()));
}

#[test]
fn a_probe_that_another_webhook_put_in_place_of_ours_is_taken_over_at_the_next_look() {
    let mut after = Fixture::new().inject(&stop());
    after["spec"]["containers"][0]["livenessProbe"] = json!({"tcpSocket": {"port": 5432}});
    let again = Fixture::new().inject(&after);
    assert_eq!(recorded(&again)[0]["liveness"]["tcpSocket"]["port"], 5432);
    assert_eq!(app(&again)["livenessProbe"]["httpGet"]["port"], 24041);
    // And one that was taken away is put back, with what the app's own was.
    let mut gone = again.clone();
    gone["spec"]["containers"][0].as_object_mut().unwrap().remove("livenessProbe");
    assert_eq!(Fixture::new().inject(&gone), again);
}

#[test]
fn an_app_that_comes_to_stop_itself_gets_its_probes_back() {
    let liveness = json!({"httpGet": {"path": "/healthz", "port": 8080}});
    let startup = json!({"tcpSocket": {"port": 8080}, "failureThreshold": 30});
    let before = probed(&[("livenessProbe", liveness.clone()), ("startupProbe", startup.clone())]);
    let mut copied = Fixture::new().inject(&before);
    copied["metadata"]["annotations"]["cairn.dev/stop"] = json!("self");
    let after = Fixture::new().inject(&copied);
    assert_eq!(app(&after)["livenessProbe"], liveness);
    assert_eq!(app(&after)["startupProbe"], startup);
    assert_eq!(app(&after).get("readinessProbe"), None);
    assert_eq!(recorded(&after), Vec::<Value>::new());
    assert!(Fixture::new().decide(&after).unwrap().patch.is_empty());
}

#[test]
fn an_app_that_stops_itself_keeps_its_probes_and_gets_none() {
    let annotations = json!({"cairn.dev/pool": "snowflake", "cairn.dev/stop": "self"});
    let before = pod(annotations.clone());
    let plan = Fixture::new().decide(&before).unwrap();
    assert_eq!(plan.warnings, Vec::<String>::new());
    assert_eq!(applied(&before, &plan)["spec"]["containers"][0].get("livenessProbe"), None);
    let probe = json!({"exec": {"command": ["true"]}});
    let before = with(before, "/spec/containers/0/livenessProbe", probe.clone());
    let after = Fixture::new().inject(&before);
    assert_eq!(after["spec"]["containers"][0]["livenessProbe"], probe);
}

#[test]
fn variables_that_outlive_a_claim_are_left_out_where_apps_are_stopped() {
    let old = Fixture::new().without_env_files();
    let stop = pod(json!({"cairn.dev/pool": "snowflake"}));
    let plan = old.decide(&stop).unwrap();
    assert_eq!(
        plan.warnings,
        [
            "Cairn: the app gets no CAIRN_ variables, because in this cluster they would outlive its claim on pool \
          'snowflake'; let it read /var/run/cairn/snowflake/name, or set cairn.dev/stop: self"
        ]
    );
    let after = applied(&stop, &plan);
    assert_eq!(names_of(&after["spec"]["containers"][0]["env"]), ["GREETING"]);
    assert_eq!(after["spec"]["containers"][0]["volumeMounts"][1]["name"], "cairn");
    let keep = pod(json!({"cairn.dev/pool": "mountains"}));
    assert_eq!(old.decide(&keep).unwrap().warnings, Vec::<String>::new());
}

fn any_own() -> impl Strategy<Value = Value> {
    let action = prop_oneof![
        ("/[a-z$()]{0,8}", 1_u16..)
            .prop_map(|(path, port)| json!({"httpGet": {"path": path, "port": port}})),
        (1_u16..).prop_map(|port| json!({"tcpSocket": {"port": port}})),
        (1_u16..).prop_map(|port| json!({"grpc": {"port": port, "service": "s"}})),
    ];
    (action, 0_u32..100_000, 1_u32..100_000, 1_u32..100_000, proptest::option::of(1_u32..100_000))
        .prop_map(|(mut probe, delay, period, failures, grace)| {
            probe["initialDelaySeconds"] = json!(delay);
            probe["periodSeconds"] = json!(period);
            probe["failureThreshold"] = json!(failures);
            probe["terminationGracePeriodSeconds"] = json!(grace);
            probe
        })
}

proptest! {
    #[test]
    fn whatever_the_apps_own_probes_say_it_is_dead_before_the_quarantine_ends(
        liveness in proptest::option::of(any_own()), startup in proptest::option::of(any_own()),
        quarantine in 5_u64..=3600, pod_grace in proptest::option::of(0_u64..100_000),
    ) {
        let spec = format!(
            r#"{{"names":{{"range":{{"from":0,"to":7}}}},"onLoss":"Stop","quarantine":"{quarantine}s"}}"#
        );
        let pool = Pool::from_json("tea".parse().unwrap(), spec.as_bytes()).unwrap();
        let fixture = Fixture::new().with_only(pool);
        let mut before = pod(json!({"cairn.dev/pool": "tea"}));
        let own = [("livenessProbe", &liveness), ("startupProbe", &startup)];
        for (field, probe) in own.iter().filter_map(|(field, probe)| Some((field, probe.as_ref()?))) {
            before["spec"]["containers"][0][field] = probe.clone();
        }
        before["spec"]["terminationGracePeriodSeconds"] = json!(pod_grace);
        let after = fixture.inject(&before);
        let number = |field: &str, key: &str| app(&after)[field][key].as_u64().unwrap();
        for field in ["livenessProbe", "startupProbe"] {
            let delay = app(&after)[field].get("initialDelaySeconds");
            prop_assert_eq!(delay, None);
            let tries = number(field, "failureThreshold");
            let detection = number(field, "periodSeconds") * tries + number(field, "timeoutSeconds");
            let grace = number(field, "terminationGracePeriodSeconds");
            prop_assert!(grace >= 2 && detection + grace <= quarantine - quarantine / 5, "{field}");
        }
        // Nothing of the app's own probes is lost, and a second look finds nothing to do.
        let recorded = recorded(&after).remove(0);
        for (key, probe) in [("liveness", &liveness), ("startup", &startup)] {
            let given = probe.as_ref().map(|probe| {
                AppProbe::parse(&probe.to_string(), |_| None).unwrap().to_value()
            });
            prop_assert_eq!(recorded.get(key), given.as_ref());
        }
        prop_assert!(fixture.later().decide(&after).unwrap().patch.is_empty());
    }
}
