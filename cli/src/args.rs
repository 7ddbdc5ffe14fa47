//! The command line. Every flag has an environment variable, and the flag wins.

use cairn_core::claim::Fence;
use cairn_core::group::Group;
use cairn_core::names::MAX_NAMES;
use cairn_kit::etcd::EtcdArgs;
use cairn_store::ClusterId;
use clap::{Parser, Subcommand};
use clap_complete::Shell;

pub mod access;
pub mod check;
pub mod group;

use access::{AccessArgs, ReadArgs};
use check::{CheckArgs, InjectArgs};
use group::{DrainArgs, GroupArgs, MembersArgs, OwnerArgs, ShardsArgs, StepDownArgs};

/// What each exit code means, for every command.
pub const EXIT_CODES: &str = "Exit codes:\n  \
    0  done, and nothing is wrong\n  \
    1  refused, failed, or a check has found a problem\n  \
    2  wrong usage, or a file that cannot be read";

/// Shows names and who holds them, groups and who owns what, and checks manifests before they are applied.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "cairn",
    version,
    subcommand_required = true,
    arg_required_else_help = false,
    disable_help_subcommand = true,
    after_help = EXIT_CODES
)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Show held names with their holders, waiting pods, and names in quarantine
    Claims(ClaimsArgs),
    /// Show the pools and how full they are
    Pools(PoolsArgs),
    /// Take a name from the pod that holds it
    Release(ReleaseArgs),
    /// Show the members of groups
    Members(MembersArgs),
    /// Show who leads
    Leader(GroupArgs),
    /// Ask the leader to hand the leadership to another participant
    StepDown(StepDownArgs),
    /// Show who owns which shard, what waits and why
    Shards(ShardsArgs),
    /// Show who owns a key
    Owner(OwnerArgs),
    /// Ask a pod to hand over all that it owns
    Drain(DrainArgs),
    /// Administrative operations
    Admin(AdminArgs),
    /// Show pools, pods, groups and etcd in a browser, live
    Ui(UiArgs),
    /// Measure claims on your own etcd
    Bench(BenchArgs),
    /// Say what is wrong in the cluster, why a pod waits, or what admission would say to manifests
    Check(CheckArgs),
    /// Print manifests as admission would change their pods, without a cluster
    Inject(InjectArgs),
    /// Print a script with which a shell completes command lines
    Completion(CompletionArgs),
}

/// The flags of `cairn claims`.
#[derive(Clone, Debug, clap::Args)]
pub struct ClaimsArgs {
    /// Only claims of pods in this namespace
    #[arg(short, long, env = "CAIRN_NAMESPACE", value_name = "NS")]
    pub namespace: Option<String>,
    /// Only claims on this pool
    #[arg(long, env = "CAIRN_POOL", value_name = "NAME")]
    pub pool: Option<String>,
    /// How to print, and where from.
    #[command(flatten)]
    pub read: ReadArgs,
}

/// The flags of `cairn pools`.
#[derive(Clone, Debug, clap::Args)]
pub struct PoolsArgs {
    /// How to print, and where from.
    #[command(flatten)]
    pub read: ReadArgs,
}

/// The flags of `cairn ui`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Listens on 127.0.0.1 only, and prints a URL with a path that is new at each start, so that nobody \
        can guess it. The page changes nothing."
)]
pub struct UiArgs {
    /// The port on 127.0.0.1 [default: a free one]
    #[arg(
        long,
        env = "CAIRN_UI_PORT",
        value_name = "PORT",
        default_value = "0",
        hide_default_value = true
    )]
    pub port: u16,
    /// The etcd to read.
    #[command(flatten)]
    pub access: AccessArgs,
}

/// The arguments of `cairn release`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "The pod notices within one renewal. The name stays in quarantine for validity + quarantine \
        of its claim, because the app may still use it; then it can be claimed again."
)]
pub struct ReleaseArgs {
    /// The pool
    #[arg(value_name = "POOL")]
    pub pool: String,
    /// The name, as cairn claims shows it
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The fence of the claim that is meant, as cairn claims shows it
    // It has no variable: in a pod, CAIRN_FENCE has the fence of the app's own claim.
    #[arg(long, value_name = "EPOCH-REVISION")]
    pub fence: Fence,
    /// The holder's namespace
    #[arg(short, long, env = "CAIRN_NAMESPACE", value_name = "NS")]
    pub namespace: Option<String>,
    /// The etcd with the claim.
    #[command(flatten)]
    pub access: AccessArgs,
}

