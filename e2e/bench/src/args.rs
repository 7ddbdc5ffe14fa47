//! The arguments of `cairn-bench`.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Measures what claims and coordination cost on a real etcd that it starts itself.
#[derive(Clone, Debug, Parser)]
#[command(name = "cairn-bench", version, disable_help_subcommand = true)]
pub struct Args {
    /// What to measure.
    #[command(subcommand)]
    pub what: What,
}

/// What to measure.
#[derive(Clone, Debug, Subcommand)]
pub enum What {
    /// One pod alone, herds, and an exhausted pool, beside two simpler protocols
    Claims(ClaimsArgs),
    /// What held claims cost while nothing happens
    Steady(SteadyArgs),
    /// What authentication costs: claims and renewals with it beside the same without it
    Isolation,
    /// Members, leader, shards and lookups, beside two simpler protocols
    Coordination(CoordinationArgs),
    /// Ten thousand pods, restarts of etcd and of the pods, and herds on an etcd with half of its CPU; needs root
    Fleet(FleetArgs),
    /// The claims mirror with ten thousand claims, on a real API server
    Mirror(MirrorArgs),
    /// All of claims, and the page and the plot of the documentation
    All {
        /// How to measure claims.
        #[command(flatten)]
        claims: ClaimsArgs,
        /// How to measure held claims.
        #[command(flatten)]
        steady: SteadyArgs,
        /// The folder for benchmarks.md and claims.svg
        #[arg(long, value_name = "DIR")]
        write: Option<PathBuf>,
    },
}

/// How to measure claims.
#[derive(Clone, Debug, clap::Args)]
pub struct ClaimsArgs {
    /// On etcds of how many members
    #[arg(long, value_name = "N[,N...]", value_delimiter = ',', default_value = "1,3")]
    pub members: Vec<usize>,
    /// How many pods at once
    #[arg(
        long,
        value_name = "N[,N...]",
        value_delimiter = ',',
        default_value = "100,300,1000,3000"
    )]
    pub herds: Vec<usize>,
    /// The largest herd that the simpler protocols are tried with: they take quadratic time
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub baselines_up_to: usize,
    /// The time limit of a herd in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    pub limit: u64,
}

/// How to measure held claims.
#[derive(Clone, Debug, clap::Args)]
pub struct SteadyArgs {
    /// How many pods hold a name
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub pods: usize,
    /// For how many seconds to measure
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub seconds: u64,
    /// A cairn-sidecar binary: one process of it is measured too
    #[arg(long, value_name = "FILE")]
    pub sidecar: Option<PathBuf>,
}

/// How to measure many pods.
#[derive(Clone, Debug, clap::Args)]
pub struct FleetArgs {
    /// How many pods on the etcd of three members; 0 leaves that out
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub pods: usize,
    /// How many pods at once on an etcd with the whole and with half of a CPU
    #[arg(long, value_name = "N[,N...]", value_delimiter = ',', default_value = "1000,3000,5000")]
    pub herds: Vec<usize>,
    /// For how many seconds to look at the pods while nothing happens
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub seconds: u64,
    /// The folder for scale-benchmarks.md
    #[arg(long, value_name = "DIR")]
    pub write: Option<PathBuf>,
}

/// How to measure the claims mirror. The defaults are those of the documentation.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct MirrorArgs {
    /// How many pods hold a name
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub claims: usize,
    /// How many of them are created in a second
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub rate: u32,
    /// How many more pods claim at once
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub burst: usize,
    /// From how many pods annotations are removed
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub removed: usize,
    /// The folder for mirror-benchmarks.md
    #[arg(long, value_name = "DIR")]
    pub write: Option<PathBuf>,
}

/// How to measure coordination. The defaults are those of the documentation.
#[derive(Clone, Debug, clap::Args)]
pub struct CoordinationArgs {
    /// Members of the group whose hand-overs are measured
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub members: usize,
    /// Its shards
    #[arg(long, value_name = "N", default_value_t = 640)]
    pub shards: u32,
    /// How often its leader resigns
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub resignations: usize,
    /// How often the leader of each of ten elections of client-go's kind resigns
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub elections: usize,
    /// Pods of the rollout
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub rollout_pods: usize,
    /// Shards of the rollout
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub rollout_shards: u32,
    /// Members of the large group: all in one process, on a thread for each CPU
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub scale_members: usize,
    /// Shards of the large group
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub scale_shards: u32,
    /// For how many seconds to look at the large group while nothing happens
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub seconds: u64,
    /// How many members join the large group, and how many leave it
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub joins: usize,
    /// The most keys for the balance of lookups
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub keys: usize,
    /// Only this part; then no page is written
    #[arg(long, value_name = "PART", conflicts_with = "write")]
    pub only: Option<Part>,
    /// The folder for coordination-benchmarks.md and its plots
    #[arg(long, value_name = "DIR")]
    pub write: Option<PathBuf>,
}

/// A part of the measurement of coordination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// Lookups and plans.
    Lookups,
    /// Hand-overs, and the simpler protocols.
    Handovers,
    /// The rollout.
    Rollout,
    /// The large group.
    Scale,
}
