//! The arguments of `cairn check` and `cairn inject`.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

use super::access::{ClusterArgs, ReadArgs};
use crate::output::Output;

/// The image of sidecars, where no cluster says it.
pub const SIDECAR_IMAGE: &str =
    concat!("ghcr.io/cairn-dev/cairn-sidecar:", env!("CARGO_PKG_VERSION"));
/// The webhook's agent, where no cluster says it.
pub const AGENT: &str = "https://cairn-webhook.cairn-system.svc:8443";

/// The arguments of `cairn check`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    after_help = "Without FILE it looks at the cluster and changes nothing. With FILE it says of manifests what \
        admission would say, without a cluster: whether a pool exists there, whether the namespace may claim from it, \
        and whether the node can run the sidecar is decided at admission.\n\n\
        Exit codes: 0 no problem (warnings are none), 1 a problem, 2 wrong usage, no kubeconfig, or an unreadable file."
)]
pub struct CheckArgs {
    /// What to look at instead.
    #[command(subcommand)]
    pub what: Option<CheckCommand>,
    /// Files of Kubernetes manifests in YAML or JSON; - for standard input
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The namespace of the pod whose admission is tried by a dry run [default: that of the kubeconfig], and of what
    /// manifests do not place [default: default]
    #[arg(short, long, env = "CAIRN_NAMESPACE", value_name = "NS")]
    pub namespace: Option<String>,
    /// How to print findings about the cluster
    #[arg(short, long, env = "CAIRN_OUTPUT", value_name = "FORMAT", default_value = "table")]
    pub output: Output,
    /// The Kubernetes cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// What `cairn check` looks at besides clusters and files.
#[derive(Clone, Debug, Subcommand)]
pub enum CheckCommand {
    /// Say why a pod waits
    Pod(CheckPodArgs),
}

/// The arguments of `cairn check pod`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 it does not wait for Cairn, 1 it waits, 2 wrong usage or no kubeconfig."
)]
pub struct CheckPodArgs {
    /// The pod's name
    #[arg(value_name = "POD")]
    pub pod: String,
    /// Its namespace [default: that of the kubeconfig]
    #[arg(short, long, env = "CAIRN_NAMESPACE", value_name = "NS")]
    pub namespace: Option<String>,
    /// How to print, and where from.
    #[command(flatten)]
    pub read: ReadArgs,
}

/// The arguments of `cairn inject`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "It is for looking and for comparing. Apply the manifests without it: admission does the same, with \
        what it knows of the cluster, and completes what was injected before. Give the pools of a cluster with:\n  \
        kubectl get pools -o yaml | cairn inject -f FILE --pools -\n\n\
        Exit codes: 0 done, 1 admission refuses a pod and nothing is printed, 2 wrong usage or an unreadable file."
)]
pub struct InjectArgs {
    /// Files of Kubernetes manifests in YAML or JSON; - for standard input
    #[arg(short = 'f', long = "filename", required_unless_present = "more", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The same without -f
    #[arg(value_name = "FILE")]
    pub more: Vec<PathBuf>,
    /// Files with more pools than those of the manifests and those that ship with Cairn
    #[arg(long, value_name = "FILE")]
    pub pools: Vec<PathBuf>,
    /// The namespace of objects that do not say it [default: default]
    #[arg(short, long, env = "CAIRN_NAMESPACE", value_name = "NS")]
    pub namespace: Option<String>,
    /// The sidecar's image
    #[arg(long, value_name = "IMAGE", default_value = SIDECAR_IMAGE)]
    pub sidecar_image: String,
    /// The webhook's agent
    #[arg(long, value_name = "URL", default_value = AGENT)]
    pub agent: String,
    /// File with the authorities that verify the agent [default: none, admission adds them]
    #[arg(long, value_name = "FILE")]
    pub agent_ca: Option<PathBuf>,
    /// How variables reach containers of pods that do not say it
    #[arg(long, value_name = "MODE", default_value = "annotation")]
    pub env_mode: Variables,
}

/// How variables reach containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Variables {
    /// From the file; every node has Kubernetes 1.35 or newer.
    File,
    /// From annotations.
    Annotation,
    /// Not at all.
    None,
}
