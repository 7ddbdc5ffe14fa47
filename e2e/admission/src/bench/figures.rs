//! What the benchmark measures, and at which rates.

use super::alone::Alone;
use super::driver::{Created, Rate};
use super::whole::Whole;
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
    /// The creation of a pod by an API server that calls the handler.
    pub created: Created,
    /// The handler's time while an API server called it.
    pub called: Times,
    /// Resident memory of the server's process afterwards, KiB.
    pub resident: u64,
}

/// All figures.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Without a server.
    pub alone: Vec<Alone>,
    /// With one.
    pub runs: Vec<Run>,
    /// The creation of the same pods without a webhook.
    pub without: Vec<(Size, Rate, Created)>,
    /// The same with all of Cairn.
    pub whole: Vec<Whole>,
}
