//! What an admitted pod must look like, by its expectation. Written from docs/pods.md and not from the code.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::corpus::Expected;
use crate::review::Answer;

mod survival;

pub use survival::covers;

/// The mount of every container with an identity.
const DIR: &str = "/var/run/cairn";
/// The volumes that only the sidecar mounts.
const OF_SIDECAR: [&str; 3] = ["cairn-credentials", "cairn-token", "cairn-annotations"];

/// What is wrong with the answer to the creation of `before`.
pub fn judge(before: &Value, answer: &Answer, expected: &Expected) -> Result<(), String> {
    match (expected, answer) {
        (Expected::Refused(words), Answer::Refused(message)) if message.contains(words) => Ok(()),
        (Expected::Refused(_), other) => Err(format!("not refused as expected: {other:?}")),
        (_, Answer::Refused(message)) => Err(format!("refused: {message}")),
        (Expected::Untouched, Answer::Allowed(after, _)) => same(before, after),
        (Expected::Stripped, Answer::Allowed(after, _)) => {
            let mut stripped = before.clone();
            if let Some(annotations) = stripped["metadata"]["annotations"].as_object_mut() {
                annotations.retain(|key, _| !is_result(key));
            }
            same(&stripped, after)
        }
        (Expected::Injected { containers, variables }, Answer::Allowed(after, _)) => {
            injected(before, after, containers, *variables)
        }
    }
}

/// Whether one annotation is a result, which only Cairn's mirror writes.
fn is_result(key: &str) -> bool {
    key == "cairn.dev/status" || key.starts_with("claim.cairn.dev/")
}

/// The API server adds defaults, so the pod must have everything that it had, and nothing of Cairn's.
fn same(before: &Value, after: &Value) -> Result<(), String> {
    covers(after, before, "")?;
    let ours = |list: &str| {
        named(&after["spec"][list]).any(|name| name == "cairn" || OF_SIDECAR.contains(&name))
    };
    if let Some(list) =
        ["initContainers", "containers", "volumes"].into_iter().find(|list| ours(list))
    {
        return Err(format!("{list} has something of Cairn's"));
    }
    let annotations = after["metadata"]["annotations"].as_object();
    match annotations.and_then(|all| all.keys().find(|key| is_result(key))) {
        Some(key) => Err(format!("annotation {key} was left")),
        None => Ok(()),
    }
}

fn injected(
    before: &Value,
    after: &Value,
    equipped: &[String],
    variables: bool,
) -> Result<(), String> {
    let spec = &after["spec"];
    sidecar(spec)?;
    if after["metadata"]["labels"]["cairn.dev/injected"] != "true" {
        return Err("the label cairn.dev/injected is missing".to_owned());
    }
    let annotations = after["metadata"]["annotations"].as_object();
    if let Some(key) = annotations.and_then(|all| all.keys().find(|key| is_result(key))) {
        return Err(format!("annotation {key} was left"));
    }
    let volumes: Vec<&str> = named(&spec["volumes"]).collect();
    for volume in ["cairn", "cairn-credentials", "cairn-token"] {
        if volumes.iter().filter(|name| **name == volume).count() != 1 {
            return Err(format!("volume {volume} is not there once: {volumes:?}"));
        }
    }
    let expected = if variables { names_of_variables(before) } else { BTreeSet::new() };
    let present: BTreeSet<&str> = others(spec).filter_map(|one| one["name"].as_str()).collect();
    if let Some(missing) = equipped.iter().find(|name| !present.contains(name.as_str())) {
        return Err(format!("there is no container {missing}"));
    }
    for container in others(spec) {
        let name = container["name"].as_str().unwrap_or_default();
        let is_equipped = equipped.iter().any(|one| one == name);
        mounts(container, is_equipped).map_err(|what| format!("container {name}: {what}"))?;
        let expected = if is_equipped { expected.clone() } else { BTreeSet::new() };
        env(container, &expected).map_err(|what| format!("container {name}: {what}"))?;
    }
    survival::of_author(before, after)
}

