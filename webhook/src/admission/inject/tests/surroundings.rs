//! What the cluster around a pod demands: meshes, DNS, nodes, and volumes above Cairn's.

use super::*;
use crate::admission::settings::DnsNeed;

const KUMA: &str = "traffic.kuma.io/exclude-outbound-ports";
const CONSUL: &str = "consul.hashicorp.com/transparent-proxy-exclude-outbound-ports";
const LINKERD: &str = "config.linkerd.io/skip-outbound-ports";

fn annotations(fixture: &Fixture, pod: &Value) -> Value {
    fixture.inject(pod)["metadata"]["annotations"].clone()
}

#[test]
fn kuma_leaves_our_ports_alone_where_namespace_pod_or_proxy_say_that_it_injects() {
    let by_namespace = Fixture::new().labelled("kuma.io/sidecar-injection", "enabled");
    let found = annotations(&by_namespace, &mountains());
    assert_eq!(found[KUMA], "2379,8443");
    assert_eq!(found["traffic.kuma.io/exclude-inbound-ports"], "24041");
    let mut labelled = mountains();
    labelled["metadata"]["labels"] = json!({"kuma.io/sidecar-injection": "true"});
    labelled["metadata"]["annotations"][KUMA] = json!("5432");
    assert_eq!(annotations(&Fixture::new(), &labelled)[KUMA], "5432,2379,8443");
    labelled["metadata"]["labels"] = json!({"kuma.io/sidecar-injection": "disabled"});
    assert_eq!(annotations(&by_namespace, &labelled)[KUMA], "5432");
    let proxy = json!([{"name": "kuma-sidecar", "restartPolicy": "Always"}]);
    let injected = with(mountains(), "/spec/initContainers", proxy);
    assert_eq!(annotations(&Fixture::new(), &injected)[KUMA], "2379,8443");
}

#[test]
fn consul_leaves_our_ports_alone_where_pod_or_proxy_say_that_it_injects() {
    let asks = |value: &str| {
        pod(json!({"cairn.dev/pool": "mountains", "consul.hashicorp.com/connect-inject": value}))
    };
    let found = annotations(&Fixture::new(), &asks("true"));
    assert_eq!(found[CONSUL], "2379,8443");
    assert_eq!(found["consul.hashicorp.com/transparent-proxy-exclude-inbound-ports"], "24041");
    assert_eq!(annotations(&Fixture::new(), &asks("false")).get(CONSUL), None);
    let proxy = json!({"name": "consul-dataplane", "image": "p"});
    let injected = with(mountains(), "/spec/containers/-", proxy);
    assert_eq!(annotations(&Fixture::new(), &injected)[CONSUL], "2379,8443");
}

#[test]
fn linkerds_ports_of_the_namespace_are_kept_because_a_list_on_the_pod_replaces_them() {
    let mut fixture = Fixture::new();
    fixture.namespace.linkerd = true;
    fixture.namespace.mesh_ports = BTreeMap::from([(LINKERD.to_owned(), "4222,6222".to_owned())]);
    assert_eq!(annotations(&fixture, &mountains())[LINKERD], "4222,6222,2379,8443");
    let own = pod(json!({"cairn.dev/pool": "mountains", LINKERD: "3306"}));
    assert_eq!(annotations(&fixture, &own)[LINKERD], "3306,2379,8443");
}

#[test]
fn a_pod_that_cannot_resolve_the_clusters_services_is_refused() {
    let policy = |policy: &str, config: Value| {
        let pod = with(mountains(), "/spec/dnsPolicy", json!(policy));
        with(pod, "/spec/dnsConfig", config)
    };
    let short = Fixture::new();
    assert_eq!(
        short.refuse(&policy("Default", json!({}))),
        "a pod with dnsPolicy Default cannot resolve services of the cluster, and Cairn's sidecar needs them; set \
         dnsPolicy: ClusterFirst, or give dnsConfig nameservers that know them"
    );
    let servers = json!({"nameservers": ["10.96.0.10"]});
    assert_eq!(
        short.refuse(&policy("None", servers.clone())),
        "a pod with dnsPolicy None or Default needs dnsConfig.searches with the cluster's domain, so that Cairn's \
         sidecar finds its services; add cluster.local or what the cluster's domain is, or set the chart's \
         clusterDomain"
    );
    let searches = json!({"nameservers": ["10.96.0.10"], "searches": ["cluster.local"]});
    assert!(short.decide(&policy("None", searches.clone())).is_ok());
    assert!(short.decide(&policy("Default", searches)).is_ok());
    let mut full = Fixture::new();
    full.settings.dns = DnsNeed::ClusterDns;
    assert!(full.decide(&policy("None", servers)).is_ok());
    assert!(full.decide(&policy("Default", json!({}))).is_err());
    full.settings.dns = DnsNeed::Any;
    assert!(full.decide(&policy("Default", json!({}))).is_ok(), "agent and etcd are outside");
}

