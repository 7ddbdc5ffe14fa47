//! Pods and nodes as users write them, and a second matcher to compare with.

use std::collections::HashMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::view::Pod;

fn node(labels: &[(&str, &str)], taints: &[(&str, &str, &str)]) -> OldNode {
    let text = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    let taint = |(key, value, effect): &(&str, &str, &str)| Taint {
        key: (*key).to_owned(),
        value: (*value).to_owned(),
        effect: (*effect).to_owned(),
    };
    OldNode {
        name: "old-1".to_owned(),
        version: "v1.34.0".to_owned(),
        labels: labels.iter().map(text).collect(),
        taints: taints.iter().map(taint).collect(),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "reads better at twenty callers")]
fn runs(spec: Value, node: &OldNode) -> bool {
    let mut pod = json!({"spec": {"containers": []}});
    pod["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    let raw = pod.to_string();
    let pod: Pod<'_> = serde_json::from_str(&raw).unwrap();
    may_run(&pod.spec, node)
}

#[expect(clippy::needless_pass_by_value, reason = "reads better at twenty callers")]
fn affine(terms: Value) -> Value {
    json!({"affinity": {"nodeAffinity": {
        "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": {}}],
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms},
    }}})
}

fn expression(key: &str, operator: &str, values: &[&str]) -> Value {
    json!({"key": key, "operator": operator, "values": values})
}

#[test]
fn a_pod_without_rules_runs_on_every_node_without_taints() {
    assert!(runs(json!({}), &node(&[], &[])));
    assert!(runs(
        json!({"affinity": null, "nodeName": null, "tolerations": null}),
        &node(&[], &[])
    ));
}

#[test]
fn a_node_selector_wants_every_label() {
    let old = node(&[("pool", "old"), ("zone", "a")], &[]);
    assert!(runs(json!({"nodeSelector": {"pool": "old", "zone": "a"}}), &old));
    assert!(!runs(json!({"nodeSelector": {"pool": "old", "zone": "b"}}), &old));
    assert!(!runs(json!({"nodeSelector": {"gpu": ""}}), &old));
}

#[test]
fn a_pod_that_names_its_node_runs_there_and_nowhere_else_whatever_else_it_says() {
    let old = node(&[], &[("gpu", "", "NoSchedule")]);
    assert!(runs(json!({"nodeName": "old-1", "nodeSelector": {"x": "y"}}), &old));
    assert!(!runs(json!({"nodeName": "new-1"}), &old));
}

#[test]
fn one_term_is_enough_and_in_a_term_everything_counts() {
    let old = node(&[("pool", "old")], &[]);
    let (yes, no) = (expression("pool", "In", &["old"]), expression("pool", "In", &["new"]));
    let term = |expressions: &[&Value]| json!({"matchExpressions": expressions});
    assert!(runs(affine(json!([term(&[&no]), term(&[&yes])])), &old));
    assert!(!runs(affine(json!([term(&[&no, &yes])])), &old));
    assert!(!runs(affine(json!([])), &old), "no term selects nothing");
    assert!(!runs(affine(json!([{}])), &old), "an empty term selects nothing");
}

#[test]
fn a_node_can_be_selected_by_its_name() {
    let old = node(&[], &[]);
    let named = |operator: &str, name: &str| {
        affine(json!([{"matchFields": [expression("metadata.name", operator, &[name])]}]))
    };
    assert!(runs(named("In", "old-1"), &old));
    assert!(!runs(named("In", "new-1"), &old), "a DaemonSet's pod for another node");
    assert!(!runs(named("NotIn", "old-1"), &old));
}

#[test]
fn every_operator_means_what_kubernetes_means() {
    let old = node(&[("cores", "8"), ("pool", "old")], &[]);
    for (key, operator, values, holds) in [
        ("pool", "In", &["new", "old"][..], true),
        ("none", "In", &["old"], false),
        ("pool", "NotIn", &["new"], true),
        ("pool", "NotIn", &["old"], false),
        ("none", "NotIn", &["old"], true),
        ("pool", "Exists", &[], true),
        ("none", "Exists", &[], false),
        ("pool", "DoesNotExist", &[], false),
        ("none", "DoesNotExist", &[], true),
        ("cores", "Gt", &["4"], true),
        ("cores", "Gt", &["8"], false),
        ("cores", "Lt", &["16"], true),
        ("cores", "Lt", &["8"], false),
        ("pool", "Gt", &["4"], false),
        ("none", "Lt", &["4"], false),
        ("cores", "Gt", &["many"], false),
        ("pool", "NewerThanThisProgram", &["x"], true),
    ] {
        let spec = affine(json!([{"matchExpressions": [expression(key, operator, values)]}]));
        assert_eq!(runs(spec, &old), holds, "{key} {operator} {values:?}");
    }
}

