use cairn_store::KeyValue;
use serde_json::{Value, json};

use super::super::finding::Level;
use super::*;

const SPEC: &str = r#"{"names":{"list":["only"]},"scope":"Cluster"}"#;

fn pod(annotations: &Value, status: &Value) -> Pod {
    let pod = json!({
        "metadata": {"name": "p", "namespace": "shop", "uid": "u", "annotations": annotations},
        "spec": {"containers": [], "initContainers": [{"name": "first"}, {"name": "cairn"}]},
        "status": status,
    });
    serde_json::from_value(pod).unwrap()
}

fn event(kind: &str, name: &str, message: &str) -> Event {
    let event = json!({
        "metadata": {}, "involvedObject": {"kind": kind, "name": name}, "message": message,
        "lastTimestamp": "2026-11-21T03:00:00Z",
    });
    serde_json::from_value(event).unwrap()
}

fn facts(pod: Option<Pod>) -> Facts {
    Facts { name: "p".into(), namespace: "shop".into(), pod, ..Facts::default() }
}

fn only(facts: &Facts) -> (Level, String) {
    let mut found = explain(facts);
    assert_eq!(found.len(), 1, "{found:?}");
    let found = found.remove(0);
    (found.level, found.message)
}

fn sidecar(state: &Value) -> Pod {
    let first = json!({"name": "first", "state": {"terminated": {"exitCode": 0}}});
    let mut ours =
        json!({"name": "cairn", "image": "", "imageID": "", "ready": false, "restartCount": 0});
    ours["state"] = state.clone();
    let mut first_status = ours.clone();
    first_status["name"] = first["name"].clone();
    first_status["state"] = first["state"].clone();
    pod(&json!({"cairn.dev/pool": "teas"}), &json!({"initContainerStatuses": [first_status, ours]}))
}

#[test]
fn a_pod_that_is_missing_was_perhaps_refused() {
    let mut refused = facts(None);
    assert!(only(&refused).1.starts_with("shop/p does not exist; see kubectl"));
    refused.name = "checkout-7d9-x2".into();
    refused.events = vec![event(
        "ReplicaSet",
        "checkout-7d9",
        "Error creating: admission webhook \"pods.cairn.dev\" denied the request: pool 'x' does not exist",
    )];
    let (level, message) = only(&refused);
    assert_eq!(level, Level::Problem);
    assert!(
        message.ends_with("'checkout-7d9' cannot create it, because pool 'x' does not exist"),
        "{message}"
    );
}

#[test]
fn a_pod_without_the_annotation_or_without_the_sidecar_is_told_apart() {
    let other = facts(Some(pod(&json!({}), &json!({}))));
    assert_eq!(only(&other).0, Level::Fine);
    let mut missed = pod(&json!({"cairn.dev/pool": "teas"}), &json!({}));
    missed.spec.as_mut().unwrap().init_containers = None;
    assert!(only(&facts(Some(missed))).1.contains("has no sidecar"));
}

