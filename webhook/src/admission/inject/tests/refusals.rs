//! Bad input and the sentences it gets.

use super::*;

#[test]
fn every_refusal_is_a_message_that_says_what_to_do() {
    let asks = |pool: &str| pod(json!({"cairn.dev/pool": pool}));
    let plus = |key: &str, value: &str| pod(json!({"cairn.dev/pool": "mountains", key: value}));
    let put = |pointer: &str, value: Value| with(mountains(), pointer, value);
    let host = put("/spec/hostNetwork", json!(true));
    let cases = [
        (asks("montains"), "pool 'montains' does not exist; did you mean 'mountains'?"),
        (
            asks("colours"),
            "pool 'colours' does not exist; use one of broken, mountains, snowflake, tea, or create it as a Pool",
        ),
        (
            asks("broken"),
            "pool 'broken' cannot be used: name 'x' is in the list twice; every name may appear once; \
             correct it with: kubectl edit pool broken",
        ),
        (
            asks("tea"),
            "namespace 'shop' may not claim from pool 'tea'; choose another pool, or have its \
             spec.allowedNamespaces select the namespace",
        ),
        (
            pod(json!({"cairn.dev/pool": "snowflake", "cairn.dev/group": "g"})),
            "annotation 'cairn.dev/group: g' has no meaning for pool 'snowflake', whose names are unique in the \
             whole cluster; remove it",
        ),
        (
            plus("cairn.dev/grupo", "x"),
            "annotation 'cairn.dev/grupo' is not known; did you mean 'cairn.dev/group'?",
        ),
        (
            put("/metadata/labels", json!({"cairn.dev/pool": "x"})),
            "'cairn.dev/pool' is set as a label; move it to the annotations of the pod template",
        ),
        (
            put("/spec/os", json!({"name": "windows"})),
            "Cairn runs on Linux nodes only; remove cairn.dev/pool from this Windows pod",
        ),
        (
            put("/spec/nodeSelector", json!({"kubernetes.io/os": "windows"})),
            "Cairn runs on Linux nodes only; remove cairn.dev/pool from this Windows pod",
        ),
        (
            put("/spec/nodeSelector", json!({"type": "virtual-kubelet"})),
            "virtual nodes do not run sidecars as Cairn needs them; remove cairn.dev/pool, or the virtual-kubelet \
             node selector and toleration",
        ),
        (
            host,
            "a hostNetwork pod with dnsPolicy ClusterFirst cannot resolve services of the cluster; set dnsPolicy: \
             ClusterFirstWithHostNet",
        ),
        (
            put(
                "/spec/containers/0/volumeMounts",
                json!([{"name": "v", "mountPath": "/run/cairn/x"}]),
            ),
            "container 'app' already mounts '/run/cairn/x', where Cairn's files go; move that mount, or leave the \
             container out with cairn.dev/containers",
        ),
        (
            put("/spec/containers/0/env", json!([{"name": "CAIRN_NAME", "value": "x"}])),
            "container 'app' already sets CAIRN_NAME, which Cairn sets; remove it, or set cairn.dev/env: none",
        ),
        (
            put("/spec/volumes", json!([{"name": "cairn", "emptyDir": {}}])),
            "the name 'cairn' is taken by another volume, and Cairn needs it; rename that volume",
        ),
        (
            put("/spec/initContainers", json!([{"name": "cairn", "image": "x"}])),
            "the name 'cairn' is taken by another container, and Cairn's sidecar needs it; rename that container",
        ),
        (
            put("/spec/containers", json!([{"name": "cairn", "image": "x"}])),
            "the name 'cairn' is taken by another container, and Cairn's sidecar needs it; rename that container",
        ),
        (
            plus("cairn.dev/containers", "ap"),
            "annotation 'cairn.dev/containers' names container 'ap', which the pod does not have; did you mean 'app'?",
        ),
        (
            plus("cairn.dev/containers", "database"),
            "annotation 'cairn.dev/containers' names container 'database', which the pod does not have; it has app",
        ),
    ];
    for (pod, message) in cases {
        assert_eq!(Fixture::new().refuse(&pod), message);
    }
}

