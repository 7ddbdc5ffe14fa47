//! Members of groups: the arguments and hooks of the sidecar, and the hooks of their apps.

use super::*;

fn member(more: &[(&str, &str)]) -> Value {
    let mut annotations = json!({"cairn.dev/coordinate": "shards", "cairn.dev/shards": "16"});
    for (key, value) in more {
        annotations[format!("cairn.dev/{key}")] = json!(value);
    }
    pod(annotations)
}

fn sidecar(pod: &Value) -> &Value {
    &pod["spec"]["initContainers"][0]
}

/// The arguments after those that every sidecar has.
fn own_args(pod: &Value) -> Vec<&str> {
    let args = strings(&sidecar(pod)["args"]);
    let node = args.iter().position(|arg| *arg == "--node=$(NODE_NAME)").unwrap();
    args[node + 1..].to_vec()
}

#[test]
fn a_pod_that_only_coordinates_gets_a_sidecar_without_pools_and_an_app_without_variables() {
    let after = Fixture::new().inject(&member(&[]));
    assert_eq!(
        own_args(&after),
        [
            "--group=checkout",
            "--app-host=$(POD_IP)",
            "--coordinate=shards",
            "--shards=16",
            "--generation=5d4f",
            "--admitted=2026-11-21T03:00:00Z",
        ]
    );
    assert!(!strings(&sidecar(&after)["args"]).iter().any(|arg| arg.starts_with("--pool")));
    assert_eq!(names_of(&sidecar(&after)["env"])[3], "POD_IP");
    let app = &after["spec"]["containers"][0];
    assert_eq!(names_of(&app["env"]), ["GREETING"]);
    assert_eq!(app["volumeMounts"][1]["mountPath"], "/var/run/cairn");
    assert_eq!(after["metadata"]["labels"]["cairn.dev/injected"], "true");
}

#[test]
fn every_annotation_reaches_the_sidecar_beside_a_pool() {
    let after = Fixture::new().inject(&member(&[
        ("pool", "mountains"),
        ("coordinate", "peers,leader,shards"),
        ("shard-hash", "int"),
        ("validity", "5s"),
        ("heartbeat", "15s"),
        ("confirm", "required"),
        ("endpoints", "http=8080,grpc=9000"),
        ("tags", "price=$(POD_IP)"),
        ("weight", "50"),
        ("participate", "start"),
        ("min-participants", "3"),
    ]));
    assert!(strings(&sidecar(&after)["args"]).contains(&"--pool=mountains"));
    assert_eq!(
        own_args(&after)[2..],
        [
            "--coordinate=peers,leader,shards",
            "--shards=16",
            "--shard-hash=int",
            "--validity=5s",
            "--heartbeat=15s",
            "--confirm=required",
            "--endpoints=grpc=9000,http=8080",
            "--tags=price=$$(POD_IP)",
            "--weight=50",
            "--participate=start",
            "--min-participants=3",
            "--generation=5d4f",
            "--admitted=2026-11-21T03:00:00Z",
        ]
    );
}

#[test]
fn the_sidecar_drains_before_it_is_stopped_and_the_app_is_stopped_after_the_drain() {
    let after = Fixture::new().inject(&member(&[]));
    assert_eq!(
        sidecar(&after)["lifecycle"]["preStop"]["exec"]["command"],
        json!(["/usr/bin/cairn-sidecar", "drain", "--dir", "/var/run/cairn"])
    );
    assert_eq!(
        after["spec"]["containers"][0]["lifecycle"],
        json!({"preStop": {"httpGet": {"path": "/app/drained", "port": 24041}}})
    );
    let claims = Fixture::new().inject(&mountains());
    assert_eq!(sidecar(&claims)["lifecycle"], Value::Null);
    assert_eq!(claims["spec"]["containers"][0]["lifecycle"], Value::Null);
}

#[test]
fn hooks_of_the_app_are_kept() {
    let app = |lifecycle: Value| {
        let pod = with(member(&[]), "/spec/containers/0/lifecycle", lifecycle);
        Fixture::new().inject(&pod)["spec"]["containers"][0]["lifecycle"].clone()
    };
    let own = json!({"preStop": {"sleep": {"seconds": 5}}});
    assert_eq!(app(own.clone()), own);
    let start = json!({"exec": {"command": ["true"]}});
    let both = app(json!({"postStart": start}));
    assert_eq!(both["postStart"], start);
    assert_eq!(both["preStop"]["httpGet"]["path"], "/app/drained");
}

