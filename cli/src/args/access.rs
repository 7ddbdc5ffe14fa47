//! Where etcd and Kubernetes are.

use std::path::PathBuf;

use cairn_kit::etcd::EtcdArgs;

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
