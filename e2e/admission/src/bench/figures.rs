//! What the benchmark measures, and at which rates.

use super::alone::Alone;
use super::cost::Cost;
use super::driver::{Created, Rate};
use super::{Kind, Size, Times};

/// The figures of one handler, one pod and one rate.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Which handler.
    pub kind: Kind,
    /// Which pod.
    pub size: Size,
    /// Pods in each second.
    pub rate: Rate,
    /// From the read body to the written answer.
    pub in_handler: Times,
    /// From the client and back, with TLS.
    pub over_tls: Times,
    /// Resident memory of the server's process afterwards, KiB.
    pub resident: u64,
}

/// The same pod, created by an API server again and again.
#[derive(Clone, Copy, Debug)]
pub struct Creation {
    /// What the API server calls.
    pub with: With,
    /// Which pod.
    pub size: Size,
    /// Pods in each second.
    pub rate: Rate,
    /// Their times.
    pub created: Created,
    /// Where the times went.
    pub cost: Cost,
    /// The handler's time meanwhile, where it can be asked.
    pub in_handler: Option<Times>,
    /// Resident memory of `cairn-webhook` afterwards, KiB.
    pub resident: Option<u64>,
}

/// What an API server calls while it creates a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum With {
    /// Nothing: Cairn is not installed.
    Nothing,
    /// One of the handlers behind the benchmark's server.
    Handler(Kind),
    /// Cairn is installed, and the pod does not ask for it.
    NotAsking,
    /// Cairn is installed without its policies.
    NoPolicies,
    /// Cairn is installed.
    All,
}

/// All figures.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Without a server.
    pub alone: Vec<Alone>,
    /// With one.
    pub runs: Vec<Run>,
    /// Through an API server.
    pub creations: Vec<Creation>,
    /// The small pod at ever higher rates, without Cairn and with it.
    pub climbs: Vec<Creation>,
}

// === impl With ===

impl With {
    /// In tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "no Cairn",
            Self::Handler(Kind::Cairn) => "Cairn's handler",
            Self::Handler(Kind::Typed) => "typed structs",
            Self::NotAsking => "all of Cairn, not asked",
            Self::NoPolicies => "all but the policies",
            Self::All => "all of Cairn",
        }
    }

    /// Whether the pods get a sidecar.
    pub fn injects(self) -> bool {
        !matches!(self, Self::Nothing | Self::NotAsking)
    }
}
