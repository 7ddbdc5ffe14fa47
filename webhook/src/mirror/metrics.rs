//! The mirror's metrics. Label values are bounded: pools and states.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::Census;
use super::members::Totals;

/// From one round trip to a burst of pods at a slow API server.
const LAG_BUCKETS: [f64; 11] = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 30.0, 120.0];

/// Handles into the registry.
#[derive(Clone, Debug)]
pub struct Metrics {
    patches: Counter,
    failures: Counter,
    limited: Counter,
    lag: Histogram,
    claims: Family<Labels, Gauge>,
    capacity: Family<PoolLabel, Gauge>,
    free: Family<PoolLabel, Gauge>,
    leading: Gauge,
    groups: Gauge,
    members: Family<StateLabel, Gauge>,
    shards: Family<StateLabel, Gauge>,
    leader_changes: Counter,
    removed_groups: Counter,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PoolLabel {
    pool: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    pool: String,
    state: &'static str,
}

// === impl Metrics ===

impl Metrics {
    /// Handles in a sub-registry of the mirror's own.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            patches: Counter::default(),
            failures: Counter::default(),
            limited: Counter::default(),
            lag: Histogram::new(LAG_BUCKETS),
            claims: Family::default(),
            capacity: Family::default(),
            free: Family::default(),
            leading: Gauge::default(),
            groups: Gauge::default(),
            members: Family::default(),
            shards: Family::default(),
            leader_changes: Counter::default(),
            removed_groups: Counter::default(),
        };
        metrics.register_claims(registry);
        metrics.register_groups(registry);
        metrics
    }

    fn register_claims(&self, registry: &mut Registry) {
        let Self { patches, failures, limited, lag, claims, capacity, free, leading, .. } = self;
        registry.register("patches", "Pods whose annotations were written", patches.clone());
        registry.register(
            "patch_failures",
            "Patches that were not answered well",
            failures.clone(),
        );
        registry.register(
            "limited",
            "Writes that were put off because of the limit of requests",
            limited.clone(),
        );
        registry.register_with_unit(
            "lag",
            "From a claim's change in etcd being seen to its being shown on the pod",
            Unit::Seconds,
            lag.clone(),
        );
        registry.register("claims", "Names and pods by pool and state", claims.clone());
        registry.register("capacity", "Names of each pool", capacity.clone());
        registry.register(
            "free",
            "Names of each pool that can be claimed; of the fullest group if each has all names",
            free.clone(),
        );
        registry.register("leading", "Whether this replica writes", leading.clone());
    }

    fn register_groups(&self, registry: &mut Registry) {
        let Self { groups, members, shards, leader_changes, removed_groups, .. } = self;
        registry.register("groups", "Groups that coordinate or have left keys", groups.clone());
        registry.register("members", "Members of all groups by state", members.clone());
        registry.register(
            "shards",
            "Shards of all groups: with an owner, with one that is gone, or without",
            shards.clone(),
        );
        registry.register(
            "leader_changes",
            "Leaderships that got another owner",
            leader_changes.clone(),
        );
        registry.register(
            "removed_groups",
            "Groups without members whose keys were removed",
            removed_groups.clone(),
        );
    }

    pub(super) fn patched(&self, lag: Option<Duration>) {
        self.patches.inc();
        if let Some(lag) = lag {
            self.lag.observe(lag.as_secs_f64());
        }
    }

    pub(super) fn failed(&self) {
        self.failures.inc();
    }

    pub(super) fn limited(&self) {
        self.limited.inc();
    }

    pub(super) fn lead(&self, leads: bool) {
        self.leading.set(i64::from(leads));
    }

    pub(super) fn removed_group(&self) {
        self.removed_groups.inc();
    }

    pub(super) fn coordinate(&self, totals: &Totals, leader_changes: u64) {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.groups.set(number(totals.groups));
        let new = leader_changes.saturating_sub(self.leader_changes.get());
        self.leader_changes.inc_by(new);
        for (state, count) in [
            ("viewer", totals.viewers),
            ("participant", totals.participants),
            ("draining", totals.draining),
        ] {
            self.members.get_or_create(&StateLabel { state }).set(number(count));
        }
        for (state, count) in
            [("owned", totals.owned), ("orphaned", totals.orphaned), ("free", totals.free)]
        {
            self.shards.get_or_create(&StateLabel { state }).set(number(count));
        }
    }

    pub(super) fn count(&self, census: &Census) {
        // Deleted pools must not be exported any more.
        self.claims.clear();
        self.capacity.clear();
        self.free.clear();
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        for (pool, counts) in census {
            let label = PoolLabel { pool: pool.to_string() };
            for (family, count) in [(&self.capacity, counts.capacity), (&self.free, counts.free)] {
                if let Some(count) = count {
                    family.get_or_create(&label).set(number(count));
                }
            }
            let states = [
                ("held", counts.held),
                ("waiting", counts.waiting),
                ("quarantined", counts.quarantined),
            ];
            for (state, count) in states {
                let labels = Labels { pool: pool.to_string(), state };
                self.claims.get_or_create(&labels).set(number(count));
            }
        }
    }
}