#[test]
fn an_app_is_not_held_where_the_hook_cannot_work() {
    let hook = |pod: &Value| {
        let plan = Fixture::new().decide(pod).unwrap();
        let after = applied(pod, &plan);
        (after["spec"]["containers"][0]["lifecycle"].clone(), plan.warnings)
    };
    let host = with(member(&[]), "/spec/hostNetwork", json!(true));
    let host = with(host, "/spec/dnsPolicy", json!("ClusterFirstWithHostNet"));
    assert_eq!(hook(&host), (Value::Null, vec![]));
    assert_eq!(hook(&pod(json!({"cairn.dev/coordinate": "peers"}))), (Value::Null, vec![]));
    let (held, warnings) = hook(&member(&[("validity", "60s")]));
    assert_eq!(held, Value::Null);
    assert_eq!(
        warnings,
        [
            "Cairn: the pod's terminationGracePeriodSeconds of 30 may end before its shards are handed \
             over; set it to 69 or more, or set a shorter cairn.dev/validity"
        ]
    );
    let longer =
        with(member(&[("validity", "60s")]), "/spec/terminationGracePeriodSeconds", json!(69));
    assert_eq!(hook(&longer).1, Vec::<String>::new());
}

#[test]
fn a_member_needs_nothing_more_when_it_is_looked_at_again_later() {
    for before in [member(&[]), member(&[("pool", "snowflake"), ("tags", "a=$b")])] {
        let after = Fixture::new().inject(&before);
        let again = Fixture::new().later().decide(&after).unwrap();
        assert!(again.patch.is_empty(), "{}", String::from_utf8_lossy(&again.patch.to_json()));
    }
    let mut changed = Fixture::new().inject(&member(&[]));
    let golden = changed.clone();
    changed["spec"]["initContainers"][0]["lifecycle"] = json!({});
    assert_eq!(Fixture::new().later().inject(&changed), golden);
}

#[test]
fn the_generation_is_that_of_the_workload() {
    let generation = |labels: Value| {
        let pod = with(member(&[("group", "g")]), "/metadata/labels", labels);
        let after = Fixture::new().inject(&pod);
        let args = own_args(&after).into_iter().filter(|arg| arg.starts_with("--generation="));
        args.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(generation(json!({"controller-revision-hash": "web-6c"})), ["--generation=web-6c"]);
    assert_eq!(generation(json!({"app": "x"})), Vec::<String>::new());
}

#[test]
fn a_group_is_needed_and_may_be_given_beside_a_cluster_pool() {
    let bare = with(member(&[]), "/metadata/ownerReferences", json!([]));
    assert_eq!(
        Fixture::new().refuse(&bare),
        "annotation 'cairn.dev/coordinate' needs a group, and this pod has no controller that names one; add \
         cairn.dev/group: NAME, which all pods of the group have"
    );
    let given = with(member(&[("group", "g")]), "/metadata/ownerReferences", json!([]));
    assert_eq!(own_args(&Fixture::new().inject(&given))[0], "--group=g");
    let cluster = member(&[("pool", "snowflake"), ("group", "g"), ("stop", "self")]);
    assert_eq!(own_args(&Fixture::new().inject(&cluster))[0], "--group=g");
}

#[test]
fn a_refusal_names_the_annotation_that_the_pod_has() {
    let windows = with(member(&[]), "/spec/os", json!({"name": "windows"}));
    assert_eq!(
        Fixture::new().refuse(&windows),
        "Cairn runs on Linux nodes only; remove cairn.dev/coordinate from this Windows pod"
    );
}

#[test]
fn an_app_is_stopped_after_a_lost_session_only_if_the_pod_says_so() {
    let probe =
        |pod: &Value| Fixture::new().inject(pod)["spec"]["containers"][0]["livenessProbe"].clone();
    assert_eq!(probe(&member(&[])), Value::Null);
    assert_eq!(probe(&member(&[("on-loss", "Stop"), ("stop", "self")])), Value::Null);
    let stops = member(&[("on-loss", "Stop"), ("validity", "3s")]);
    let found = probe(&stops);
    assert_eq!(found["httpGet"], json!({"path": "/app/livez/app", "port": 24041}));
    assert_eq!((&found["periodSeconds"], &found["failureThreshold"]), (&json!(1), &json!(4)));
    let after = Fixture::new().inject(&stops);
    assert!(strings(&sidecar(&after)["args"]).contains(&"--on-loss=Stop"));
    assert!(Fixture::new().later().decide(&after).unwrap().patch.is_empty());
    assert_eq!(
        Fixture::new().refuse(&member(&[("on-loss", "Stop"), ("gate", "none")])),
        "annotation 'cairn.dev/gate: none' lets the app run without a session, so Cairn cannot stop it when its \
         session is lost; remove it, or set cairn.dev/stop: self and let the app watch valid_until_boottime_ns in \
         /var/run/cairn/shards.json"
    );
}
