//! What app containers get: the mount, read-only, and the variables, before their own.

use std::collections::BTreeSet;

use cairn_core::contract::{annotation, env, path, pod as names};
use cairn_core::identity::claim_annotation;
use cairn_core::pool::PoolName;
use cairn_core::request::Request;
use cairn_core::suggest;
use serde_json::{Value, json};

use super::super::patch::Patch;
use super::super::refusal::Refusal;
use super::super::sidecar_spec::Sidecar;
use super::super::view::{Container, EnvVar, Pod};
use super::EnvMode;
use super::place::MESH_PROXIES;

/// `/var/run` is a link to `/run` in most images, so both lead to the same place.
const DIR_ALIAS: &str = "/run/cairn";

/// An app container that gets the identity.
pub(super) struct Target<'c, 'a> {
    /// The container.
    pub(super) container: &'c Container<'a>,
    /// Where it stands in the pod, as a JSON pointer.
    pub(super) path: String,
}

/// The containers that get the identity: those named, or all but mesh proxies.
pub(super) fn targets<'c, 'a>(
    request: &Request,
    pod: &'c Pod<'a>,
    inits: &[Container<'_>],
) -> Result<Vec<Target<'c, 'a>>, Refusal> {
    let all = &pod.spec.containers;
    for name in request.containers.iter().flatten() {
        if all.iter().any(|container| *container.name == **name) {
            continue;
        }
        if inits.iter().any(|container| *container.name == **name) {
            return Err(Refusal::InitContainer { name: name.clone() });
        }
        return Err(Refusal::UnknownContainer { name: name.clone(), advice: advice(name, all) });
    }
    let wanted = |container: &Container<'_>| match &request.containers {
        Some(names) => names.iter().any(|name| **name == *container.name),
        None => !MESH_PROXIES.contains(&&*container.name),
    };
    if all.iter().any(|container| *container.name == *names::CONTAINER) {
        return Err(Refusal::ContainerTaken(names::CONTAINER));
    }
    let chosen = all.iter().enumerate().filter(|(_, container)| wanted(container));
    Ok(chosen
        .map(|(index, container)| Target { container, path: format!("/spec/containers/{index}") })
        .collect())
}

/// Makes sure that one container has the mount and the variables.
pub(super) fn equip(
    target: &Target<'_, '_>,
    sidecar: &Sidecar<'_>,
    injected: bool,
    patch: &mut Patch,
) -> Result<(), Refusal> {
    mount(target, injected, patch)?;
    let wanted = variables(sidecar);
    let present = &target.container.env;
    let taken = |name: &str| present.iter().find(|var| *var.name == *name);
    let mut missing = Vec::with_capacity(wanted.len());
    for (name, source) in wanted {
        match taken(&name) {
            Some(var) if injected && is_ours(var) => {}
            Some(_) => {
                return Err(Refusal::EnvTaken {
                    container: target.container.name.to_string(),
                    name,
                });
            }
            None => missing.push(json!({"name": name, "valueFrom": source})),
        }
    }
    patch.prepend(&format!("{}/env", target.path), !present.is_empty(), missing);
    Ok(())
}

fn mount(target: &Target<'_, '_>, injected: bool, patch: &mut Patch) -> Result<(), Refusal> {
    let mounts = &target.container.volume_mounts;
    let inside = |place: &str| {
        [path::DIR, DIR_ALIAS].into_iter().any(|dir| {
            place.strip_prefix(dir).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    };
    let mut present = false;
    for mount in mounts {
        if injected && *mount.name == *names::VOLUME && *mount.mount_path == *path::DIR {
            present = true;
        } else if inside(&mount.mount_path) {
            return Err(Refusal::MountTaken {
                container: target.container.name.to_string(),
                path: mount.mount_path.to_string(),
            });
        }
    }
    if !present {
        let ours = json!({"name": names::VOLUME, "mountPath": path::DIR, "readOnly": true});
        let list = format!("{}/volumeMounts", target.path);
        patch.append(&list, !mounts.is_empty(), vec![ours]);
    }
    Ok(())
}

/// The variables and where their values come from.
fn variables(sidecar: &Sidecar<'_>) -> Vec<(String, Value)> {
    let names = sidecar.pools.iter().map(|pool| &pool.name);
    match sidecar.mode {
        EnvMode::None => Vec::new(),
        EnvMode::File => from_file(names),
        EnvMode::Annotation => from_annotations(names),
    }
}

fn from_file<'p>(pools: impl Iterator<Item = &'p PoolName>) -> Vec<(String, Value)> {
    let plain = [env::NAME, env::PREFIX, env::FENCE].map(str::to_owned);
    let of_pools =
        pools.flat_map(|pool| ["NAME", "PREFIX", "FENCE"].map(|what| env::of_pool(pool, what)));
    plain
        .into_iter()
        .chain(of_pools)
        .map(|key| {
            let source = json!({"fileKeyRef": {
                "volumeName": names::VOLUME, "path": path::ENV, "key": key,
            }});
            (key, source)
        })
        .collect()
}

/// The mirror writes names only, so names are all that there is.
fn from_annotations<'p>(pools: impl Iterator<Item = &'p PoolName>) -> Vec<(String, Value)> {
    let field = |pool: &PoolName| {
        let path = format!("metadata.annotations['{}']", claim_annotation(pool));
        json!({"fieldRef": {"fieldPath": path}})
    };
    let mut variables = Vec::new();
    for pool in pools {
        if variables.is_empty() {
            variables.push((env::NAME.to_owned(), field(pool)));
        }
        variables.push((env::of_pool(pool, "NAME"), field(pool)));
    }
    variables
}

/// Whether a variable takes its value from Cairn, by either way.
fn is_ours(var: &EnvVar<'_>) -> bool {
    let Some(source) = var.value_from else {
        return false;
    };
    let source: Value = serde_json::from_str(source.get()).unwrap_or_default();
    let at = |pointer: &str| source.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    at("/fileKeyRef/volumeName") == names::VOLUME
        || at("/fieldRef/fieldPath")
            .strip_prefix("metadata.annotations['")
            .is_some_and(|key| key.starts_with(annotation::CLAIM_PREFIX))
}

fn advice(name: &str, all: &[Container<'_>]) -> String {
    let known: BTreeSet<&str> = all.iter().map(|container| &*container.name).collect();
    if let Some(near) = suggest::nearest(name, known.iter().copied()) {
        return format!("did you mean '{near}'?");
    }
    let list: Vec<&str> = known.into_iter().collect();
    format!("it has {}", list.join(", "))
}
