//! The metrics of a sidecar. The driver counts renewals; states and deadlines are read at each scrape.
//!
//! The number of label values is bounded: pools, states, and names of a bounded pool.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use cairn_core::claim::ClaimState;
use cairn_kit::clock::Clock;
use cairn_kit::metrics::{register, render};
use cairn_kit::serve;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::api::guard::Guard;
use crate::app_probes::metrics::AppProbeMetrics;
use crate::applied::Applied;
use crate::coordination::Coordination;
use crate::coordination::metrics::Gauges;

/// From one round trip to the wait during a long rollout, in seconds.
const WAIT_BUCKETS: [f64; 9] = [0.005, 0.02, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0];

/// A renewal takes two round trips to etcd. The largest request timeout is that of the longest validity.
const RENEWAL_BUCKETS: [f64; 12] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// A renewal is due after a third of the validity, 30 s by default, so the slack of a healthy one is about 20 s.
const SLACK_BUCKETS: [f64; 10] = [0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0];

const STATES: [ClaimState; 4] =
    [ClaimState::Waiting, ClaimState::Held, ClaimState::Degraded, ClaimState::Lost];

type Seconds = Gauge<f64, AtomicU64>;

/// The counters of the driver.
#[derive(Clone, Debug)]
pub struct ClaimMetrics {
    renewals: Counter,
    renewal_failures: Counter,
    renewal: Histogram,
    slack: Histogram,
    wait: Histogram,
}

/// All metrics of the process.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    claims: ClaimGauges,
    probes: AppProbeMetrics,
    connections: serve::Metrics,
    api_guard: Guard,
    group: Option<(Gauges, Coordination)>,
    clock: Arc<dyn Clock>,
}

