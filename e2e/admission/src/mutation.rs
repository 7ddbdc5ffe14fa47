//! Manifests that the bytes of a fuzzer have damaged, so that most of them still look like pods.
//!
//! The first two bytes choose a pod of the corpus. Then each four bytes are one change: what to do, where (two bytes,
//! among all places of the object), and with which value of a dictionary. Any bytes are valid.

use serde_json::{Value, json};

/// A pod that no change can make larger is enough.
const MOST_CHANGES: usize = 12;

/// Values of the wrong kind, values at their limits, and names that mean something to Cairn.
pub fn dictionary() -> Vec<Value> {
    let mut values = vec![
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(-1),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(1.5),
        json!([]),
        json!({}),
        json!([null]),
        json!([[]]),
        json!([{}]),
        json!({"": ""}),
        json!([1, "a"]),
        json!({"name": "cairn"}),
        json!({"name": "cairn", "emptyDir": {}}),
        json!({"name": "app", "mountPath": "/var/run/cairn"}),
        json!({"name": "cairn", "mountPath": "/var/run/cairn"}),
        json!({"name": "cairn", "restartPolicy": "Always", "args": ["--in-pod"]}),
        json!({"name": "CAIRN_NAME", "value": "x"}),
        json!({"name": "CAIRN_NAME", "valueFrom": {}}),
        json!({"name": "CAIRN_NAME", "valueFrom": {"fileKeyRef": {"volumeName": "cairn", "path": "env", "key": "k"}}}),
        json!({"httpGet": {"path": "/app/livez/app", "port": 24041}}),
        json!({"httpGet": {"port": "http"}}),
        json!({"exec": {"command": ["true"]}}),
        json!({"grpc": {"port": 1}}),
        json!({"tcpSocket": {"port": 70000}}),
        json!({"preStop": null}),
        json!({"preStop": {"sleep": {"seconds": 1}}}),
        json!({"requests": {"cpu": "1"}, "limits": {"cpu": "1", "memory": "1Gi"}}),
        json!({"limits": {"cpu": 1}}),
    ];
    let texts = [
        "",
        " ",
        "a",
        "/",
        "~",
        "~0/~1",
        "cairn",
        "app",
        "Always",
        "windows",
        "mountains",
        "snowflake",
        "hasty",
        "many-0,many-1",
        "mountains,snowflake",
        "mountains,,",
        "montains",
        "none",
        "file",
        "annotation",
        "auto",
        "startup",
        "self",
        "peers",
        "leader,shards",
        "64",
        "99999999999999999999",
        "10s",
        "1h",
        "-1s",
        "required",
        "Stop",
        "http=8080",
        "http=",
        "a=b,c=d",
        "{name}",
        "{nmae}",
        "$(CAIRN_NAME)",
        "$$",
        "\u{0}",
        "\u{1F3D4}",
        "\u{202e}",
        "/var/run/cairn",
        "/run/cairn/",
        "--in-pod",
        "--app-probes={}",
        "--app-probes={\"container\":\"app\"}",
        "--probe-token=",
        "--admitted=2026-01-01T00:00:00Z",
        "ClusterFirst",
        "istio-proxy",
        "cairn-token",
        "requests.cpu=10m",
        "limits.memory=1Ei,requests.memory=-1",
        "true",
    ];
    values.extend(texts.map(Value::from));
    values.push(json!("x".repeat(5_000)));
    values
}

/// Keys that are put into maps, most of them annotations.
pub const KEYS: [&str; 33] = [
    "",
    "name",
    "env",
    "args",
    "value",
    "valueFrom",
    "volumeMounts",
    "initContainers",
    "containers",
    "volumes",
    "livenessProbe",
    "startupProbe",
    "readinessProbe",
    "lifecycle",
    "restartPolicy",
    "resources",
    "ports",
    "securityContext",
    "hostNetwork",
    "os",
    "labels",
    "annotations",
    "cairn.dev/pool",
    "cairn.dev/group",
    "cairn.dev/prefix",
    "cairn.dev/containers",
    "cairn.dev/env",
    "cairn.dev/gate",
    "cairn.dev/coordinate",
    "cairn.dev/shards",
    "cairn.dev/stop",
    "cairn.dev/status",
    "claim.cairn.dev/mountains",
];

/// The pod that these bytes mean.
pub fn pod(bytes: &[u8], pods: &[Value], dictionary: &[Value]) -> Value {
    let (first, changes) = bytes.split_at(bytes.len().min(2));
    let mut pod = pick(pods, number(first)).cloned().unwrap_or_default();
    for change in changes.chunks(4).take(MOST_CHANGES) {
        let (what, rest) = change.split_first().map_or((0, change), |(what, rest)| (*what, rest));
        let (place, with) = rest.split_at(rest.len().min(2));
        let pointers = pointers(&pod);
        let pointer = pick(&pointers, number(place)).cloned().unwrap_or_default();
        let value = pick(dictionary, number(with)).cloned().unwrap_or_default();
        let Some(target) = pod.pointer_mut(&pointer) else { continue };
        apply(target, what, number(with), value);
    }
    pod
}

fn apply(target: &mut Value, what: u8, with: usize, value: Value) {
    match (what % 6, target) {
        (0, target) => *target = value,
        (1, Value::Object(map)) => {
            map.insert(
                pick(&KEYS, usize::from(what / 6)).copied().unwrap_or_default().to_owned(),
                value,
            );
        }
        (1 | 2, Value::Array(items)) => items.push(value),
        (2, Value::Object(map)) => {
            let key = map.keys().nth(with % map.len().max(1)).cloned().unwrap_or_default();
            map.remove(&key);
        }
        (3, Value::Array(items)) => items.reverse(),
        (4, Value::Array(items)) => {
            if let Some(item) = pick(items, with).cloned() {
                items.push(item);
            }
        }
        (5, Value::Array(items)) if !items.is_empty() => {
            items.remove(with % items.len());
        }
        _ => {}
    }
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, byte| number * 256 + usize::from(*byte))
}

fn pick<T>(items: &[T], index: usize) -> Option<&T> {
    items.get(index % items.len().max(1))
}

/// The JSON pointers of all values, outer ones first.
fn pointers(value: &Value) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut at = 0;
    while let Some(pointer) = found.get(at).cloned() {
        at += 1;
        match value.pointer(&pointer) {
            Some(Value::Object(map)) => {
                let escaped = map.keys().map(|key| key.replace('~', "~0").replace('/', "~1"));
                found.extend(escaped.map(|key| format!("{pointer}/{key}")));
            }
            Some(Value::Array(items)) => {
                found.extend((0..items.len()).map(|index| format!("{pointer}/{index}")));
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_choose_a_pod_a_place_and_a_value() {
        let pods = [json!({"a": 1}), json!({"b": [1, 2]})];
        assert_eq!(pod(&[], &pods, &[]), pods[0]);
        assert_eq!(pod(&[0, 1, 0, 0, 1, 0], &pods, &[json!("x")]), json!({"b": "x"}));
        assert_eq!(pod(&[0, 1, 3, 0, 1, 0], &pods, &[json!("x")]), json!({"b": [2, 1]}));
        assert_eq!(pod(&[0, 0, 1, 0, 0, 0], &pods, &[json!("x")]), json!({"a": 1, "": "x"}));
    }

    #[test]
    fn every_place_has_a_pointer() {
        assert_eq!(pointers(&json!({"a/b": [{"c": 1}]})), ["", "/a~1b", "/a~1b/0", "/a~1b/0/c"]);
    }
}
