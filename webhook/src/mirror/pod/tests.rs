use serde_json::{Value, json};

use super::*;

#[test]
fn of_a_pods_annotations_only_ours_are_kept() {
    let annotations = BTreeMap::from(
        [
            ("cairn.dev/pool", "snowflake, mountains,snowflake,N0"),
            ("cairn.dev/group", "checkout"),
            ("cairn.dev/status", "{}"),
            ("claim.cairn.dev/mountains", "Denali"),
            ("kubectl.kubernetes.io/last-applied-configuration", "{}"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned())),
    );
    let shown = shown(annotations);
    let asked: Vec<&str> = shown.asked.iter().map(PoolName::as_str).collect();
    assert_eq!(asked, ["mountains", "snowflake"]);
    let results: Vec<&str> = shown.results.iter().map(|(key, _)| key).collect();
    assert_eq!(results, ["cairn.dev/status", "claim.cairn.dev/mountains"]);
}

#[test]
fn of_the_metadata_only_what_is_needed_is_kept() {
    let pod: PodObject = serde_json::from_value(json!({"metadata": {
        "name": "p", "namespace": "shop", "uid": "u1", "resourceVersion": "7",
        "creationTimestamp": "2026-11-21T02:00:00Z", "generation": 1, "selfLink": null,
        "labels": {"app": "web"}, "annotations": {"cairn.dev/status": "{}"},
        "managedFields": [{"manager": "kubelet", "fieldsV1": {"f:metadata": {"f:labels": {".": {}}}}}],
    }}))
    .unwrap();
    assert_eq!((id(&pod.metadata).unwrap().uid.as_str(), version(&pod.metadata)), ("u1", Some(7)));
    assert!(pod.metadata.labels.is_some() && pod.metadata.annotations.is_some());
    assert_eq!((pod.metadata.managed_fields, pod.metadata.generation), (None, None));
}

#[test]
fn group_and_prefix_are_read_from_the_sidecars_arguments() {
    let pod: PodObject = serde_json::from_value(json!({"spec": {"initContainers": [
        {"name": "other", "args": ["--group=wrong"]},
        {"name": "cairn", "args": ["--group=checkout", "--prefix=app.{name}"]},
    ]}}))
    .unwrap();
    let facts = pod.facts();
    assert_eq!(facts.group.as_ref().map(Group::as_str), Some("checkout"));
    assert_eq!(facts.prefix.as_ref().map(Template::as_str), Some("app.{name}"));
}

#[test]
fn the_pods_of_a_controller_whose_name_looks_generated_have_a_hint_unless_they_name_a_group() {
    let hint = |owner: &str, annotations: Value| {
        let pod: PodObject = serde_json::from_value(json!({"metadata": {
            "annotations": annotations,
            "ownerReferences": [{
                "apiVersion": "batch/v1", "kind": "Job", "name": owner, "uid": "j", "controller": true,
            }],
        }}))
        .unwrap();
        pod.facts().group_hint
    };
    let said = hint("mail-x7k2p", json!({})).unwrap();
    assert!(said.ends_with("set cairn.dev/group: mail"), "{said}");
    assert_eq!(hint("mail-x7k2p", json!({"cairn.dev/group": "mail"})), None);
    assert_eq!(hint("mail-x7k2p", json!({"cairn.dev/generate-name": "mail-"})), None);
    assert_eq!(hint("mail", json!({})), None);
}

/// A pod with two app containers in these states, deleted at 03:00:00 or not.
fn life(phase: &str, deleted: bool, states: &[Value], policy: &str) -> Life {
    let statuses: Vec<Value> = states.iter().map(|state| json!({"state": state})).collect();
    let mut pod = json!({
        "spec": {"containers": [{"name": "a"}, {"name": "b"}], "restartPolicy": policy},
        "status": {"phase": phase, "containerStatuses": statuses},
        "metadata": {},
    });
    if deleted {
        pod["metadata"] =
            json!({"deletionTimestamp": "2026-11-21T03:00:30Z", "deletionGracePeriodSeconds": 30});
    }
    serde_json::from_value::<PodObject>(pod).unwrap().life()
}

#[test]
fn a_pod_has_ended_once_none_of_its_app_containers_runs_or_will() {
    let ended = |at: &str| json!({"terminated": {"exitCode": 0, "finishedAt": format!("2026-11-21T{at}Z")}});
    let running = json!({"running": {"startedAt": "2026-11-21T02:00:00Z"}});
    let waiting = json!({"waiting": {"reason": "CrashLoopBackOff"}});
    let (before, after) = (ended("02:59:59"), ended("03:00:00"));
    for (phase, deleted, states, policy, expected) in [
        ("Succeeded", false, vec![], "Never", Life::Ended),
        ("Failed", false, vec![], "Always", Life::Ended),
        ("Failed", false, vec![running.clone()], "Always", Life::Leaves),
        ("Running", false, vec![before.clone(), before.clone()], "Never", Life::Runs),
        ("Running", true, vec![running.clone(), after.clone()], "Always", Life::Leaves),
        ("Running", true, vec![waiting, after.clone()], "Always", Life::Leaves),
        ("Running", true, vec![after.clone(), after.clone()], "Always", Life::Ended),
        ("Running", true, vec![after.clone()], "Always", Life::Leaves),
        ("Pending", true, vec![], "Always", Life::Leaves),
        // The kubelet may start it once more before it hears of the deletion.
        ("Running", true, vec![before.clone(), after.clone()], "Always", Life::Leaves),
        ("Running", true, vec![before, after], "Never", Life::Ended),
    ] {
        assert_eq!(life(phase, deleted, &states, policy), expected, "{phase} {deleted} {states:?}");
    }
}
