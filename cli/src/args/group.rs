//! The arguments of the commands about members, the leader and shards.

use cairn_core::coordination::path::GroupPath;
use cairn_core::group::Group;
use clap::Subcommand;

use super::access::{AccessArgs, ReadArgs};

/// Which groups are meant.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Selection {
    /// Only groups of this namespace
    #[arg(short, long, env = "CAIRN_NAMESPACE", value_name = "NS")]
    pub namespace: Option<String>,
    /// Only this group: the workload, or what cairn.dev/group says
    #[arg(long, env = "CAIRN_GROUP", value_name = "GROUP")]
    pub group: Option<Group>,
}

/// The flags of the commands that show groups.
#[derive(Clone, Debug, clap::Args)]
pub struct GroupArgs {
    /// Which groups.
    #[command(flatten)]
    pub selection: Selection,
    /// How to print, and where from.
    #[command(flatten)]
    pub read: ReadArgs,
}

/// The arguments of `cairn members`.
#[derive(Clone, Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
pub struct MembersArgs {
    /// What to do instead of showing them.
    #[command(subcommand)]
    pub what: Option<MembersCommand>,
    /// What to show.
    #[command(flatten)]
    pub show: GroupArgs,
}

/// What `cairn members` does besides showing them.
#[derive(Clone, Debug, Subcommand)]
pub enum MembersCommand {
    /// End a pod's membership and keep it out for 10 minutes
    Drop(MemberArgs),
}

/// The arguments of `cairn members drop`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "For a pod that cannot be reached. Its app stops at its deadline, within the validity; its shards \
        are taken over after that. Its claims are not touched. A pod that can be reached drains when it is deleted."
)]
pub struct MemberArgs {
    /// Which groups.
    #[command(flatten)]
    pub selection: Selection,
    /// The pod's name, or its UID
    #[arg(value_name = "POD")]
    pub pod: String,
    /// The etcd of the group.
    #[command(flatten)]
    pub access: AccessArgs,
}

/// The flags of `cairn shards`.
#[derive(Clone, Debug, clap::Args)]
pub struct ShardsArgs {
    /// One line for each member instead of one for each shard
    #[arg(long)]
    pub by_member: bool,
    /// What to show.
    #[command(flatten)]
    pub show: GroupArgs,
}

/// The arguments of `cairn owner`.
#[derive(Clone, Debug, clap::Args)]
pub struct OwnerArgs {
    /// The key, as apps look it up
    #[arg(value_name = "KEY")]
    pub key: String,
    /// What to show.
    #[command(flatten)]
    pub show: GroupArgs,
}

/// How to reach the sidecar of a pod.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct SidecarArgs {
    /// The pod's sidecar: HOST:PORT or the path of its socket [default: kubectl port-forward to the pod]
    #[arg(long, env = "CAIRN_SIDECAR", value_name = "ADDRESS")]
    pub sidecar: Option<String>,
    /// The program that forwards a port of the pod
    #[arg(long, env = "CAIRN_KUBECTL", value_name = "PROGRAM", default_value = "kubectl")]
    pub kubectl: String,
}

/// The arguments of `cairn drain`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "The pod's sidecar hands over all that it owns, as when the pod is deleted. It does not \
        participate again before its pod is replaced."
)]
pub struct DrainArgs {
    /// How to reach its sidecar.
    #[command(flatten)]
    pub sidecar: SidecarArgs,
    /// Which pod.
    #[command(flatten)]
    pub member: MemberArgs,
}

/// The arguments of `cairn step-down`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "The leader's sidecar tells its app to stop leading, and then hands the leadership to another \
        participant. It leads again only when nobody else can."
)]
pub struct StepDownArgs {
    /// Which group.
    #[command(flatten)]
    pub selection: Selection,
    /// How to reach the leader's sidecar.
    #[command(flatten)]
    pub sidecar: SidecarArgs,
    /// The etcd of the group.
    #[command(flatten)]
    pub access: AccessArgs,
}

// === impl Selection ===

impl Selection {
    /// Whether a group is meant. An empty environment variable counts as none.
    pub fn has(&self, path: &GroupPath) -> bool {
        let namespace = self.namespace.as_deref().filter(|text| !text.is_empty());
        namespace.is_none_or(|wanted| path.namespace == wanted)
            && self.group.as_ref().is_none_or(|wanted| path.group == *wanted)
    }

    /// What is meant, in a sentence: ` of group 'g' in namespace 'n'`.
    pub fn words(&self) -> String {
        let group = self.group.as_ref().map(|group| format!(" of group '{group}'"));
        let namespace = self.namespace.as_deref().filter(|text| !text.is_empty());
        let namespace = namespace.map(|name| format!(" in namespace '{name}'"));
        group.unwrap_or_default() + &namespace.unwrap_or_default()
    }
}
