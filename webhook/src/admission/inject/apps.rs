//! The containers that get the identity: each gets the read-only mount, and the variables before its own.
//!
//! Apps, native sidecars and init containers get the same, if they start after our container: before it there is no
//! claim.

use std::borrow::Cow;
use std::collections::BTreeSet;

use cairn_core::contract::{annotation, path, pod as names};
use cairn_core::identity::ClaimField;
use cairn_core::pool::PoolName;
use cairn_core::request::Request;
use cairn_core::suggest;
use serde_json::Value;
use serde_json::value::RawValue;

use super::placement::{self, MESH_CONTAINERS};
use crate::admission::api_types::{self, Source, Variable};
use crate::admission::loss::Loss;
use crate::admission::patch::Patch;
use crate::admission::refusal::Refusal;
use crate::admission::sidecar_spec::Sidecar;
use crate::env_mode::EnvMode;
use crate::view::{Container, EnvVar, Mount, Pod, Volume};

/// `/var/run` is a link to `/run` in most images.
const DIR_ALIAS: &str = "/run/cairn";
/// The folders above ours, also by that link.
const PARENTS: [&str; 3] = ["/var/run", "/run", "/var"];

/// A container that gets the identity.
pub(super) struct Target<'c, 'a> {
    /// The container.
    pub(super) container: &'c Container<'a>,
    /// Its JSON pointer in the pod.
    pub(super) path: String,
    /// Its kind.
    pub(super) kind: Kind,
}

/// The kinds of containers that can get the identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An app container.
    App,
    /// An init container with `restartPolicy: Always`: it runs beside the apps.
    NativeSidecar,
    /// An init container that ends before the apps start.
    Init,
}

/// The containers that get the identity: the named ones, or all but those of a mesh. When they are stopped for
/// something, plain init containers are left out, because Kubernetes cannot stop them.
pub(super) fn targets<'c, 'a>(
    request: &Request,
    stopped_for: Option<&Loss>,
    pod: &'c Pod<'a>,
    inits: &'c [Container<'a>],
) -> Result<Vec<Target<'c, 'a>>, Refusal> {
    let apps = &pod.spec.containers;
    if apps.iter().any(|container| *container.name == *names::CONTAINER) {
        return Err(Refusal::ContainerTaken(names::CONTAINER));
    }
    let early_count = placement::early_count(inits);
    let candidates: Vec<Target<'c, 'a>> = inits
        .iter()
        .enumerate()
        .skip(early_count)
        .map(|(index, container)| Target {
            container,
            path: format!("/spec/initContainers/{index}"),
            kind: if *container.restart_policy == *"Always" {
                Kind::NativeSidecar
            } else {
                Kind::Init
            },
        })
        .chain(apps.iter().enumerate().map(|(index, container)| Target {
            container,
            path: format!("/spec/containers/{index}"),
            kind: Kind::App,
        }))
        .collect();
    let early = inits.get(..early_count).unwrap_or_default();
    let Some(named) = &request.containers else {
        let by_default = |target: &Target<'_, '_>| {
            let meshed = MESH_CONTAINERS.contains(&&*target.container.name);
            !meshed && (stopped_for.is_none() || target.kind != Kind::Init)
        };
        return Ok(candidates.into_iter().filter(by_default).collect());
    };
    for name in named {
        let is_named = |container: &Container<'_>| *container.name == **name;
        match candidates.iter().find(|target| is_named(target.container)) {
            Some(Target { kind: Kind::Init, .. }) => {
                if let Some(loss) = stopped_for {
                    let (name, loss) = (name.clone(), loss.clone());
                    return Err(Refusal::StopInitContainer { name, loss });
                }
            }
            Some(_) => {}
            None if **name != *names::CONTAINER && early.iter().any(is_named) => {
                let after = early.last().map(|last| last.name.to_string()).unwrap_or_default();
                return Err(Refusal::EarlyInitContainer { name: name.clone(), after });
            }
            None => {
                let advice = advice(name, &candidates);
                return Err(Refusal::UnknownContainer { name: name.clone(), advice });
            }
        }
    }
    let wanted =
        |target: &Target<'_, '_>| named.iter().any(|name| **name == *target.container.name);
    Ok(candidates.into_iter().filter(wanted).collect())
}

// === impl Kind ===

impl Kind {
    /// Whether the kubelet probes such containers. It does not probe plain init containers.
    pub(super) fn has_probes(self) -> bool {
        self != Self::Init
    }
}

