//! What init containers and native sidecars get.

use super::*;

fn init(name: &str) -> Value {
    json!({"name": name, "image": "i"})
}

fn native(name: &str) -> Value {
    json!({"name": name, "image": "n", "restartPolicy": "Always"})
}

fn with_inits(annotations: Value, inits: Value) -> Value {
    with(pod(annotations), "/spec/initContainers", inits)
}

/// The names of the init containers, each with whether it has the mount and the variables.
fn equipped(pod: &Value) -> Vec<(&str, bool)> {
    let has = |container: &Value| {
        let variables =
            container["env"].as_array().is_some_and(|env| env[0]["name"] == "CAIRN_NAME");
        let mount = container["volumeMounts"]
            .as_array()
            .is_some_and(|mounts| mounts.iter().any(|mount| mount["name"] == "cairn"));
        assert_eq!(variables, mount, "{container}");
        variables
    };
    let inits = pod["spec"]["initContainers"].as_array().unwrap();
    inits
        .iter()
        .filter(|container| container["name"] != "cairn")
        .map(|container| (container["name"].as_str().unwrap(), has(container)))
        .collect()
}

#[test]
fn init_containers_and_native_sidecars_get_what_apps_get() {
    let mountains = json!({"cairn.dev/pool": "mountains"});
    let before = with_inits(mountains, json!([init("prep"), native("shipper")]));
    for fixture in [Fixture::new(), Fixture::new().without_env_files()] {
        let after = fixture.inject(&before);
        assert_eq!(names_of(&after["spec"]["initContainers"]), ["cairn", "prep", "shipper"]);
        assert_eq!(equipped(&after), [("prep", true), ("shipper", true)]);
        let app = &after["spec"]["containers"][0]["env"];
        for index in [1, 2] {
            let env = &after["spec"]["initContainers"][index]["env"];
            assert_eq!(env.as_array().unwrap()[..], app.as_array().unwrap()[..6]);
        }
        assert!(fixture.decide(&after).unwrap().patch.is_empty());
    }
}

#[test]
fn what_starts_before_our_container_gets_nothing() {
    let inits = json!([init("early"), native("istio-proxy"), init("prep")]);
    let after = Fixture::new().inject(&with_inits(json!({"cairn.dev/pool": "mountains"}), inits));
    assert_eq!(
        names_of(&after["spec"]["initContainers"]),
        ["early", "istio-proxy", "cairn", "prep"]
    );
    assert_eq!(equipped(&after), [("early", false), ("istio-proxy", false), ("prep", true)]);
    let mut moved = after.clone();
    moved["spec"]["initContainers"].as_array_mut().unwrap().insert(0, init("earliest"));
    assert!(Fixture::new().decide(&moved).unwrap().patch.is_empty());
}

#[test]
fn what_a_mesh_adds_gets_nothing_wherever_it_stands() {
    let inits = json!([
        init("istio-init"),
        init("linkerd-init"),
        native("linkerd-proxy"),
        init("istio-validation")
    ]);
    let after = Fixture::new().inject(&with_inits(json!({"cairn.dev/pool": "mountains"}), inits));
    assert!(equipped(&after).iter().all(|(_, equipped)| !equipped), "{after}");
}

#[test]
fn containers_can_be_named_whatever_their_kind() {
    let annotations = json!({"cairn.dev/pool": "mountains", "cairn.dev/containers": "shipper"});
    let before = with_inits(annotations, json!([init("prep"), native("shipper")]));
    let after = Fixture::new().inject(&before);
    assert_eq!(equipped(&after), [("prep", false), ("shipper", true)]);
    assert_eq!(after["spec"]["containers"], before["spec"]["containers"]);
}

#[test]
fn a_name_before_our_container_is_refused() {
    let annotations = json!({"cairn.dev/pool": "mountains", "cairn.dev/containers": "early"});
    let inits = json!([init("early"), native("istio-proxy")]);
    let message = |after: &str| {
        format!(
            "annotation 'cairn.dev/containers' names init container 'early', which starts before Cairn's sidecar, \
             when there is no claim yet; move it behind '{after}', or take it off the list"
        )
    };
    let before = with_inits(annotations.clone(), inits);
    assert_eq!(Fixture::new().refuse(&before), message("istio-proxy"));
    let mut injected = Fixture::new().inject(&mountains());
    injected["metadata"]["annotations"] = annotations;
    injected["spec"]["initContainers"].as_array_mut().unwrap().insert(0, init("early"));
    assert_eq!(Fixture::new().refuse(&injected), message("cairn"));
}

#[test]
fn our_own_container_cannot_be_named() {
    let named = pod(json!({"cairn.dev/pool": "mountains", "cairn.dev/containers": "cairn"}));
    let message = "annotation 'cairn.dev/containers' names container 'cairn', which the pod does not have; it has app";
    assert_eq!(Fixture::new().refuse(&named), message);
    let mut injected = Fixture::new().inject(&mountains());
    injected["metadata"]["annotations"]["cairn.dev/containers"] = json!("cairn");
    assert_eq!(Fixture::new().refuse(&injected), message);
}

#[test]
fn a_native_sidecar_of_a_stop_pool_is_stopped_and_an_init_container_is_left_out() {
    let inits = json!([init("prep"), native("shipper")]);
    let after =
        Fixture::new().inject(&with_inits(json!({"cairn.dev/pool": "snowflake"}), inits.clone()));
    assert_eq!(equipped(&after), [("prep", false), ("shipper", true)]);
    for field in ["livenessProbe", "startupProbe"] {
        let mut probe = after["spec"]["containers"][0][field].clone();
        let path = probe["httpGet"]["path"].as_str().unwrap().replace("/app", "/shipper");
        probe["httpGet"]["path"] = json!(path.replacen("/shipper", "/app", 1));
        assert_eq!(after["spec"]["initContainers"][2][field], probe);
        assert_eq!(after["spec"]["initContainers"][1].get(field), None);
    }
    let mut waited_for = native("shipper");
    waited_for["startupProbe"] = json!({"tcpSocket": {"port": 1}});
    assert_eq!(
        Fixture::new()
            .refuse(&with_inits(json!({"cairn.dev/pool": "snowflake"}), json!([waited_for]))),
        "container 'shipper': its startupProbe holds the start of other containers back, so Cairn cannot ask it in \
         the kubelet's place; remove it, leave the container out with cairn.dev/containers, or set cairn.dev/stop: \
         self and let the app watch valid_until in /var/run/cairn/snowflake/claim.json"
    );

    let named = json!({"cairn.dev/pool": "snowflake", "cairn.dev/containers": "prep,app"});
    let mut named = with_inits(named, inits);
    assert_eq!(
        Fixture::new().refuse(&named),
        "annotation 'cairn.dev/containers' names init container 'prep', which Kubernetes cannot stop when its claim \
         on pool 'snowflake' is lost; take it off the list, make it a native sidecar with restartPolicy: Always, or \
         set cairn.dev/stop: self and let the app watch valid_until in /var/run/cairn/snowflake/claim.json"
    );
    named["metadata"]["annotations"]["cairn.dev/stop"] = json!("self");
    assert_eq!(equipped(&Fixture::new().inject(&named)), [("prep", true), ("shipper", false)]);
}