#[test]
fn a_pod_that_only_windows_nodes_may_run_is_refused_by_its_affinity() {
    let requires = |terms: Value| {
        with(
            mountains(),
            "/spec/affinity",
            json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": terms,
            }}}),
        )
    };
    let os = |operator: &str, values: Value| {
        let requirement =
            json!({"key": "kubernetes.io/os", "operator": operator, "values": values});
        json!({"matchExpressions": [requirement]})
    };
    let fixture = Fixture::new();
    assert_eq!(
        fixture.refuse(&requires(json!([os("In", json!(["windows"]))]))),
        "Cairn runs on Linux nodes only; remove cairn.dev/pool from this Windows pod"
    );
    for terms in [
        json!([os("In", json!(["windows", "linux"]))]),
        json!([os("In", json!(["windows"])), os("In", json!(["linux"]))]),
        json!([os("NotIn", json!(["windows"]))]),
        json!([]),
    ] {
        assert!(fixture.decide(&requires(terms.clone())).is_ok(), "{terms}");
    }
}

#[test]
fn a_volume_above_ours_must_be_writable() {
    let mounted = |mount: Value, volume: Value| {
        let mount = with(mountains(), "/spec/containers/0/volumeMounts", json!([mount]));
        with(mount, "/spec/volumes", json!([volume]))
    };
    let fixture = Fixture::new();
    let read_only = json!({"name": "v", "mountPath": "/var/run", "readOnly": true});
    assert_eq!(
        fixture.refuse(&mounted(read_only, json!({"name": "v", "emptyDir": {}}))),
        "container 'app' mounts a read-only volume at '/var/run', in which the folder for Cairn's files cannot be \
         made; mount it elsewhere or writable, or leave the container out with cairn.dev/containers"
    );
    let plain = json!({"name": "v", "mountPath": "/run/"});
    for kind in ["configMap", "secret", "projected", "downwardAPI", "image"] {
        let pod = mounted(plain.clone(), json!({"name": "v", kind: {}}));
        assert!(fixture.decide(&pod).is_err(), "{kind}");
    }
    for kind in ["emptyDir", "hostPath", "persistentVolumeClaim"] {
        let pod = mounted(plain.clone(), json!({"name": "v", kind: {}}));
        assert!(fixture.decide(&pod).is_ok(), "{kind}");
    }
    let elsewhere = json!({"name": "v", "mountPath": "/etc/app", "readOnly": true});
    assert!(fixture.decide(&mounted(elsewhere, json!({"name": "v", "configMap": {}}))).is_ok());
}

#[test]
fn a_node_that_runs_no_native_sidecars_is_warned_of() {
    let warnings =
        |version: &str| Fixture::new().with_node_of(version).decide(&mountains()).unwrap().warnings;
    assert_eq!(
        warnings("v1.28.4"),
        [concat!(
            "this pod may be placed on node 'n-1', which has v1.28.4 and runs no native sidecars, so it would not ",
            "start there; keep it off nodes older than v1.29 with a nodeSelector or an affinity"
        )]
    );
    assert!(warnings("v1.29.0").is_empty());
    let elsewhere = with(mountains(), "/spec/nodeSelector", json!({"pool": "new"}));
    let plan = Fixture::new().with_node_of("v1.28.4").decide(&elsewhere).unwrap();
    assert!(plan.warnings.is_empty());
}
