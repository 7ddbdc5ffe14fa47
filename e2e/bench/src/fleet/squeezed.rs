//! Herds on an etcd that has a CPU of its own, and on one that has half of it.
//!
//! Each herd has a fresh etcd of one member. The time of a herd includes the opening of its connections.

use std::time::Duration;

use super::roll::Troubles;
use super::{Fleet, FleetError};
use crate::args::FleetArgs;
use crate::claims::count;
use crate::quota::Quota;

/// A whole CPU, and half of it, in thousandths.
const CPUS: [u64; 2] = [1000, 500];

/// A herd is given up after this. With half of the CPU the largest one takes a fraction of it, unless it collapses.
const LIMIT: Duration = Duration::from_mins(4);

/// One herd.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// Thousandths of a CPU that etcd had.
    pub milli_cpus: u64,
    /// Until every pod had a name; `None` when it was given up.
    pub took: Option<Duration>,
    /// How many had a name at the end.
    pub held: usize,
    /// What went wrong.
    pub troubles: Troubles,
    /// Raft writes per pod.
    pub writes: f64,
    /// Requests that etcd got, per pod.
    pub requests: f64,
    /// The CPU time that etcd used, per pod.
    pub cpu: Duration,
}

/// A herd of one size, with the whole and with half of the CPU.
#[derive(Clone, Debug, Default)]
pub struct Squeezed {
    /// How many pods.
    pub pods: usize,
    /// With the whole CPU.
    pub whole: Run,
    /// With half of it.
    pub half: Run,
}

/// Measures herds of these sizes.
pub async fn measure(args: &FleetArgs) -> Result<Vec<Squeezed>, FleetError> {
    let mut measured = Vec::new();
    for pods in &args.herds {
        let [whole, half] = CPUS;
        let (whole, half) = (run(*pods, whole).await?, run(*pods, half).await?);
        measured.push(Squeezed { pods: *pods, whole, half });
    }
    Ok(measured)
}

async fn run(pods: usize, milli_cpus: u64) -> Result<Run, FleetError> {
    let mut fleet = Fleet::start(1, pods).await?;
    let quota = Quota::new(fleet.etcd.processes())?;
    quota.limit(milli_cpus)?;
    let before = fleet.etcd.sample().await?;
    fleet.add(pods);
    let took = match fleet.held(pods, LIMIT).await {
        Ok(took) => Some(took),
        Err(FleetError::Silent { .. }) => None,
        Err(error) => return Err(error),
    };
    let (held, troubles) = (fleet.roll.held(), fleet.roll.troubles());
    // Its answer would be late otherwise.
    drop(quota);
    let after = fleet.etcd.sample().await?;
    let took_text = took.map_or_else(|| "given up".to_owned(), |took| format!("{took:.1?}"));
    let errors = fleet.roll.errors();
    let (requests, cpu) = (after.requests.since(before.requests), after.cpu - before.cpu);
    eprintln!("  {pods} pods, {milli_cpus} m: {took_text}, {held} hold a name, {troubles:?}");
    eprintln!("    {requests:?}, {cpu:.1} s of CPU{errors}");
    Ok(Run {
        milli_cpus,
        took,
        held,
        troubles,
        requests: requests.all() / count(pods.max(1)),
        writes: (after.entries - before.entries) / count(pods.max(1)),
        cpu: Duration::from_secs_f64((cpu / count(pods.max(1))).max(0.0)),
    })
}

// === impl Squeezed ===

impl Squeezed {
    /// How many times as long the herd takes with half of the CPU. `None` when a herd was given up.
    pub fn ratio(&self) -> Option<f64> {
        Some(self.half.took?.as_secs_f64() / self.whole.took?.as_secs_f64())
    }
}