/// There is one sidecar, before all containers that need it.
fn sidecar(spec: &Value) -> Result<(), String> {
    let count = |list: &str| named(&spec[list]).filter(|name| *name == "cairn").count();
    if (count("initContainers"), count("containers")) != (1, 0) {
        return Err("there is not exactly one sidecar".to_owned());
    }
    let inits = spec["initContainers"].as_array().into_iter().flatten();
    for container in inits {
        if container["name"] == "cairn" {
            let has = |arg: &str| {
                container["args"].as_array().into_iter().flatten().any(|found| found == arg)
            };
            return if container["restartPolicy"] != "Always" || !has("--in-pod") {
                Err(format!("the sidecar is not one: {container}"))
            } else {
                Ok(())
            };
        }
        let depends = named(&container["env"]).any(is_variable)
            || mounts_of(container).any(|mount| mount["name"] == "cairn");
        if depends {
            return Err(format!(
                "{} starts before the sidecar that it waits for",
                container["name"]
            ));
        }
    }
    Ok(())
}

fn mounts(container: &Value, is_equipped: bool) -> Result<(), String> {
    let ours: Vec<&Value> = mounts_of(container).filter(|mount| mount["name"] == "cairn").collect();
    let foreign = |mount: &&Value| OF_SIDECAR.iter().any(|name| mount["name"] == *name);
    if let Some(mount) = mounts_of(container).find(foreign) {
        return Err(format!("it mounts {mount}"));
    }
    match (is_equipped, ours.as_slice()) {
        (false, []) => Ok(()),
        (true, [one]) if one["mountPath"] == DIR && one["readOnly"] == true => Ok(()),
        _ => Err(format!("its mounts of Cairn's are {ours:?}")),
    }
}

fn env(container: &Value, expected: &BTreeSet<String>) -> Result<(), String> {
    let ours: Vec<&Value> = container["env"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|var| is_variable(var["name"].as_str().unwrap_or_default()))
        .collect();
    let names: BTreeSet<String> =
        ours.iter().filter_map(|var| var["name"].as_str().map(str::to_owned)).collect();
    if names != *expected || ours.len() != expected.len() {
        return Err(format!("its variables are {ours:?} and not {expected:?}"));
    }
    let sourced = |var: &&&Value| {
        let source = &var["valueFrom"];
        let annotation = source["fieldRef"]["fieldPath"].as_str().unwrap_or_default();
        let file = json!({"volumeName": "cairn", "path": "env", "key": var["name"]});
        annotation.starts_with("metadata.annotations['claim.cairn.dev/")
            || covers(&source["fileKeyRef"], &file, "").is_ok()
    };
    match ours.iter().find(|var| !sourced(var)) {
        Some(var) => Err(format!("{var} has no source")),
        None => Ok(()),
    }
}

/// Whether every variable of Cairn's stands before those that may refer to it, as in `$(CAIRN_NAME)`.
pub fn references_resolve(pod: &Value) -> Result<(), String> {
    for container in others(&pod["spec"]) {
        let mut foreign = None;
        for name in named(&container["env"]) {
            match foreign {
                Some(before) if is_variable(name) => {
                    return Err(format!("{name} comes after {before} in {}", container["name"]));
                }
                _ if !is_variable(name) => foreign = Some(name),
                _ => {}
            }
        }
    }
    Ok(())
}

/// `CAIRN_NAME` and the others of the first pool, and `CAIRN_TEAM_A_NAME` and the others of each pool.
fn names_of_variables(pod: &Value) -> BTreeSet<String> {
    let asked = pod["metadata"]["annotations"]["cairn.dev/pool"].as_str().unwrap_or_default();
    let pools = asked.split(',').map(|pool| pool.trim().to_uppercase().replace('-', "_") + "_");
    let mut starts: Vec<String> = pools.filter(|pool| pool != "_").collect();
    if !starts.is_empty() {
        starts.push(String::new());
    }
    let all =
        |start: &String| ["NAME", "PREFIX", "FENCE"].map(|what| format!("CAIRN_{start}{what}"));
    starts.iter().flat_map(all).collect()
}

fn is_variable(name: &str) -> bool {
    name.starts_with("CAIRN_") && ["NAME", "PREFIX", "FENCE"].iter().any(|end| name.ends_with(end))
}

/// All containers but the sidecar.
fn others(spec: &Value) -> impl Iterator<Item = &Value> {
    let of = |list: &str| spec[list].as_array().into_iter().flatten();
    of("initContainers").chain(of("containers")).filter(|container| container["name"] != "cairn")
}

fn mounts_of(container: &Value) -> impl Iterator<Item = &Value> {
    container["volumeMounts"].as_array().into_iter().flatten()
}

fn named(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(|item| item["name"].as_str())
}

#[cfg(test)]
mod tests;
