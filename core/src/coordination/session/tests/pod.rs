//! A pod of the simulation: a clock, an app, and the sidecar processes that it has had.

use std::collections::BTreeSet;

use super::fixture::config;
use super::judge::Relied;
use crate::coordination::owner::Ownable;
use crate::coordination::session::{Machine, Status, StopId};
use crate::time::{BootInstant, Now, UnixMillis};

#[derive(Debug)]
pub(super) struct Process {
    pub(super) machine: Machine,
    pub(super) alive: bool,
    /// The next revision that the watch shows, and how often a watch was opened.
    pub(super) watch: Option<i64>,
    pub(super) watches: u64,
    /// Until then the watch shows nothing although it is open.
    pub(super) silent_until: u64,
    /// Until then its requests reach nobody.
    pub(super) cut_until: u64,
    pub(super) status: Option<Status>,
    /// When it is to be woken, in true time.
    pub(super) wake: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Pod {
    pub(super) uid: String,
    /// Parts per million that the clock is fast.
    rate: i64,
    shards: u32,
    pub(super) processes: Vec<Process>,
    /// What the app has confirmed.
    pub(super) confirmed: BTreeSet<StopId>,
    /// Stops that the app has seen.
    pub(super) seen: BTreeSet<StopId>,
    pub(super) deleted: bool,
}

// === impl Pod ===

impl Pod {
    pub(super) fn new(index: usize, rate: i64, shards: u32) -> Self {
        Self {
            uid: format!("pod-{index}"),
            rate,
            shards,
            processes: Vec::new(),
            confirmed: BTreeSet::new(),
            seen: BTreeSet::new(),
            deleted: false,
        }
    }

    /// Starts another process. Earlier ones go on unless they were killed.
    pub(super) fn start(&mut self, seed: u64) -> usize {
        let count = self.processes.len();
        let mut config = config(&self.uid, self.shards);
        config.nonce = format!("{}-{count}", self.uid);
        config.seed = seed;
        self.processes.push(Process {
            machine: Machine::new(config),
            alive: true,
            watch: None,
            watches: 0,
            silent_until: 0,
            cut_until: 0,
            status: None,
            wake: None,
        });
        count
    }

    /// This pod's clocks at a true instant.
    pub(super) fn clock(&self, at: u64) -> Now {
        let nanos = i128::from(at) * i128::from(1_000_000 + self.rate) / 1_000_000;
        let nanos = u64::try_from(nanos).unwrap();
        let wall = UnixMillis(i64::try_from(nanos / 1_000_000).unwrap());
        Now { boot: BootInstant::from_nanos(nanos), wall }
    }

    /// The first true instant at which this pod's clock has reached this one.
    pub(super) fn true_time(&self, instant: BootInstant) -> u64 {
        let rate = i128::from(1_000_000 + self.rate);
        let nanos = (i128::from(instant.as_nanos()) * 1_000_000 + rate - 1) / rate;
        u64::try_from(nanos).unwrap()
    }

    /// What the app relies on: everything that any process of the pod has told it and not withdrawn.
    pub(super) fn relied(&self, at: u64) -> Relied {
        let now = self.clock(at).boot;
        let mut relied = Relied::new();
        for status in self.processes.iter().filter_map(|process| process.status.as_ref()) {
            let epoch = status.session.map_or(0, |session| session.epoch);
            let mut add = |of, fence, until| {
                if now < until {
                    let until = self.true_time(until);
                    let entry = relied.entry(of).or_insert((epoch, fence, until));
                    *entry = (entry.0.max(epoch), entry.1.max(fence), entry.2.max(until));
                }
            };
            for (shard, fence) in &status.shards {
                add(Ownable::Shard(*shard), *fence, status.valid_until);
            }
            if let Some(fence) = status.leader.own {
                add(Ownable::Leader, fence, status.valid_until);
            }
            for stop in &status.stopping {
                if !self.confirmed.contains(&stop.stop) {
                    add(stop.of, stop.owned.fence, stop.valid_until);
                }
            }
        }
        relied
    }
}