#[test]
fn a_pod_whose_app_cannot_be_stopped_is_refused_with_the_ways_out() {
    let stop = || pod(json!({"cairn.dev/pool": "snowflake"}));
    let plus = |key: &str, value: &str| pod(json!({"cairn.dev/pool": "snowflake", key: value}));
    let host = with(stop(), "/spec/hostNetwork", json!(true));
    let host = with(host, "/spec/dnsPolicy", json!("ClusterFirstWithHostNet"));
    let exec = json!({"exec": {"command": ["true"]}, "periodSeconds": 10});
    let cases = [
        (
            plus("cairn.dev/gate", "none"),
            "annotation 'cairn.dev/gate: none' lets the app run without a claim, so Cairn cannot stop it when its \
             claim on pool 'snowflake' is lost; remove it, or set cairn.dev/stop: self and let the app watch \
             valid_until in /var/run/cairn/snowflake/claim.json",
        ),
        (
            host,
            "a hostNetwork app cannot be stopped by Cairn when its claim on pool 'snowflake' is lost; remove \
             hostNetwork, or set cairn.dev/stop: self and let the app watch valid_until in \
             /var/run/cairn/snowflake/claim.json",
        ),
        (
            plus("cairn.dev/env", "annotation"),
            "annotation 'cairn.dev/env: annotation' gives variables that outlive a claim, but apps of pool \
             'snowflake' must not start again with an old one; use file or none, or set cairn.dev/stop: self and \
             let the app watch valid_until in /var/run/cairn/snowflake/claim.json",
        ),
        (
            pod(json!({"cairn.dev/pool": "tea"})),
            "pool 'tea' has onLoss: Stop and a quarantine of 2s, which is too short to stop an app in; give the \
             pool at least 5s, or set cairn.dev/stop: self and let the app watch valid_until in \
             /var/run/cairn/tea/claim.json",
        ),
        (
            with(stop(), "/spec/containers/0/livenessProbe", exec),
            "container 'app': its livenessProbe is an exec probe, which the sidecar cannot run in the app's \
             container; use httpGet, tcpSocket or grpc, leave the container out with cairn.dev/containers, or set \
             cairn.dev/stop: self and let the app watch valid_until in /var/run/cairn/snowflake/claim.json",
        ),
        (
            with(stop(), "/spec/containers/0/startupProbe", json!({"httpGet": {"port": "web"}})),
            "container 'app': its startupProbe names the port 'web', which is none of the container's ports; \
             correct it, leave the container out with cairn.dev/containers, or set cairn.dev/stop: self and let \
             the app watch valid_until in /var/run/cairn/snowflake/claim.json",
        ),
    ];
    let fixture = Fixture::new().labelled("team", "a");
    for (mut pod, message) in cases {
        assert_eq!(fixture.refuse(&pod), message);
        pod["metadata"]["annotations"]["cairn.dev/stop"] = json!("self");
        assert!(fixture.decide(&pod).is_ok(), "{pod}");
    }
}

#[test]
fn env_files_are_refused_where_an_old_kubelet_would_give_empty_values() {
    let pod = pod(json!({"cairn.dev/pool": "mountains", "cairn.dev/env": "file"}));
    assert_eq!(
        Fixture::new().without_env_files().refuse(&pod),
        "annotation 'cairn.dev/env: file' needs Kubernetes 1.35 or newer, which this cluster does not have; use auto \
         or annotation"
    );
    let fixture = Fixture::new().with_old_node("pool", "old");
    assert_eq!(
        fixture.refuse(&pod),
        "annotation 'cairn.dev/env: file' needs Kubernetes 1.35 or newer on every Linux node that the pod can run on, \
         and node 'old-1' has v1.34.1-eks-abc; keep the pod off such nodes with a nodeSelector, or use auto or \
         annotation"
    );
    assert!(fixture.decide(&with(pod, "/spec/nodeSelector", json!({"pool": "new"}))).is_ok());
}

#[test]
fn a_namespace_that_is_selected_may_claim() {
    let pod = pod(json!({"cairn.dev/pool": "tea", "cairn.dev/stop": "self"}));
    assert!(Fixture::new().labelled("team", "a").decide(&pod).is_ok());
}

#[test]
fn a_group_applies_to_the_namespace_pools_beside_a_cluster_pool() {
    let pod = pod(json!({"cairn.dev/pool": "snowflake,mountains", "cairn.dev/group": "g"}));
    assert!(Fixture::new().decide(&pod).is_ok());
}

/// The API server sends none. Its mounts would be replaced by Cairn's.
#[test]
fn an_init_container_that_cannot_be_read_is_refused() {
    for container in [json!({"name": 1}), json!(null), json!({"name": "a", "volumeMounts": {}})] {
        let pod = with(mountains(), "/spec/initContainers", json!([container]));
        let said = Fixture::new().refuse(&pod);
        assert!(said.starts_with("an init container is not one that Cairn can read: "), "{said}");
    }
}