/// The arguments of `cairn admin`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = false,
    disable_help_subcommand = true
)]
pub struct AdminArgs {
    /// What to do.
    #[command(subcommand)]
    pub what: AdminCommand,
}

/// What `cairn admin` does.
#[derive(Clone, Debug, Subcommand)]
pub enum AdminCommand {
    /// Mark etcd as restored from a snapshot; run it before any sidecar reaches that etcd
    Restored(RestoredArgs),
    /// Remove the time that a wrong clock has reserved under a node ID that no pod holds
    ResetClock(ResetClockArgs),
}

/// The arguments of `cairn admin reset-clock`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Only for a reservation in which no ID was minted: the next holder starts at the time of its own \
        clock, and may repeat every ID that was minted after that time."
)]
pub struct ResetClockArgs {
    /// The pool
    #[arg(value_name = "POOL")]
    pub pool: String,
    /// The node ID, as cairn claims shows it
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The namespace, for a pool whose names are unique within namespaces
    #[arg(short, long, env = "CAIRN_NAMESPACE", value_name = "NS")]
    pub namespace: Option<String>,
    /// The group, for a pool whose names are unique within groups
    #[arg(long, env = "CAIRN_GROUP", value_name = "GROUP")]
    pub group: Option<Group>,
    /// The etcd with the reservation.
    #[command(flatten)]
    pub access: AccessArgs,
}

/// The flags of `cairn admin restored`.
#[derive(Clone, Debug, clap::Args)]
pub struct RestoredArgs {
    /// IDs of etcd clusters that this one replaces, besides the one in its data
    #[arg(long, value_name = "HEX[,HEX...]", value_delimiter = ',')]
    pub replaces: Vec<ClusterId>,
    /// The etcd that was restored.
    #[command(flatten)]
    pub access: AccessArgs,
}

/// What `cairn bench` measures.
#[derive(Clone, Debug, clap::Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = false,
    disable_help_subcommand = true
)]
pub struct BenchArgs {
    /// What to measure.
    #[command(subcommand)]
    pub what: BenchCommand,
}

/// What `cairn bench` measures.
#[derive(Clone, Debug, Subcommand)]
pub enum BenchCommand {
    /// Let many pods claim at once, below a scratch prefix that is removed afterwards
    Herd(HerdArgs),
}

/// The flags of `cairn bench herd`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Counts these writes: grants and revocations of leases, and transactions that may write. \
        Reads and changes nothing of an installation in the same etcd, but adds load to it while it runs."
)]
pub struct HerdArgs {
    /// The etcd to measure.
    #[command(flatten)]
    pub etcd: EtcdArgs,
    /// How many pods
    #[arg(long, env = "CAIRN_BENCH_PODS", value_name = "N", default_value = "100", value_parser = pods)]
    pub pods: usize,
    /// How many names; with fewer than pods, each pod hands its name on at once [default: one each]
    #[arg(long, env = "CAIRN_BENCH_POOL_SIZE", value_name = "M", value_parser = pool_size)]
    pub pool_size: Option<usize>,
}

/// The arguments of `cairn completion`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "bash: source <(cairn completion bash)\nzsh:  cairn completion zsh > \"${fpath[1]}/_cairn\"\n\
        fish: cairn completion fish > ~/.config/fish/completions/cairn.fish"
)]
pub struct CompletionArgs {
    /// bash, zsh or fish
    #[arg(value_name = "SHELL", value_parser = shell)]
    pub shell: Shell,
}

fn shell(name: &str) -> Result<Shell, String> {
    match name {
        "bash" => Ok(Shell::Bash),
        "zsh" => Ok(Shell::Zsh),
        "fish" => Ok(Shell::Fish),
        _ => Err(format!("'{name}' is not known; use bash, zsh or fish")),
    }
}

/// More pods would measure the memory of this machine and not etcd.
const MOST_PODS: usize = 5000;

fn pods(text: &str) -> Result<usize, String> {
    number(text, MOST_PODS)
}

fn pool_size(text: &str) -> Result<usize, String> {
    number(text, MAX_NAMES)
}

fn number(text: &str, most: usize) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| format!("'{text}' is not valid; give a number from 1 to {most}"))
}

#[cfg(test)]
mod tests {
    use cairn_kit::usage;
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn no_flag_reads_a_variable_that_an_app_gets() {
        assert_eq!(usage::flags_of_app_variables(Args::command()), Vec::<String>::new());
    }
}
