//! Where etcd and Kubernetes are, and how commands print what they have read.

use std::path::PathBuf;

use cairn_kit::etcd::EtcdArgs;

use crate::output::Output;

/// What commands that show something have in common.
#[derive(Clone, Debug, clap::Args)]
pub struct ReadArgs {
    /// How to print
    #[arg(short, long, env = "CAIRN_OUTPUT", value_name = "FORMAT", default_value = "table")]
    pub output: Output,
    /// The etcd to read.
    #[command(flatten)]
    pub access: AccessArgs,
}

/// How to reach etcd: as the flags say, or through the Kubernetes cluster.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct AccessArgs {
    /// The etcd of the flags.
    #[command(flatten, next_help_heading = "etcd [default: that of the Kubernetes cluster]")]
    pub etcd: EtcdArgs,
    /// The Kubernetes cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// Which Kubernetes cluster, and where Cairn is in it.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Kubernetes")]
pub struct ClusterArgs {
    /// The kubeconfig [default: KUBECONFIG, ~/.kube/config, or the account of the pod]
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig [default: the current one]
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// The namespace of Cairn itself [default: the one that its CRD names]
    #[arg(long, env = "CAIRN_SYSTEM", value_name = "NS")]
    pub cairn_namespace: Option<String>,
}
