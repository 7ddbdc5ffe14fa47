//! Our container and its volumes.
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
use cairn_store::ClusterId;

use super::api_types::{
    Capabilities, Container, DownwardApi, DownwardFile, EmptyDir, Exec, FieldRef, HttpGet, Port,
    Probe, Projected, Projection, SeccompProfile, SecurityContext, Source, Variable, Volume,
    VolumeMount,
};
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
const LIVENESS_FAILURES: i32 = 4;
/// The startup probe never gives up: a pod waits in the queue without a limit.
const NEVER: i32 = i32::MAX;

/// The inputs of our container.
#[derive(Debug)]
pub struct Sidecar<'a> {
    /// The settings of sidecars.
    pub settings: &'a Settings,
    /// The etcd cluster that it talks to, if it is known.
    pub etcd_cluster_id: Option<ClusterId>,
    /// The authorities that verify the agent, as an argument.
    pub agent_ca: &'a str,
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
    pub fn container(&self) -> Container<'_> {
        Container {
            name: names::CONTAINER,
            image: &self.settings.image,
            image_pull_policy: self.settings.pull_policy.as_deref(),
            restart_policy: "Always",
            args: self.args(),
            env: env(self.needs_address()),
            ports: (!self.host_network).then_some([ADMIN_PORT]),
            startup_probe: (self.request.gate == Gate::Startup).then_some(STARTUP_PROBE),
            liveness_probe: (!self.host_network).then_some(LIVENESS_PROBE),
            resources: resources::of(self),
            lifecycle: self.membership.map(|_| Membership::lifecycle()),
            security_context: self.security_context(),
            termination_message_policy: "FallbackToLogsOnError",
            volume_mounts: self.mounts(),
        }
    }

    /// The volumes.
    pub fn volumes(&self) -> Vec<Volume> {
        let size_limit = self.membership.map_or(VOLUME_SIZE, |_| COORDINATING_VOLUME_SIZE);
        let in_memory = |name, size_limit| Volume {
            name,
            empty_dir: Some(EmptyDir { medium: "Memory", size_limit }),
            ..Volume::default()
        };
        let token = Projection::ServiceAccountToken {
            audience: names::TOKEN_AUDIENCE,
            expiration_seconds: TOKEN_SECONDS,
            path: names::TOKEN_FILE,
        };
        let mut volumes = vec![
            in_memory(names::VOLUME, size_limit),
            in_memory(names::CREDENTIALS_VOLUME, CREDENTIALS_SIZE),
            Volume {
                name: names::TOKEN_VOLUME,
                projected: Some(Projected { sources: [token] }),
                ..Volume::default()
            },
        ];
        if self.mode == EnvMode::Annotation {
            let field_ref = FieldRef { field_path: "metadata.annotations" };
            let items = [DownwardFile { path: ANNOTATIONS_FILE, field_ref }];
            volumes.push(Volume {
                name: names::ANNOTATIONS_VOLUME,
                downward_api: Some(DownwardApi { items }),
                ..Volume::default()
            });
        }
        volumes
    }

    fn args(&self) -> Vec<String> {
        let pools: Vec<&str> = self.pools.iter().map(|pool| pool.name.as_str()).collect();
        let with = |flag: &str, value: &str| [flag, "=", value].concat();
        let mut args = vec![
            flag::IN_POD.to_owned(),
            with(flag::DIR, path::DIR),
            with(flag::AGENT, &self.settings.agent),
            with(flag::AGENT_CA, self.agent_ca),
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
        if let Some(cluster) = self.etcd_cluster_id {
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

    fn mounts(&self) -> Vec<VolumeMount> {
        let mount = |name, mount_path, read_only| VolumeMount { name, mount_path, read_only };
        let mut mounts = vec![
            mount(names::VOLUME, path::DIR, false),
            mount(names::CREDENTIALS_VOLUME, names::CREDENTIALS_DIR, false),
            mount(names::TOKEN_VOLUME, names::TOKEN_DIR, true),
        ];
        if self.mode == EnvMode::Annotation {
            mounts.push(mount(names::ANNOTATIONS_VOLUME, names::ANNOTATIONS_DIR, true));
        }
        mounts
    }

    fn security_context(&self) -> SecurityContext {
        let forbidden = self.settings.container.no_seccomp_profile;
        SecurityContext {
            allow_privilege_escalation: false,
            capabilities: Capabilities { drop: ["ALL"] },
            read_only_root_filesystem: true,
            run_as_non_root: true,
            // The image has a user of its own. A pod-level 0 would override it, and the container would not start.
            run_as_user: self.runs_as_root.then_some(NON_ROOT),
            seccomp_profile: (!forbidden).then_some(SeccompProfile { kind: "RuntimeDefault" }),
        }
    }
}

/// The file in the downward API volume.
const ANNOTATIONS_FILE: &str = "annotations";

const ADMIN_PORT: Port = Port { name: "cairn-admin", number: port::ADMIN, protocol: "TCP" };

const STARTUP_PROBE: Probe = Probe {
    exec: Some(Exec { command: [names::BINARY, command::PROBE, flag::DIR, path::DIR] }),
    http_get: None,
    period_seconds: 1,
    timeout_seconds: PROBE_TIMEOUT,
    failure_threshold: NEVER,
    termination_grace_period_seconds: None,
};

const LIVENESS_PROBE: Probe = Probe {
    exec: None,
    http_get: Some(HttpGet { path: port::LIVEZ, port: port::ADMIN }),
    period_seconds: LIVENESS_PERIOD,
    timeout_seconds: LIVENESS_TIMEOUT,
    failure_threshold: LIVENESS_FAILURES,
    // A release takes less than a second.
    termination_grace_period_seconds: Some(SHORTEST_GRACE.as_secs()),
};

fn env(with_address: bool) -> Vec<Variable<'static>> {
    let address = with_address.then_some(("POD_IP", "status.podIP"));
    [("POD_UID", "metadata.uid"), ("POD_NAME", "metadata.name"), ("NODE_NAME", "spec.nodeName")]
        .into_iter()
        .chain(address)
        .map(|(name, field)| Variable { name, value_from: Source::field(field) })
        .collect()
}
