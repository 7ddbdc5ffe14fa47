use proptest::prelude::*;

use super::*;

fn parse(json: &str) -> Result<AppProbe, AppProbeError> {
    AppProbe::parse(json, |name| (name == "web").then_some(8080))
}

#[test]
fn a_probe_with_every_field_is_read() {
    let json = r#"{"httpGet":{"path":"/healthz?full","port":"web","host":"10.0.0.9","scheme":"HTTPS",
        "httpHeaders":[{"name":"X-A","value":"b $(C)"}]},"initialDelaySeconds":3,"periodSeconds":4,
        "timeoutSeconds":5,"successThreshold":1,"failureThreshold":6,"terminationGracePeriodSeconds":7}"#;
    let probe = parse(json).unwrap();
    let action = ProbeAction::Http(HttpGet {
        path: "/healthz?full".into(),
        port: 8080,
        host: Some("10.0.0.9".into()),
        tls: true,
        headers: vec![("X-A".into(), "b $(C)".into())],
    });
    let expected = AppProbe {
        action,
        initial_delay: 3,
        period: 4,
        timeout: 5,
        failure_threshold: 6,
        termination_grace: Some(7),
    };
    assert_eq!(probe, expected);
}

#[test]
fn fields_that_a_probe_leaves_out_have_kubernetes_defaults() {
    let probe = parse(r#"{"tcpSocket":{"port":"5432"}}"#).unwrap();
    assert_eq!(probe.action, ProbeAction::Tcp(TcpSocket { port: 5432, host: None }));
    let numbers = (probe.initial_delay, probe.period, probe.timeout, probe.failure_threshold);
    assert_eq!(numbers, (0, 10, 1, 3));
    let probe = parse(r#"{"grpc":{"port":9000,"service":""}}"#).unwrap();
    assert_eq!(probe.action, ProbeAction::Grpc(GrpcCheck { port: 9000, service: String::new() }));
    assert_eq!(parse(r#"{"httpGet":{"port":1}}"#).unwrap().to_value()["httpGet"]["path"], "/");
}

#[test]
fn a_path_is_encoded_for_the_request_line() {
    for (path, sent) in [("", "/"), ("live", "/live"), ("/a b#c", "/a%20b"), ("/é", "/%C3%A9")] {
        let json = serde_json::json!({"httpGet": {"path": path, "port": 1}}).to_string();
        assert_eq!(parse(&json).unwrap().to_value()["httpGet"]["path"], sent);
    }
}

#[test]
fn a_probe_that_the_sidecar_cannot_run_is_refused_with_the_reason() {
    for (json, reason) in [
        (
            r#"{"exec":{"command":["true"]}}"#,
            "is an exec probe, which the sidecar cannot run in the app's container",
        ),
        ("{}", "must have exactly one of httpGet, tcpSocket and grpc"),
        (
            r#"{"httpGet":{"port":"http"}}"#,
            "names the port 'http', which is none of the container's ports",
        ),
        (r#"{"tcpSocket":{"port":0}}"#, "has the port 0, which is not between 1 and 65535"),
        (
            r#"{"httpGet":{"port":1,"httpHeaders":[{"name":"A","value":"b\nc"}]}}"#,
            "has the header 'A', which cannot be sent",
        ),
        (r#"{"tcpSocket":{"port":1},"periodSeconds":0}"#, "has periodSeconds below its minimum"),
        (
            r#"{"tcpSocket":{"port":1},"successThreshold":2}"#,
            "has a successThreshold of 2, which must be 1",
        ),
    ] {
        assert_eq!(parse(json).unwrap_err().to_string(), reason);
    }
    let newer = parse(r#"{"httpGet":{"port":1,"method":"HEAD"}}"#).unwrap_err().to_string();
    assert!(newer.starts_with("cannot be read: unknown field `method`"), "{newer}");
}

fn any_probe() -> impl Strategy<Value = AppProbe> {
    let host = proptest::option::of("[a-z0-9.]{1,12}");
    let header = ("[A-Za-z-]{1,8}", "[ -~]{0,12}");
    let http = ("/[a-z0-9/?=&%]{0,12}", 1_u16.., host.clone(), any::<bool>());
    let action = prop_oneof![
        (http, proptest::collection::vec(header, 0..3)).prop_map(
            |((path, port, host, tls), headers)| {
                ProbeAction::Http(HttpGet { path, port, host, tls, headers })
            }
        ),
        (1_u16.., host).prop_map(|(port, host)| ProbeAction::Tcp(TcpSocket { port, host })),
        (1_u16.., "[a-z.]{0,8}")
            .prop_map(|(port, service)| ProbeAction::Grpc(GrpcCheck { port, service })),
    ];
    let small = 1_u32..40;
    (action, 0_u32..40, small.clone(), small.clone(), small, proptest::option::of(1_u64..40))
        .prop_map(|(action, initial_delay, period, timeout, failure_threshold, grace)| AppProbe {
            action,
            initial_delay,
            period,
            timeout,
            failure_threshold,
            termination_grace: grace,
        })
}

proptest! {
    #[test]
    fn probes_that_are_printed_are_parsed_back_to_themselves(
        liveness in proptest::option::of(any_probe()), startup in proptest::option::of(any_probe()),
    ) {
        let probes = AppProbes { container: "app".into(), liveness, startup };
        let read: AppProbes = serde_json::from_str(&probes.to_json()).unwrap();
        prop_assert_eq!(read, probes);
    }
}
