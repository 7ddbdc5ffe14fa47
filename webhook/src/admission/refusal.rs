//! The refusals of pods: each message says what to write instead.
//!
//! Not for: failures of Cairn itself. The pod's author must be able to correct the cause of a refusal.

use std::time::Duration;

use cairn_core::app_probe::AppProbeError;
use cairn_core::contract::annotation;
use cairn_core::duration;
use cairn_core::group::Group;
use cairn_core::pool::PoolName;
use cairn_core::request::RequestError;
use thiserror::Error;

use super::loss::Loss;

/// Why a pod was refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Refusal {
    /// Its annotations or labels are invalid.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The Kubernetes cluster or etcd belongs to another installation.
    #[error("{0}")]
    NotInstalled(String),
    /// No such pool.
    #[error("pool '{name}' does not exist; {advice}")]
    UnknownPool {
        /// As written.
        name: PoolName,
        /// A suggestion or the list.
        advice: String,
    },
    /// The pool's spec is broken.
    #[error("pool '{name}' cannot be used: {reason}; correct it with: kubectl edit pool {name}")]
    BrokenPool {
        /// The pool.
        name: PoolName,
        /// The message of its Ready condition.
        reason: String,
    },
    /// The pool contradicts what etcd has of an earlier pool of this name.
    #[error("pool '{name}' cannot be used: {reason}")]
    RefusedPool {
        /// The pool.
        name: PoolName,
        /// The message of its Ready condition.
        reason: String,
    },
    /// The pool's object is being deleted.
    #[error(
        "pool '{name}' is being deleted and grants nothing new; choose another pool, or create it again once kubectl \
         get pools does not list it any more"
    )]
    LeavingPool {
        /// The pool.
        name: PoolName,
    },
    /// Outside `allowedNamespaces`.
    #[error(
        "namespace '{namespace}' may not claim from pool '{pool}'; choose another pool, or have its \
         spec.allowedNamespaces select the namespace"
    )]
    NotAllowed {
        /// The pool.
        pool: PoolName,
        /// The pod's namespace.
        namespace: String,
    },
    /// A group, but only pools of scope Cluster.
    #[error(
        "annotation '{key}: {group}' has no meaning for pool '{pool}', whose names are unique in the whole cluster; \
         remove it",
        key = annotation::GROUP
    )]
    GroupOnCluster {
        /// As written.
        group: Group,
        /// The first pool.
        pool: PoolName,
    },
    /// Coordination of a pod without an owner.
    #[error(
        "annotation '{coordinate}' needs a group, and this pod has no controller that names one; add {group}: NAME, \
         which all pods of the group have",
        coordinate = annotation::COORDINATE, group = annotation::GROUP
    )]
    NoGroup,
    /// `env: file` where the API server does not take it.
    #[error(
        "annotation '{key}: file' needs Kubernetes 1.35 or newer, which this cluster does not have; use auto or \
         annotation",
        key = annotation::ENV
    )]
    EnvFile,
    /// `env: file` where an old kubelet would give empty values.
    #[error(
        "annotation '{key}: file' needs Kubernetes 1.35 or newer on every Linux node that the pod can run on, and node \
         '{node}' has {version}; keep the pod off such nodes with a nodeSelector, or use auto or annotation",
        key = annotation::ENV
    )]
    EnvFileOldNode {
        /// One of the nodes.
        node: String,
        /// Its kubelet's version.
        version: String,
    },
    /// A Windows pod.
    #[error("Cairn runs on Linux nodes only; remove {0} from this Windows pod")]
    Windows(&'static str),
    /// A virtual node.
    #[error(
        "virtual nodes do not run sidecars as Cairn needs them; remove {0}, or the virtual-kubelet node selector and \
         toleration"
    )]
    VirtualNode(&'static str),
    /// A hostNetwork pod that cannot resolve services.
    #[error(
        "a hostNetwork pod with dnsPolicy ClusterFirst cannot resolve services of the cluster; set dnsPolicy: \
         ClusterFirstWithHostNet"
    )]
    HostDns,
    /// An init container with fields of another kind.
    #[error("an init container is not one that Cairn can read: {0}")]
    InitContainer(String),
    /// Another container has our name.
    #[error(
        "the name '{0}' is taken by another container, and Cairn's sidecar needs it; rename that container"
    )]
    ContainerTaken(&'static str),
    /// Another volume has our name.
    #[error("the name '{0}' is taken by another volume, and Cairn needs it; rename that volume")]
    VolumeTaken(&'static str),
    /// Another volume is mounted at the path of our files.
    #[error(
        "container '{container}' already mounts '{path}', where Cairn's files go; move that mount, or leave the \
         container out with {key}",
        key = annotation::CONTAINERS
    )]
    MountTaken {
        /// The container.
        container: String,
        /// As written.
        path: String,
    },
    /// A variable of ours is set by hand.
    #[error(
        "container '{container}' already sets {name}, which Cairn sets; remove it, or set {key}: none",
        key = annotation::ENV
    )]
    EnvTaken {
        /// The container.
        container: String,
        /// The variable.
        name: String,
    },
    /// An unknown name in `cairn.dev/containers`.
    #[error(
        "annotation '{key}' names container '{name}', which the pod does not have; {advice}",
        key = annotation::CONTAINERS
    )]
    UnknownContainer {
        /// As written.
        name: String,
        /// A suggestion or the list.
        advice: String,
    },
    /// A name in `cairn.dev/containers` that is an init container before ours.
    #[error(
        "annotation '{key}' names init container '{name}', which starts before Cairn's sidecar, when there is no claim \
         yet; move it behind '{after}', or take it off the list",
        key = annotation::CONTAINERS
    )]
    EarlyInitContainer {
        /// As written.
        name: String,
        /// The container before ours, or ours.
        after: String,
    },
    /// A name in `cairn.dev/containers` that is an init container which nothing can stop.
    #[error(
        "annotation '{key}' names init container '{name}', which Kubernetes cannot stop when {loss}; take it \
         off the list, make it a native sidecar with restartPolicy: Always, or {way}",
        key = annotation::CONTAINERS, way = loss.way()
    )]
    StopInitContainer {
        /// As written.
        name: String,
        /// What the app is stopped for.
        loss: Loss,
    },
    /// An app that runs without a claim, where apps are stopped.
    #[error(
        "annotation '{key}: none' lets the app run without a {noun}, so Cairn cannot stop it when {loss}; remove it, \
         or {way}",
        key = annotation::GATE, noun = loss.noun(), way = loss.way()
    )]
    StopWithoutGate {
        /// What the app is stopped for.
        loss: Loss,
    },
    /// An app in the node's network, where the kubelet cannot ask the sidecar.
    #[error(
        "a hostNetwork app cannot be stopped by Cairn when {loss}; remove hostNetwork, or {way}",
        way = loss.way()
    )]
    StopHostNetwork {
        /// What the app is stopped for.
        loss: Loss,
    },
    /// Variables that outlive a claim, where apps are stopped.
    #[error(
        "annotation '{key}: annotation' gives variables that outlive a claim, but apps of pool '{pool}' must not start \
         again with an old one; use file or none, or {way}",
        key = annotation::ENV, way = Loss::Claim(pool.clone()).way()
    )]
    StopAnnotationEnv {
        /// The first pool whose apps are stopped.
        pool: PoolName,
    },
    /// A quarantine in which the kubelet cannot stop an app.
    #[error(
        "pool '{pool}' has onLoss: Stop and a quarantine of {}, which is too short to stop an app in; give the pool at \
         least {}, or {way}",
        duration::print(*quarantine), duration::print(*least), way = Loss::Claim(pool.clone()).way()
    )]
    StopQuarantine {
        /// The pool.
        pool: PoolName,
        /// What it has.
        quarantine: Duration,
        /// What it needs.
        least: Duration,
    },
    /// A native sidecar that others wait for.
    #[error(
        "container '{container}': its startupProbe holds the start of other containers back, so Cairn cannot ask it in \
         the kubelet's place; remove it, leave the container out with {key}, or {way}",
        key = annotation::CONTAINERS, way = loss.way()
    )]
    StopSidecarStartup {
        /// The container.
        container: String,
        /// What the app is stopped for.
        loss: Loss,
    },
    /// A probe that the sidecar cannot ask in the kubelet's place.
    #[error(
        "container '{container}': its {probe} {error}; {mend}, leave the container out with {key}, or {way}",
        mend = mend(error), key = annotation::CONTAINERS, way = loss.way()
    )]
    StopProbe {
        /// The container.
        container: String,
        /// `livenessProbe` or `startupProbe`.
        probe: &'static str,
        /// Why the sidecar cannot ask it.
        error: AppProbeError,
        /// What the app is stopped for.
        loss: Loss,
    },
}

fn mend(error: &AppProbeError) -> &'static str {
    match error {
        AppProbeError::Exec | AppProbeError::Action => "use httpGet, tcpSocket or grpc",
        _ => "correct it",
    }
}