/// The gauges that are set at each scrape.
#[derive(Clone, Debug, Default)]
struct ClaimGauges {
    state: Family<StateLabels, Gauge>,
    deadline: Family<PoolLabels, Seconds>,
    validity: Family<PoolLabels, Seconds>,
    info: Family<InfoLabels, Gauge>,
    rank: Family<PoolLabels, Gauge>,
    unpublished: Gauge,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StateLabels {
    pool: String,
    state: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PoolLabels {
    pool: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct InfoLabels {
    pool: String,
    group: String,
    name: String,
}

/// Registers all metrics. Returns them and the driver's counters.
pub fn build(clock: Arc<dyn Clock>, coordination: Option<Coordination>) -> (Metrics, ClaimMetrics) {
    let mut registry = Registry::with_prefix("cairn_sidecar");
    let driver = ClaimMetrics::register(&mut registry);
    let claims = ClaimGauges::register(registry.sub_registry_with_prefix("claim"));
    let connections = serve::Metrics::register(&mut registry);
    let probes = AppProbeMetrics::register(&mut registry);
    let api_guard = Guard::register(&mut registry);
    let group = coordination.map(|coordination| {
        coordination.counters().register(&mut registry);
        (Gauges::register(&mut registry), coordination)
    });
    let registry = Arc::new(registry);
    let metrics = Metrics { registry, claims, probes, connections, api_guard, group, clock };
    (metrics, driver)
}

// === impl ClaimMetrics ===

impl ClaimMetrics {
    fn register(registry: &mut Registry) -> Self {
        let wait = Histogram::new(WAIT_BUCKETS);
        registry.register_with_unit(
            "claim_wait",
            "From the start of the sidecar until each claim was first held",
            Unit::Seconds,
            wait.clone(),
        );
        let renewal = Histogram::new(RENEWAL_BUCKETS);
        registry.register_with_unit(
            "renewal",
            "From the sending of a renewal to the answer of etcd",
            Unit::Seconds,
            renewal.clone(),
        );
        let slack = Histogram::new(SLACK_BUCKETS);
        registry.register_with_unit(
            "deadline_slack",
            "How long before the earliest deadline of a claim each renewal was answered",
            Unit::Seconds,
            slack.clone(),
        );
        Self {
            renewal,
            slack,
            renewals: register(registry, "renewals", "Renewals that etcd answered well"),
            renewal_failures: register(
                registry,
                "renewal_failures",
                "Renewals that failed or were not answered in time",
            ),
            wait,
        }
    }

    /// Counts a renewal, which took this time. `slack`: how long the claims would still have been believed without it.
    pub fn renewed(&self, took: Duration, slack: Option<Duration>) {
        self.renewals.inc();
        self.renewal.observe(took.as_secs_f64());
        if let Some(slack) = slack {
            self.slack.observe(slack.as_secs_f64());
        }
    }

    /// Counts a failed renewal.
    pub fn renewal_failed(&self) {
        self.renewal_failures.inc();
    }

    /// Records the time from the start until a claim was first held.
    pub fn claimed_after(&self, wait: Duration) {
        self.wait.observe(wait.as_secs_f64());
    }
}

// === impl Metrics ===

impl Metrics {
    /// The counters of the apps' own probes.
    pub fn app_probes(&self) -> AppProbeMetrics {
        self.probes.clone()
    }

    /// The counters of the servers.
    pub fn connections(&self) -> &serve::Metrics {
        &self.connections
    }

    /// The guard of the claims API, which counts what it refuses.
    pub fn api_guard(&self) -> Guard {
        self.api_guard.clone()
    }

    /// The text of a scrape.
    pub fn render(&self, applied: &Applied) -> String {
        self.claims.read_off(applied, self.clock.as_ref());
        if let Some((gauges, coordination)) = &self.group {
            gauges.read_off(&coordination.shown());
        }
        render(&self.registry)
    }
}

// === impl ClaimGauges ===

impl ClaimGauges {
    fn register(registry: &mut Registry) -> Self {
        let deadline = Family::default();
        registry.register_with_unit(
            "deadline",
            "Until the claim may not be believed any more, unless renewed",
            Unit::Seconds,
            deadline.clone(),
        );
        let validity = Family::default();
        registry.register_with_unit(
            "validity",
            "How long a renewal of the claim is worth",
            Unit::Seconds,
            validity.clone(),
        );
        Self {
            validity,
            state: register(registry, "state", "1 for the state that each claim is in"),
            deadline,
            info: register(registry, "info", "The name that each claim gave, always 1"),
            rank: register(
                registry,
                "rank",
                "How many pods wait before this one, while the claim waits in the queue",
            ),
            unpublished: register(registry, "unpublished", "1 while files could not be written"),
        }
    }

    fn read_off(&self, applied: &Applied, clock: &dyn Clock) {
        let now = clock.now().boot;
        self.info.clear();
        self.deadline.clear();
        self.validity.clear();
        self.rank.clear();
        for claim in &applied.snapshot.claims {
            let identity = &claim.status.identity;
            let pool = identity.pool.to_string();
            for state in STATES {
                let labels = StateLabels { pool: pool.clone(), state: state.as_str() };
                let gauge = self.state.get_or_create_owned(&labels);
                gauge.set(i64::from(state == identity.state));
            }
            if let Some(rank) = identity.rank {
                let labels = PoolLabels { pool: pool.clone() };
                self.rank.get_or_create_owned(&labels).set(i64::try_from(rank).unwrap_or(i64::MAX));
            }
            let Some(slot) = &identity.slot else {
                continue;
            };
            let until = slot.valid_until_boottime;
            let left = until.since(now).as_secs_f64() - now.since(until).as_secs_f64();
            let labels = PoolLabels { pool: pool.clone() };
            self.deadline.get_or_create_owned(&labels).set(left);
            if let Some(mark) = &claim.status.mark {
                let validity = Duration::from_millis(mark.validity_ms).as_secs_f64();
                self.validity.get_or_create_owned(&labels).set(validity);
            }
            let labels =
                InfoLabels { pool, group: identity.group.clone(), name: slot.name.clone() };
            self.info.get_or_create_owned(&labels).set(1);
        }
        self.unpublished.set(i64::from(applied.write_error.is_some()));
    }
}
