//! The expressions of the chart's alerts and dashboard, and the series that they select.

use std::fs;

use cairn_plane::process::repository;
use serde_json::Value;

/// An expression and where it stands.
pub(crate) struct Expression {
    pub(crate) place: String,
    pub(crate) text: String,
}

/// The expressions of all alerts.
pub(crate) fn of_alerts() -> Vec<Expression> {
    let text = file("alerts.yaml");
    let alerts: Value = serde_saphyr::from_str(&text).unwrap();
    let groups = alerts["groups"].as_array().unwrap();
    let rules = groups.iter().flat_map(|group| group["rules"].as_array().unwrap());
    rules
        .map(|rule| Expression {
            place: rule["alert"].as_str().unwrap().to_owned(),
            text: rule["expr"].as_str().unwrap().to_owned(),
        })
        .collect()
}

/// The expressions of all panels, with Grafana's variables filled in.
pub(crate) fn of_dashboard() -> Vec<Expression> {
    let dashboard: Value = serde_json::from_str(&file("dashboard.json")).unwrap();
    let mut found = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let text = target["expr"].as_str().unwrap();
            let text = text.replace("$__rate_interval", "1m").replace("$pool", ".*");
            let place = panel["title"].as_str().unwrap().to_owned();
            found.push(Expression { place, text });
        }
    }
    found
}

/// The selectors of a syntax tree, as Prometheus returned it.
pub(crate) fn selectors(tree: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect(tree, &mut found);
    found
}

fn collect(tree: &Value, found: &mut Vec<String>) {
    match tree {
        Value::Object(node) => {
            let kind = node.get("type").and_then(Value::as_str);
            if matches!(kind, Some("vectorSelector" | "matrixSelector")) {
                found.push(selector(tree));
            }
            node.values().for_each(|below| collect(below, found));
        }
        Value::Array(nodes) => nodes.iter().for_each(|below| collect(below, found)),
        _ => {}
    }
}

fn selector(node: &Value) -> String {
    let matchers = node["matchers"].as_array().into_iter().flatten();
    let matcher = |matcher: &Value| {
        let text = |key: &str| matcher[key].as_str().unwrap_or_default().to_owned();
        format!("{}{}{:?}", text("name"), text("type"), text("value"))
    };
    let matchers: Vec<String> = matchers.map(matcher).collect();
    format!("{{{}}}", matchers.join(","))
}

fn file(name: &str) -> String {
    let path = repository().join("charts/cairn/files").join(name);
    fs::read_to_string(path).unwrap()
}
