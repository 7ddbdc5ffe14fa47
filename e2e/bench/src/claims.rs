//! Measures claims: one pod alone, herds by three protocols, and an exhausted pool.

use std::sync::Arc;
use std::time::Duration;

use cairn_core::keys;
use cairn_core::pool::PoolError;
use cairn_herd::CONNECTIONS;
use cairn_herd::figures::{Figures, percentile};
use cairn_herd::herd::{BenchEnv, Herd};
use cairn_herd::hold_mode::HoldMode;
use cairn_store::etcd::{Etcd, Tls};
use cairn_store::{Batch, Error, Kv};
use thiserror::Error;

use crate::args::ClaimsArgs;
use crate::baseline::Baseline;
use crate::history::History;
use crate::members::{Members, MembersError};

/// How many claims of one pod alone are measured: enough for a 99th percentile.
const ALONE: usize = 200;

/// How often a herd of Cairn is repeated: it takes a second, and other work of the machine may distort that. Herds of
/// the other protocols take minutes.
const REPEATS: usize = 5;

/// Pods and names of the exhausted pool: three pods for each name.
const HANDED_ON: (usize, usize) = (300, 100);

/// The quarantines of the exhausted pool: none, to measure the protocol alone, and that of a pool of names after a
/// clean release.
const RESTS: [Duration; 2] = [Duration::ZERO, Duration::from_secs(5)];

/// Which protocol a herd follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Cairn's protocol.
    Cairn,
    /// A simpler protocol, for comparison.
    Baseline(Baseline),
}

/// Repeated claims of one pod alone.
#[derive(Clone, Debug)]
pub struct Alone {
    /// The number of etcd members.
    pub members: usize,
    /// The number of claims.
    pub claims: usize,
    /// The median time of a claim.
    pub p50: Duration,
    /// The 99th percentile of the time of a claim.
    pub p99: Duration,
    /// The largest number of round trips of a claim.
    pub rounds: usize,
    /// Raft entries per claim.
    pub writes: f64,
}

/// One run of a herd.
#[derive(Clone, Debug)]
pub struct Run {
    /// The number of etcd members.
    pub members: usize,
    /// The protocol of the herd.
    pub protocol: Protocol,
    /// The size of the herd and of its pool.
    pub herd: Herd,
    /// The figures of the run.
    pub figures: Figures,
    /// Whether every pod had a name before the time limit.
    pub finished: bool,
    /// The time until the last name was granted; the time limit when the run did not finish.
    pub elapsed: Duration,
    /// Raft entries per granted name.
    pub writes: f64,
    /// How many names went to a pod that overtook another, from etcd's history. `None` for protocols without a queue.
    pub overtaken: Option<usize>,
}

/// All measurements of claims.
#[derive(Clone, Debug, Default)]
pub struct Claims {
    /// One pod alone.
    pub alone: Vec<Alone>,
    /// Herds with a name for each pod.
    pub herds: Vec<Run>,
    /// Herds with fewer names than pods.
    pub handed_on: Vec<Run>,
}