#[test]
fn every_taint_must_be_tolerated() {
    let old = node(&[], &[("gpu", "a100", "NoSchedule"), ("team", "x", "NoExecute")]);
    let tolerating = |tolerations: Value| runs(json!({"tolerations": tolerations}), &old);
    let gpu = json!({"key": "gpu", "operator": "Equal", "value": "a100", "effect": "NoSchedule"});
    let team = json!({"key": "team", "operator": "Exists", "tolerationSeconds": 5});
    assert!(tolerating(json!([gpu, team])));
    assert!(tolerating(json!([{"operator": "Exists"}])));
    assert!(!tolerating(json!([])));
    assert!(!tolerating(json!([gpu])));
    assert!(!tolerating(json!([team, {"key": "gpu", "value": "t4"}])));
    assert!(!tolerating(
        json!([team, {"key": "gpu", "operator": "Exists", "effect": "NoExecute"}])
    ));
    assert!(tolerating(json!([team, {"key": "gpu", "operator": "NewerThanThisProgram"}])));
}

/// Kubernetes' rules once more, written as a search for a reason against the node.
fn reason_against(spec: &Value, node: &OldNode) -> Option<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for (key, value) in spec["nodeSelector"].as_object().into_iter().flatten() {
        if node.labels.get(key) != Some(&text(value)) {
            return Some(format!("selector {key}"));
        }
    }
    let required =
        &spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    if let Some(terms) = required["nodeSelectorTerms"].as_array() {
        let fails = |term: &Value| {
            let expressions = term["matchExpressions"].as_array().unwrap();
            expressions.is_empty()
                || expressions.iter().any(|e| {
                    let label = node.labels.get(&text(&e["key"]));
                    let values: Vec<String> =
                        e["values"].as_array().unwrap().iter().map(text).collect();
                    let number = |text: &String| text.parse::<i64>().ok();
                    match e["operator"].as_str().unwrap() {
                        "In" => label.is_none() || !values.contains(label.unwrap()),
                        "NotIn" => label.is_some() && values.contains(label.unwrap()),
                        "Exists" => label.is_none(),
                        "DoesNotExist" => label.is_some(),
                        operator => {
                            let pair = label.and_then(number).zip(values.first().and_then(number));
                            pair.is_none_or(|(label, bound)| {
                                if operator == "Gt" { label <= bound } else { label >= bound }
                            })
                        }
                    }
                })
        };
        if terms.iter().all(fails) {
            return Some("affinity".to_owned());
        }
    }
    for taint in &node.taints {
        let mut tolerated = false;
        for toleration in spec["tolerations"].as_array().into_iter().flatten() {
            let (key, effect) = (text(&toleration["key"]), text(&toleration["effect"]));
            if !effect.is_empty() && effect != taint.effect || !key.is_empty() && key != taint.key {
                continue;
            }
            tolerated |=
                toleration["operator"] == "Exists" || text(&toleration["value"]) == taint.value;
        }
        if !tolerated {
            return Some(format!("taint {}", taint.key));
        }
    }
    None
}

fn word() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "3", "7"]).prop_map(str::to_owned)
}

fn effect() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["NoSchedule", "NoExecute"]).prop_map(str::to_owned)
}

fn any_expression() -> impl Strategy<Value = Value> {
    let operator = prop::sample::select(vec!["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]);
    (word(), operator, prop::collection::vec(word(), 0..3)).prop_map(
        |(key, operator, values)| json!({"key": key, "operator": operator, "values": values}),
    )
}

fn any_toleration() -> impl Strategy<Value = Value> {
    let operator = prop::sample::select(vec!["", "Equal", "Exists"]);
    let effect = prop_oneof![Just(String::new()), effect()];
    let key = prop_oneof![Just(String::new()), word()];
    (key, operator, word(), effect).prop_map(|(key, operator, value, effect)| {
        json!({"key": key, "operator": operator, "value": value, "effect": effect})
    })
}

fn any_spec() -> impl Strategy<Value = Value> {
    let terms = prop::collection::vec(prop::collection::vec(any_expression(), 0..3), 0..3);
    let selector = prop::collection::hash_map(word(), word(), 0..2);
    let tolerations = prop::collection::vec(any_toleration(), 0..3);
    (selector, prop::option::of(terms), tolerations).prop_map(|(selector, terms, tolerations)| {
        let mut spec = match terms {
            Some(terms) => affine(
                terms
                    .into_iter()
                    .map(|expressions| json!({"matchExpressions": expressions}))
                    .collect(),
            ),
            None => json!({}),
        };
        spec["nodeSelector"] = json!(selector);
        spec["tolerations"] = json!(tolerations);
        spec
    })
}

fn any_node() -> impl Strategy<Value = OldNode> {
    let labels = prop::collection::hash_map(word(), word(), 0..4);
    let taint =
        (word(), word(), effect()).prop_map(|(key, value, effect)| Taint { key, value, effect });
    let taints = prop::collection::vec(taint, 0..3);
    (labels, taints).prop_map(|(labels, taints): (HashMap<_, _>, _)| OldNode {
        labels,
        taints,
        ..node(&[], &[])
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn both_matchers_agree_on_every_pod_and_node(spec in any_spec(), node in any_node()) {
        let against = reason_against(&spec, &node);
        prop_assert_eq!(runs(spec, &node), against.is_none(), "{:?}", against);
    }
}
