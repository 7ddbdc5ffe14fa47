//! The flags of the claims mirror.

use std::num::NonZeroU32;

/// How the claims mirror writes.
#[derive(Clone, Debug, clap::Args)]
pub struct MirrorArgs {
    /// The Lease of the replica that writes
    #[arg(long, env = "CAIRN_MIRROR_LEASE", value_name = "NAME", default_value = "cairn-mirror")]
    pub mirror_lease: String,
    /// How many pods are written to in a second at most; Events get a quarter of that in addition
    #[arg(
        long,
        env = "CAIRN_MIRROR_REQUESTS_PER_SECOND",
        value_name = "NUMBER",
        default_value = "200",
        value_parser = rate
    )]
    pub mirror_requests_per_second: NonZeroU32,
}

fn rate(text: &str) -> Result<NonZeroU32, String> {
    text.parse().map_err(|_| format!("'{text}' is not a number from 1 on; write it like 200"))
}
