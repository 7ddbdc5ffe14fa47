//! Our container and its volumes, as JSON.
//!
//! They pass Pod Security `restricted`. The arguments carry the sidecar's whole configuration; variables carry only
//! what Kubernetes knows later (UID, name, node, address).

use std::sync::Arc;

use cairn_core::contract::{command, flag, path, pod as names, port};
use cairn_core::group::Group;
use cairn_core::pool::{ClockRule, IdsSpec, Pool};
use cairn_core::request::{Gate, Request};
use cairn_core::stop_probe::SHORTEST_GRACE;
use cairn_kit::log::LogFormat;
use serde_json::{Map, Value, json};

use super::app_probes::AppProbeArgs;
use super::membership::Membership;
use super::qos::Qos;
use super::settings::Settings;
use crate::env_mode::EnvMode;

pub mod recheck;
mod resources;

/// The user in pods whose default user is root: the usual one of distroless images.
const NON_ROOT: u32 = 65532;

/// Sixteen pools with five files of one page each, written twice while they are replaced.
const VOLUME_SIZE: &str = "2Mi";

/// With coordination: map, owners and members of the largest group, 10,000 shards and 1,000 members, are 1.5 MB.
const COORDINATING_VOLUME_SIZE: &str = "8Mi";

/// A key and some certificates, written twice while they are replaced.
const CREDENTIALS_SIZE: &str = "256Ki";

/// The kubelet renews the token at 80 % of this. Every API server accepts 600 s or more.
const TOKEN_SECONDS: u32 = 3600;

/// Seconds. The probe long-polls for less than this, and its output appears in the pod's Events.
const PROBE_TIMEOUT: u32 = 5;

/// A sidecar that does not answer for four periods hangs. The kubelet replaces it before the lease of its claim ends,
/// so that its app does not run, however shortly, with an ID that another pod holds. A node that is busy for half a
/// minute must not cause a restart: all of its sidecars would restart at the same time.
const LIVENESS_PERIOD: u32 = 10;
const LIVENESS_TIMEOUT: u32 = 5;
const LIVENESS_FAILURES: u32 = 4;
/// The startup probe never gives up: a pod waits in the queue without a limit.
const NEVER: i32 = i32::MAX;

/// The inputs of our container.
#[derive(Debug)]
pub struct Sidecar<'a> {
    /// The settings of sidecars.
    pub settings: &'a Settings,
    /// The pod's annotations.
    pub request: &'a Request,
    /// The pools, in the user's order.
    pub pools: &'a [Arc<Pool>],
    /// The group.
    pub group: Option<&'a Group>,
    /// The pod's namespace.
    pub namespace: &'a str,
    /// How variables get into app containers.
    pub mode: EnvMode,
    /// Whether the pod uses the node's network, where our ports would conflict.
    pub host_network: bool,
    /// Whether the pod's own default user is root.
    pub runs_as_root: bool,
    /// The pod's quality of service.
    pub qos: Qos,
    /// Whether every other container has a CPU limit.
    pub cpu_limited: bool,
    /// The apps that are stopped after a lost claim.
    pub app_probes: &'a AppProbeArgs,
    /// What it coordinates, if anything.
    pub membership: Option<&'a Membership<'a>>,
}

// === impl Sidecar ===