/// Adds the mount and the variables to one container, if they are missing.
pub(super) fn equip(
    target: &Target<'_, '_>,
    sidecar: &Sidecar<'_>,
    volumes: &[Volume<'_>],
    injected: bool,
    patch: &mut Patch,
) -> Result<(), Refusal> {
    mount(target, volumes, injected, patch)?;
    let present = &target.container.env;
    let taken = |name: &str| present.iter().enumerate().find(|(_, var)| *var.name == *name);
    let wanted = variables(sidecar);
    let mut missing = Vec::with_capacity(wanted.len());
    for wanted in &wanted {
        let value_from = wanted.source(sidecar.mode);
        match taken(&wanted.name) {
            Some((_, var)) if injected && is_ours(var) => {}
            Some((index, var)) if injected && has_lost_its_source(var) => {
                patch.add(format!("{}/env/{index}/valueFrom", target.path), value_from);
            }
            Some(_) => {
                return Err(Refusal::EnvTaken {
                    container: target.container.name.to_string(),
                    name: wanted.name.to_string(),
                });
            }
            None => missing.push(Variable { name: &wanted.name, value_from }),
        }
    }
    patch.prepend(&format!("{}/env", target.path), !present.is_empty(), &missing);
    Ok(())
}

fn mount(
    target: &Target<'_, '_>,
    volumes: &[Volume<'_>],
    injected: bool,
    patch: &mut Patch,
) -> Result<(), Refusal> {
    let mounts = &target.container.volume_mounts;
    let inside = |mount_path: &str| {
        [path::DIR, DIR_ALIAS].into_iter().any(|dir| {
            mount_path
                .strip_prefix(dir)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
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
        } else if PARENTS.contains(&mount.mount_path.trim_end_matches('/')) {
            check_parent(target, mount, volumes)?;
        }
    }
    if !present {
        let list = format!("{}/volumeMounts", target.path);
        patch.append(&list, !mounts.is_empty(), &[OURS]);
    }
    Ok(())
}

/// The container runtime makes our folder in the volume that is mounted above it. On the node, if that is a `hostPath`:
/// an empty folder does no harm there.
fn check_parent(
    target: &Target<'_, '_>,
    mount: &Mount<'_>,
    volumes: &[Volume<'_>],
) -> Result<(), Refusal> {
    let volume = volumes.iter().find(|volume| *volume.name == *mount.name);
    // The kubelet mounts these read-only, whatever the mount says.
    let never_written = |volume: &Volume<'_>| {
        [volume.config_map, volume.secret, volume.projected, volume.downward_api, volume.image]
            .iter()
            .any(Option::is_some)
    };
    if mount.read_only || volume.is_some_and(never_written) {
        return Err(Refusal::ReadOnlyParent {
            container: target.container.name.to_string(),
            path: mount.mount_path.to_string(),
        });
    }
    Ok(())
}

/// The mount of every container with an identity.
const OURS: api_types::VolumeMount =
    api_types::VolumeMount { name: names::VOLUME, mount_path: path::DIR, read_only: true };

/// A variable that every container with an identity has.
struct Wanted<'p> {
    name: Cow<'static, str>,
    field: ClaimField,
    pool: &'p PoolName,
}

/// The variables of the first pool without the pool's name, then those of every pool with it. Both modes have the same.
fn variables<'p>(sidecar: &Sidecar<'p>) -> Vec<Wanted<'p>> {
    if sidecar.mode == EnvMode::None {
        return Vec::new();
    }
    let pools = sidecar.pools;
    let plain = pools.first().into_iter().flat_map(|pool| {
        let of =
            |field: ClaimField| Wanted { name: field.variable().into(), field, pool: &pool.name };
        ClaimField::ALL.map(of)
    });
    let of_pools = pools.iter().flat_map(|pool| {
        let of = |field: ClaimField| {
            let name = field.pool_variable(&pool.name).into();
            Wanted { name, field, pool: &pool.name }
        };
        ClaimField::ALL.map(of)
    });
    plain.chain(of_pools).collect()
}

// === impl Wanted ===

impl Wanted<'_> {
    fn source(&self, mode: EnvMode) -> Source<'_> {
        match mode {
            EnvMode::Annotation => {
                let key = self.field.annotation(self.pool);
                Source::FieldRef { field_path: format!("metadata.annotations['{key}']").into() }
            }
            EnvMode::File | EnvMode::None => {
                Source::FileKeyRef { volume_name: names::VOLUME, path: path::ENV, key: &self.name }
            }
        }
    }
}

/// Whether a container of the pod has variables from the env file.
pub(super) fn take_files(pod: &Pod<'_>) -> bool {
    let apps = pod.spec.containers.iter();
    apps.flat_map(|container| &container.env).any(|var| source(var) == Some(EnvMode::File))
}

/// Where our container at this index must go, because one before it waits for a claim: another webhook has changed the
/// order, and the pod would never start.
pub(super) fn index_before_waiting(inits: &[Container<'_>], ours: usize) -> Option<usize> {
    inits.iter().take(ours).position(waits_for_claim)
}

/// Whether a container of an injected pod starts only once there is a claim.
fn waits_for_claim(container: &Container<'_>) -> bool {
    let mounts = container.volume_mounts.iter();
    mounts.map(|mount| &mount.name).any(|name| **name == *names::VOLUME)
        || container.env.iter().any(is_ours)
}

/// Whether a variable takes its value from Cairn.
fn is_ours(var: &EnvVar<'_>) -> bool {
    source(var).is_some()
}

/// Whether a variable has neither value nor source. Another webhook drops `fileKeyRef` when it reads pods with a
/// library that is older than this field.
fn has_lost_its_source(var: &EnvVar<'_>) -> bool {
    let is_empty = |raw: &&RawValue| matches!(raw.get(), "null" | "{}" | "\"\"");
    var.value.is_none_or(|raw| is_empty(&raw)) && var.value_from.is_none_or(|raw| is_empty(&raw))
}

/// How a variable takes its value from Cairn; `None` if it does not.
fn source(var: &EnvVar<'_>) -> Option<EnvMode> {
    let source: Value = serde_json::from_str(var.value_from?.get()).unwrap_or_default();
    let at = |pointer: &str| source.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let key = at("/fieldRef/fieldPath").strip_prefix("metadata.annotations['");
    if at("/fileKeyRef/volumeName") == names::VOLUME {
        Some(EnvMode::File)
    } else if key.is_some_and(|key| key.starts_with(annotation::CLAIM_PREFIX)) {
        Some(EnvMode::Annotation)
    } else {
        None
    }
}

fn advice(name: &str, candidates: &[Target<'_, '_>]) -> String {
    let known: BTreeSet<&str> = candidates.iter().map(|target| &*target.container.name).collect();
    if let Some(near) = suggest::nearest(name, known.iter().copied()) {
        return format!("did you mean '{near}'?");
    }
    let list: Vec<&str> = known.into_iter().collect();
    format!("it has {}", list.join(", "))
}