#[test]
fn the_reason_is_the_first_thing_that_is_not_done() {
    let asks = json!({"cairn.dev/pool": "teas"});
    let unscheduled = json!({"conditions": [
        {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"},
    ]});
    let found = only(&facts(Some(pod(&asks, &unscheduled))));
    assert_eq!(found.1, "it is not on a node yet: 0/3 nodes are available");

    let pulling = json!({"waiting": {"reason": "ImagePullBackOff", "message": "not found"}});
    let found = only(&facts(Some(sidecar(&pulling))));
    assert_eq!(found.1, "its sidecar does not start (ImagePullBackOff): not found");

    let mut waits = facts(Some(sidecar(&json!({"running": {}}))));
    waits.events = vec![event("Pod", "p", "Startup probe failed: no member of etcd answers\n")];
    let found = only(&waits);
    assert_eq!(found.1, "its sidecar runs and holds the app back: no member of etcd answers");

    let mut before = sidecar(&json!({"waiting": {"reason": "PodInitializing"}}));
    let statuses = before.status.as_mut().unwrap().init_container_statuses.as_mut().unwrap();
    statuses[0].state = serde_json::from_value(json!({"running": {}})).unwrap();
    assert_eq!(
        only(&facts(Some(before.clone()))).1,
        "init container 'first' comes before its sidecar"
    );
    let statuses = before.status.as_mut().unwrap().init_container_statuses.as_mut().unwrap();
    statuses[0].state = serde_json::from_value(json!({"terminated": {"exitCode": 1}})).unwrap();
    assert_eq!(only(&facts(Some(before))).1, "init container 'first' comes before its sidecar");
}

#[test]
fn the_newest_words_of_the_sidecar_are_its_reason() {
    let words = |words: &str, time: &str| {
        let mut event = event("Pod", "p", &format!("Startup probe failed: {words}"));
        event.last_timestamp = serde_json::from_value(json!(time)).unwrap();
        event
    };
    let mut waits = facts(Some(sidecar(&json!({"running": {}}))));
    waits.events = vec![
        words("a", "2026-11-21T03:00:00Z"),
        words("the last", "2026-11-21T05:00:00Z"),
        words("b", "2026-11-21T04:00:00Z"),
    ];
    assert!(only(&waits).1.ends_with(": the last"), "{}", only(&waits).1);
}

#[test]
fn a_name_that_rests_is_not_free() {
    let mut keys = vec![
        key("/cairn/v1/pools/teas", SPEC, 1),
        key("/cairn/v1/cluster/teas/-/q/u", &ticket("u"), 3),
    ];
    let advice = |keys: &[KeyValue]| {
        let mut waits = facts(Some(sidecar(&json!({"running": {}}))));
        waits.claims = Some(Ok(Snapshot::read(keys)));
        explain(&waits).last().unwrap().message.clone()
    };
    let free = advice(&keys);
    assert!(
        free.contains("it is the next one; held: 0 of 1, resting: 0; a name is free"),
        "{free}"
    );
    keys.push(key("/cairn/v1/cluster/teas/-/x/only", "7", 2));
    let rests = advice(&keys);
    assert!(rests.contains("resting: 1; it goes on when a pod ends"), "{rests}");
}

fn key(key: &str, value: &str, revision: i64) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: value.as_bytes().to_vec(),
        create_revision: revision,
        mod_revision: revision,
        lease: 1,
    }
}

fn ticket(uid: &str) -> String {
    json!({"namespace": "shop", "pod": uid, "uid": uid, "node": "n", "incarnation": 1, "since": 0})
        .to_string()
}

#[test]
fn a_waiting_pod_has_a_rank_and_a_running_one_a_name() {
    let keys = [
        key("/cairn/v1/pools/teas", SPEC, 1),
        key("/cairn/v1/cluster/teas/-/q/other", &ticket("other"), 2),
        key("/cairn/v1/cluster/teas/-/q/u", &ticket("u"), 3),
    ];
    let snapshot = Snapshot::read(&keys);
    assert_eq!(snapshot.waiting.len(), 2, "{:?}", snapshot.errors);
    let mut waits = facts(Some(sidecar(&json!({"running": {}}))));
    waits.claims = Some(Ok(snapshot));
    let found = explain(&waits);
    let queue = &found.last().unwrap().message;
    assert!(
        queue.starts_with("it waits for a name of pool 'teas': 1 pod is ahead of it; held: 0 of 1"),
        "{queue}"
    );

    let mut runs = sidecar(&json!({"running": {}}));
    let status = json!({"teas": {"name": "only", "state": "held"}}).to_string();
    runs.metadata.annotations.as_mut().unwrap().insert("cairn.dev/status".into(), status);
    let statuses = runs.status.as_mut().unwrap().init_container_statuses.as_mut().unwrap();
    statuses[1].started = Some(true);
    let found = explain(&facts(Some(runs)));
    assert!(found.iter().all(|finding| finding.level == Level::Fine), "{found:?}");
    assert_eq!(found[1].message, "its claim on 'only' of pool 'teas' is held");
}
