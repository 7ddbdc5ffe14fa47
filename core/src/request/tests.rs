use super::*;

type Pairs<'a> = &'a [(&'a str, &'a str)];

fn parse(annotations: Pairs<'_>, labels: Pairs<'_>) -> Result<Option<Request>, RequestError> {
    Request::parse(annotations.iter().copied(), labels.iter().copied())
}

#[test]
fn the_pool_annotation_alone_is_a_complete_request() {
    let request = parse(&[("cairn.dev/pool", "mountains")], &[]).unwrap().unwrap();
    assert_eq!(
        request,
        Request {
            pools: vec!["mountains".parse().unwrap()],
            group: None,
            prefix: None,
            containers: None,
            env: EnvChoice::Auto,
            gate: Gate::Startup,
            resources: Resources::default(),
            stop: StoppedBy::Sidecar,
            coordination: None,
        }
    );
}

#[test]
fn every_input_annotation_is_parsed_and_the_order_of_pools_is_kept() {
    let request = parse(
        &[
            ("cairn.dev/pool", "snowflake, mountains"),
            ("cairn.dev/group", "checkout"),
            ("cairn.dev/prefix", "app.{name}"),
            ("cairn.dev/containers", "app, worker"),
            ("cairn.dev/env", "file"),
            ("cairn.dev/gate", "startup"),
            ("cairn.dev/resources", "cpu=10m"),
            ("cairn.dev/stop", "self"),
            ("cairn.dev/status", "{}"),
            ("claim.cairn.dev/mountains", "Denali"),
            ("example.com/other", "x"),
        ],
        &[("cairn.dev/injected", "true"), ("app", "checkout")],
    )
    .unwrap()
    .unwrap();
    let pools: Vec<_> = request.pools.iter().map(PoolName::as_str).collect();
    assert_eq!(pools, ["snowflake", "mountains"]);
    assert_eq!(request.group.unwrap().as_str(), "checkout");
    assert_eq!(request.containers.unwrap(), ["app", "worker"]);
    assert_eq!(request.env, EnvChoice::File);
    assert_eq!(request.stop, StoppedBy::App);
}

#[test]
fn a_pod_without_input_annotations_has_not_opted_in() {
    assert_eq!(parse(&[("a", "b")], &[("app", "x")]), Ok(None));
    assert_eq!(parse(&[("cairn.dev/status", "{}")], &[]), Ok(None));
}

#[test]
fn a_pod_without_a_gate_gets_no_variables() {
    let request = parse(&[("cairn.dev/pool", "a"), ("cairn.dev/gate", "none")], &[]);
    assert_eq!(request.unwrap().unwrap().env, EnvChoice::None);
}

