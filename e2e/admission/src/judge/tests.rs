//! The judge finds what is wrong.

use super::*;

fn before() -> Value {
    json!({
        "metadata": {"annotations": {"cairn.dev/pool": "mountains"}},
        "spec": {"containers": [{"name": "app", "env": [{"name": "A", "value": "$(CAIRN_NAME)"}]}]},
    })
}

fn after() -> Value {
    let variable = |name: &str| {
        let source = json!({"volumeName": "cairn", "path": "env", "key": name});
        json!({"name": name, "valueFrom": {"fileKeyRef": source}})
    };
    let mut env: Vec<Value> =
        names_of_variables(&before()).iter().map(|name| variable(name)).collect();
    env.push(json!({"name": "A", "value": "$(CAIRN_NAME)"}));
    let mount = json!({"name": "cairn", "mountPath": DIR, "readOnly": true});
    json!({
        "metadata": {
            "annotations": {"cairn.dev/pool": "mountains"}, "labels": {"cairn.dev/injected": "true"},
        },
        "spec": {
            "initContainers": [{"name": "cairn", "restartPolicy": "Always", "args": ["--in-pod"]}],
            "containers": [{"name": "app", "env": env, "volumeMounts": [mount]}],
            "volumes": [{"name": "cairn"}, {"name": "cairn-credentials"}, {"name": "cairn-token"}],
        },
    })
}

fn verdict(after: Value) -> Result<(), String> {
    let expected = Expected::Injected { containers: vec!["app".to_owned()], variables: true };
    judge(&before(), &Answer::Allowed(after, Vec::new()), &expected)
}

#[test]
fn a_pod_with_all_parts_is_right() {
    assert_eq!(verdict(after()), Ok(()));
    assert_eq!(references_resolve(&after()), Ok(()));
}

#[test]
fn each_missing_doubled_or_misplaced_part_is_found() {
    type Damage = fn(&mut Value);
    let damages: [(&str, Damage); 9] = [
        ("one sidecar", |pod| pod["spec"]["initContainers"] = json!([])),
        ("one sidecar", |pod| {
            let inits = pod["spec"]["initContainers"].as_array_mut().unwrap();
            inits.push(inits[0].clone());
        }),
        ("is not one", |pod| pod["spec"]["initContainers"][0]["restartPolicy"] = Value::Null),
        ("label", |pod| pod["metadata"]["labels"] = json!({})),
        ("volume cairn-token", |pod| pod["spec"]["volumes"][2]["name"] = json!("x")),
        ("mounts", |pod| {
            pod["spec"]["containers"][0]["volumeMounts"][0]["readOnly"] = json!(false)
        }),
        ("variables", |pod| pod["spec"]["containers"][0]["env"][0]["name"] = json!("X")),
        ("no source", |pod| pod["spec"]["containers"][0]["env"][0]["valueFrom"] = json!({})),
        ("lacks", |pod| pod["spec"]["containers"][0]["env"][6]["value"] = json!("other")),
    ];
    for (words, damage) in damages {
        let mut pod = after();
        damage(&mut pod);
        let said = verdict(pod).unwrap_err();
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[test]
fn a_container_that_waits_for_a_later_sidecar_is_found() {
    let mut pod = after();
    let early = json!({"name": "early", "volumeMounts": [{"name": "cairn", "mountPath": DIR, "readOnly": true}]});
    pod["spec"]["initContainers"].as_array_mut().unwrap().insert(0, early);
    assert!(verdict(pod).unwrap_err().contains("starts before the sidecar"));
}

#[test]
fn a_reference_before_its_variable_is_found() {
    let mut pod = after();
    pod["spec"]["containers"][0]["env"].as_array_mut().unwrap().reverse();
    assert!(references_resolve(&pod).is_err());
}

#[test]
fn an_untouched_pod_has_nothing_of_cairns_and_a_stripped_one_no_results() {
    let allowed = |pod: &Value| Answer::Allowed(pod.clone(), Vec::new());
    assert!(judge(&before(), &allowed(&before()), &Expected::Untouched).is_ok());
    assert!(judge(&before(), &allowed(&after()), &Expected::Untouched).is_err());
    let mut copied = before();
    copied["metadata"]["annotations"]["claim.cairn.dev/mountains"] = json!("Denali");
    assert!(judge(&copied, &allowed(&before()), &Expected::Stripped).is_ok());
    assert!(judge(&copied, &allowed(&copied), &Expected::Stripped).is_err());
}