impl Sidecar<'_> {
    /// The container.
    pub fn container(&self) -> Value {
        let mut container = Map::new();
        let mut set = |key: &str, value: Value| container.insert(key.to_owned(), value);
        set("name", json!(names::CONTAINER));
        set("image", json!(self.settings.image));
        if let Some(policy) = &self.settings.pull_policy {
            set("imagePullPolicy", json!(policy));
        }
        set("restartPolicy", json!("Always"));
        set("args", json!(self.args()));
        set("env", Value::Array(env(self.needs_address())));
        if !self.host_network {
            set(
                "ports",
                json!([{"name": "cairn-admin", "containerPort": port::ADMIN, "protocol": "TCP"}]),
            );
        }
        if self.request.gate == Gate::Startup {
            set("startupProbe", startup_probe());
        }
        if !self.host_network {
            set("livenessProbe", liveness_probe());
        }
        if let Some(resources) = resources::of(self) {
            set("resources", resources);
        }
        if self.membership.is_some() {
            set(recheck::LIFECYCLE, Membership::lifecycle());
        }
        set("securityContext", self.security_context());
        set("terminationMessagePolicy", json!("FallbackToLogsOnError"));
        set("volumeMounts", Value::Array(self.mounts()));
        Value::Object(container)
    }

    /// The volumes.
    pub fn volumes(&self) -> Vec<Value> {
        let size = self.membership.map_or(VOLUME_SIZE, |_| COORDINATING_VOLUME_SIZE);
        let mut volumes = vec![
            json!({
                "name": names::VOLUME,
                "emptyDir": {"medium": "Memory", "sizeLimit": size},
            }),
            json!({
                "name": names::CREDENTIALS_VOLUME,
                "emptyDir": {"medium": "Memory", "sizeLimit": CREDENTIALS_SIZE},
            }),
            json!({"name": names::TOKEN_VOLUME, "projected": {"sources": [{
                "serviceAccountToken": {
                    "audience": names::TOKEN_AUDIENCE,
                    "expirationSeconds": TOKEN_SECONDS,
                    "path": names::TOKEN_FILE,
                },
            }]}}),
        ];
        if self.mode == EnvMode::Annotation {
            volumes.push(json!({"name": names::ANNOTATIONS_VOLUME, "downwardAPI": {"items": [{
                "path": ANNOTATIONS_FILE,
                "fieldRef": {"fieldPath": "metadata.annotations"},
            }]}}));
        }
        volumes
    }

    fn args(&self) -> Vec<String> {
        let pools: Vec<&str> = self.pools.iter().map(|pool| pool.name.as_str()).collect();
        let with = |flag: &str, value: &str| format!("{flag}={value}");
        let mut args = vec![
            flag::IN_POD.to_owned(),
            with(flag::DIR, path::DIR),
            with(flag::AGENT, &self.settings.agent),
            with(flag::AGENT_CA, &self.settings.agent_ca),
        ];
        if !pools.is_empty() {
            args.push(with(flag::POOL, &pools.join(",")));
        }
        args.extend([
            with(flag::NAMESPACE, self.namespace),
            with(flag::INSTANCE, "$(POD_UID)"),
            with(flag::POD, "$(POD_NAME)"),
            with(flag::NODE, "$(NODE_NAME)"),
        ]);
        if let Some(cluster) = self.settings.etcd_cluster_id {
            args.push(with(flag::ETCD_CLUSTER_ID, &cluster.to_string()));
        }
        if !self.settings.etcd_prefix.is_default() {
            args.push(with(flag::ETCD_PREFIX, self.settings.etcd_prefix.as_str()));
        }
        if !self.settings.log_level.is_default() {
            args.push(with(flag::LOG_LEVEL, &self.settings.log_level.to_string()));
        }
        if self.settings.container.log_format == LogFormat::Json {
            args.push(with(flag::LOG_FORMAT, "json"));
        }
        if let Some(ids) = self.ids() {
            args.push(with(flag::ID_LAYOUT, &ids.layout));
            args.push(with(flag::ID_EPOCH, &ids.epoch));
        }
        if let Some(group) = self.group {
            args.push(with(flag::GROUP, group.as_str()));
        }
        if let Some(prefix) = &self.request.prefix {
            args.push(with(flag::PREFIX, prefix.as_str()));
        }
        if self.mode == EnvMode::Annotation {
            let file = format!("{}/{ANNOTATIONS_FILE}", names::ANNOTATIONS_DIR);
            args.push(with(flag::GATE_FILE, &file));
        }
        if self.needs_address() {
            args.push(with(flag::APP_HOST, "$(POD_IP)"));
        }
        args.extend(self.app_probes.to_args());
        args.extend(self.membership.into_iter().flat_map(Membership::to_args));
        if self.host_network {
            args.push(with(flag::API, "off"));
            args.push(with(flag::ADMIN, "off"));
        }
        args
    }

    /// The layout of IDs, when it is the same in every pool of node IDs and not the usual one. A sidecar reads the
    /// layout of each pool from etcd; by these flags, one of an older version also mints as its pool says.
    fn ids(&self) -> Option<IdsSpec> {
        let of_nodes = self.pools.iter().filter(|pool| pool.spec.clock == ClockRule::Reserve);
        let mut layouts = of_nodes.map(|pool| pool.spec.ids.clone().unwrap_or_default());
        let first = layouts.next().filter(|first| *first != IdsSpec::default())?;
        layouts.all(|other| other == first).then_some(first)
    }

    /// Whether the sidecar must know the pod's address: for probes without a host, and for endpoints.
    fn needs_address(&self) -> bool {
        self.app_probes.are_any() || self.membership.is_some()
    }

    fn mounts(&self) -> Vec<Value> {
        let mut mounts = vec![
            json!({"name": names::VOLUME, "mountPath": path::DIR}),
            json!({"name": names::CREDENTIALS_VOLUME, "mountPath": names::CREDENTIALS_DIR}),
            json!({"name": names::TOKEN_VOLUME, "mountPath": names::TOKEN_DIR, "readOnly": true}),
        ];
        if self.mode == EnvMode::Annotation {
            mounts.push(json!({
                "name": names::ANNOTATIONS_VOLUME,
                "mountPath": names::ANNOTATIONS_DIR,
                "readOnly": true,
            }));
        }
        mounts
    }

    fn security_context(&self) -> Value {
        let mut context = json!({
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": true,
            "runAsNonRoot": true,
        });
        if let Some(context) = context.as_object_mut() {
            if !self.settings.container.no_seccomp_profile {
                context.insert("seccompProfile".to_owned(), json!({"type": "RuntimeDefault"}));
            }
            // The image has a user of its own. A pod-level 0 would override it, and the container would not start.
            if self.runs_as_root {
                context.insert("runAsUser".to_owned(), json!(NON_ROOT));
            }
        }
        context
    }
}

/// The file in the downward API volume.
const ANNOTATIONS_FILE: &str = "annotations";

fn env(with_address: bool) -> Vec<Value> {
    let address = with_address.then_some(("POD_IP", "status.podIP"));
    [("POD_UID", "metadata.uid"), ("POD_NAME", "metadata.name"), ("NODE_NAME", "spec.nodeName")]
        .into_iter()
        .chain(address)
        .map(|(name, field)| json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": field}}}))
        .collect()
}

fn startup_probe() -> Value {
    json!({
        "exec": {"command": [names::BINARY, command::PROBE, flag::DIR, path::DIR]},
        "periodSeconds": 1,
        "timeoutSeconds": PROBE_TIMEOUT,
        "failureThreshold": NEVER,
    })
}

fn liveness_probe() -> Value {
    json!({
        "httpGet": {"path": port::LIVEZ, "port": port::ADMIN},
        "periodSeconds": LIVENESS_PERIOD,
        "timeoutSeconds": LIVENESS_TIMEOUT,
        "failureThreshold": LIVENESS_FAILURES,
        // A release takes less than a second.
        "terminationGracePeriodSeconds": SHORTEST_GRACE.as_secs(),
    })
}
