//! The arguments of `cairn-bench`.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Measures what claims cost on a real etcd that it starts itself.
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
    /// All of these, and the page and the plot of the documentation
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