/// Why claims could not be measured.
#[derive(Debug, Error)]
pub enum MeasureError {
    /// etcd could not be started.
    #[error("there is no etcd to measure")]
    Members(#[from] MembersError),
    /// A request outside of the herds failed.
    #[error("could not prepare or remove a herd")]
    Store(#[from] Error),
    /// More pods than a pool can have names.
    #[error("the herd is too large")]
    Pool(#[from] PoolError),
}

/// A running etcd and the connections to it.
#[derive(Debug)]
pub struct Site {
    /// The members.
    pub members: Members,
    connections: Vec<Arc<Etcd>>,
}

/// Measures claims, on one etcd after the other.
pub async fn measure(args: &ClaimsArgs) -> Result<Claims, MeasureError> {
    let limit = Duration::from_secs(args.limit);
    let mut claims = Claims::default();
    for count in &args.members {
        let site = Site::new(*count, CONNECTIONS).await?;
        eprintln!("etcd of {count}: one pod alone");
        claims.alone.push(site.alone().await?);
        for pods in &args.herds {
            // The keys of one herd slow the next one down. So each size has an etcd of its own, and the protocols that
            // write much run last.
            let site = Site::new(*count, CONNECTIONS).await?;
            let simple = [Baseline::OneByOne, Baseline::LowestFree].map(Protocol::Baseline);
            let simple = simple.into_iter().filter(|_| *pods <= args.baselines_up_to);
            for protocol in std::iter::once(Protocol::Cairn).chain(simple) {
                eprintln!("etcd of {count}: {pods} pods, {}", protocol.name());
                let times = if protocol == Protocol::Cairn { REPEATS } else { 1 };
                let mut runs = Vec::with_capacity(times);
                for _ in 0..times {
                    runs.push(site.run(protocol, Herd::of(*pods), limit).await?);
                }
                claims.herds.extend(typical(runs));
            }
        }
        for rest in RESTS {
            eprintln!("etcd of {count}: an exhausted pool, quarantine {rest:?}");
            let (pods, names) = HANDED_ON;
            let herd = Herd { quarantine: rest, ..Herd::handing_on(pods, names) };
            claims.handed_on.push(site.run(Protocol::Cairn, herd, limit).await?);
        }
    }
    Ok(claims)
}

/// The run of the median time, with the worst value of all other figures.
fn typical(mut runs: Vec<Run>) -> Option<Run> {
    runs.sort_by_key(|run| run.elapsed);
    let mut typical = runs.get(runs.len() / 2)?.clone();
    for run in &runs {
        typical.writes = run.writes.max(typical.writes);
        typical.overtaken = run.overtaken.max(typical.overtaken);
        typical.finished &= run.finished;
        typical.figures.held = run.figures.held.min(typical.figures.held);
        typical.figures.lowest &= run.figures.lowest;
        typical.figures.in_order &= run.figures.in_order;
        typical.figures.failures = run.figures.failures.max(typical.figures.failures);
        typical.figures.most_rounds = run.figures.most_rounds.max(typical.figures.most_rounds);
    }
    Some(typical)
}

// === impl Site ===

impl Site {
    /// Starts etcd and opens connections. They prefer different members, as behind a Service.
    pub async fn new(members: usize, connections: usize) -> Result<Self, MeasureError> {
        Self::of(Members::start(members).await?, None, connections).await
    }

    /// Connections to running members, with a certificate if there is one.
    pub async fn of(
        members: Members,
        tls: Option<Tls>,
        connections: usize,
    ) -> Result<Self, MeasureError> {
        let mut urls = members.urls();
        let mut opened = Vec::with_capacity(connections);
        let timeout = Etcd::DEFAULT_REQUEST_TIMEOUT;
        for _ in 0..connections.max(1) {
            opened.push(Arc::new(Etcd::connect(&urls, tls.as_ref(), timeout).await?));
            urls.rotate_left(1);
        }
        Ok(Self { members, connections: opened })
    }

    /// Prepares a scratch prefix and a pool for a herd.
    pub async fn env(&self, herd: Herd) -> Result<BenchEnv<Arc<Etcd>>, MeasureError> {
        let mut connections = self.connections.iter().cloned();
        let first = connections.next().ok_or(Error::NoEndpoint)?;
        let env = BenchEnv::new(first, connections.collect(), herd)?;
        env.prepare().await?;
        Ok(env)
    }

    /// The connections.
    pub fn connections(&self) -> &[Arc<Etcd>] {
        &self.connections
    }

    async fn alone(&self) -> Result<Alone, MeasureError> {
        let (mut spans, mut rounds, mut entries) = (Vec::new(), 0, 0.0);
        for _ in 0..ALONE {
            let env = self.env(Herd::of(1)).await?;
            let before = self.members.sample().await?;
            let mut claimants = env.start();
            claimants.finish(Etcd::DEFAULT_REQUEST_TIMEOUT).await;
            entries += self.members.sample().await?.entries - before.entries;
            let figures = Figures::of(claimants.results());
            spans.push(figures.wall);
            rounds = figures.most_rounds.max(rounds);
            claimants.stop().await;
            env.scratch().clear().await?;
        }
        spans.sort_unstable();
        Ok(Alone {
            members: self.members.count(),
            claims: ALONE,
            p50: percentile(&spans, 50),
            p99: percentile(&spans, 99),
            rounds,
            writes: entries / count(ALONE),
        })
    }

    /// Runs a herd.
    pub async fn run(
        &self,
        protocol: Protocol,
        herd: Herd,
        limit: Duration,
    ) -> Result<Run, MeasureError> {
        let env = self.env(herd).await?;
        let scratch = env.scratch();
        let mut batch = Batch::default();
        batch.get(keys::EPOCH);
        let epoch = scratch.read(batch).await?;
        let sent = scratch.writes();
        let before = self.members.sample().await?;
        let mut claimants = match protocol {
            Protocol::Cairn => env.start(),
            Protocol::Baseline(baseline) => baseline.start(&env),
        };
        let finished = claimants.finish(limit).await;
        let after = self.members.sample().await?;
        let sent = scratch.writes() - sent;
        let figures = Figures::of(claimants.results());
        claimants.stop().await;
        let entries = after.entries - before.entries;
        eprintln!(
            "  {:.3} s, {} of {} held, {entries} Raft entries, {sent} writes sent, {} failed requests",
            figures.wall.as_secs_f64(),
            figures.held,
            figures.pods,
            figures.failures
        );
        let overtaken = match (protocol, self.connections.first()) {
            (Protocol::Cairn, Some(etcd)) => {
                let history =
                    History::read(etcd, scratch, herd.names, epoch.revision() + 1).await?;
                Some(history.overtaken)
            }
            _ => None,
        };
        scratch.clear().await?;
        let writes = entries / count(figures.held.max(1));
        Ok(Run {
            members: self.members.count(),
            protocol,
            herd,
            elapsed: if finished { figures.wall } else { limit },
            figures,
            finished,
            writes,
            overtaken,
        })
    }
}

// === impl Protocol ===

impl Protocol {
    /// The name in tables and plots.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cairn => "Cairn",
            Self::Baseline(Baseline::OneByOne) => "names one by one",
            Self::Baseline(Baseline::LowestFree) => "list, then lowest free",
        }
    }
}

// === impl Run ===

impl Run {
    /// Whether no pod was overtaken and, when names are kept, the lowest names are held in the order of the tickets.
    pub fn is_fair(&self) -> bool {
        let kept = self.herd.mode == HoldMode::Keep;
        self.overtaken == Some(0) && (!kept || (self.figures.lowest && self.figures.in_order))
    }
}

/// A count as a floating-point number.
pub fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(seconds: u64, writes: f64, overtaken: usize) -> Run {
        let elapsed = Duration::from_secs(seconds);
        Run {
            members: 1,
            protocol: Protocol::Cairn,
            herd: Herd::of(10),
            figures: Figures::of(&[]),
            finished: true,
            elapsed,
            writes,
            overtaken: Some(overtaken),
        }
    }

    #[test]
    fn a_repeated_herd_has_the_median_time_and_the_worst_of_all_other_figures() {
        let typical = typical(vec![run(9, 3.0, 0), run(1, 3.4, 0), run(2, 2.9, 1)]).unwrap();
        assert_eq!(typical.elapsed, Duration::from_secs(2));
        assert_eq!(typical.overtaken, Some(1));
        assert!((typical.writes - 3.4).abs() < f64::EPSILON);
        assert!(!typical.is_fair());
    }

    #[test]
    fn a_run_is_fair_when_no_pod_was_overtaken_and_the_lowest_names_are_held() {
        assert!(run(1, 3.0, 0).is_fair());
        let mut gap = run(1, 3.0, 0);
        gap.figures.lowest = false;
        assert!(!gap.is_fair());
    }
}