#[test]
fn bad_annotations_are_refused_with_a_message_that_says_what_to_write() {
    let pool = ("cairn.dev/pool", "mountains");
    let long = (0..17).map(|i| format!("p{i}")).collect::<Vec<_>>().join(",");
    let cases: &[(Pairs<'_>, &str)] = &[
        (
            &[("cairn.dev/pol", "x")],
            "annotation 'cairn.dev/pol' is not known; did you mean 'cairn.dev/pool'?",
        ),
        (
            &[pool, ("cairn.dev/colour", "x")],
            "annotation 'cairn.dev/colour' is not known; Cairn reads the annotations cairn.dev/pool, \
             cairn.dev/group, cairn.dev/prefix, cairn.dev/containers, cairn.dev/env, cairn.dev/gate, \
             cairn.dev/resources, cairn.dev/stop, cairn.dev/coordinate, cairn.dev/shards, cairn.dev/shard-hash, \
             cairn.dev/validity, cairn.dev/heartbeat, cairn.dev/confirm, cairn.dev/on-loss, cairn.dev/endpoints, \
             cairn.dev/tags, cairn.dev/weight, cairn.dev/participate, cairn.dev/min-participants",
        ),
        (
            &[("cairn.dev/group", "a")],
            "annotation 'cairn.dev/group' does nothing alone; add cairn.dev/pool: mountains or \
             cairn.dev/coordinate: peers, or remove it",
        ),
        (
            &[("cairn.dev/pool", " ")],
            "annotation 'cairn.dev/pool' is empty; name a pool, like mountains",
        ),
        (
            &[("cairn.dev/pool", "a,,b")],
            "annotation 'cairn.dev/pool' is 'a,,b' with nothing between two commas; write it like mountains,snowflake",
        ),
        (
            &[("cairn.dev/pool", "a,b,a")],
            "annotation 'cairn.dev/pool' names pool 'a' twice; name it once",
        ),
        (
            &[("cairn.dev/pool", &long)],
            "annotation 'cairn.dev/pool' names 17 pools; a pod can claim from at most 16",
        ),
        (
            &[("cairn.dev/pool", "Mountains")],
            "annotation 'cairn.dev/pool': pool name 'Mountains' is not valid; use 1 to 40 lower-case \
             letters, digits and '-', starting with a letter and not ending with '-'",
        ),
        (
            &[("cairn.dev/pool", "env")],
            "annotation 'cairn.dev/pool': pool name 'env' is reserved for a file in the shared volume; choose another",
        ),
        (
            &[pool, ("cairn.dev/group", "a/b")],
            "annotation 'cairn.dev/group': group 'a/b' is not valid; use 1 to 253 letters, digits, '-', \
             '_' and '.', starting with a letter or digit",
        ),
        (
            &[pool, ("cairn.dev/prefix", "{nmae}")],
            "annotation 'cairn.dev/prefix': prefix placeholder '{nmae}' is not known; did you mean '{name}'?",
        ),
        (
            &[pool, ("cairn.dev/containers", ",")],
            "annotation 'cairn.dev/containers' names no container; list app containers like app,worker, or remove it",
        ),
        (
            &[pool, ("cairn.dev/containers", "app,app")],
            "annotation 'cairn.dev/containers' names container 'app' twice; name it once",
        ),
        (
            &[pool, ("cairn.dev/env", "flie")],
            "annotation 'cairn.dev/env' is 'flie'; did you mean 'file'?",
        ),
        (
            &[pool, ("cairn.dev/env", "yes")],
            "annotation 'cairn.dev/env' is 'yes'; use auto, file, annotation, none",
        ),
        (
            &[pool, ("cairn.dev/gate", "closed")],
            "annotation 'cairn.dev/gate' is 'closed'; use startup, none",
        ),
        (
            &[pool, ("cairn.dev/stop", "slef")],
            "annotation 'cairn.dev/stop' is 'slef'; did you mean 'self'?",
        ),
        (
            &[pool, ("cairn.dev/stop", "kubelet")],
            "annotation 'cairn.dev/stop' is 'kubelet'; use sidecar, self",
        ),
        (
            &[pool, ("cairn.dev/gate", "none"), ("cairn.dev/env", "file")],
            "annotation 'cairn.dev/env: file' needs an app that waits for its claim; remove \
             'cairn.dev/gate: none', or set 'cairn.dev/env: none' too",
        ),
        (
            &[pool, ("cairn.dev/resources", "cpu")],
            "annotation 'cairn.dev/resources': 'cpu' is not an entry; write it like cpu=10m,memory=32Mi",
        ),
    ];
    for (annotations, message) in cases {
        let error = parse(annotations, &[]).unwrap_err();
        assert_eq!(&error.to_string(), message);
    }
}

#[test]
fn a_label_that_should_be_an_annotation_has_another_message_than_an_unknown_label() {
    let say = |label| parse(&[], &[(label, "x")]).unwrap_err().to_string();
    assert_eq!(
        say("cairn.dev/pool"),
        "'cairn.dev/pool' is set as a label; move it to the annotations of the pod template"
    );
    assert_eq!(
        say("cairn.dev/pools"),
        "label 'cairn.dev/pools' is not known; did you mean 'cairn.dev/pool'?"
    );
    assert_eq!(
        say("cairn.dev/injected"),
        "label 'cairn.dev/injected' is set by Cairn itself; remove it and ask with the annotation \
         cairn.dev/pool: mountains"
    );
}
