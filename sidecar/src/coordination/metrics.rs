//! The metrics of coordination. The driver counts; sizes are read off at each scrape.

use cairn_core::coordination::session::Status;
use cairn_kit::metrics::register;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Shown;

/// What the driver counts.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// Renewals of the session that etcd has answered.
    pub renewals: Counter,
    /// Renewals that have failed.
    pub renewal_failures: Counter,
    /// Shards and leadership that were handed to another member.
    pub hand_overs: Counter,
    /// Shards and leadership that were claimed or taken over.
    pub takeovers: Counter,
    /// Computations of the plan.
    pub plans: Counter,
}

/// The gauges that are set at each scrape.
#[derive(Clone, Debug, Default)]
pub struct Gauges {
    members: Gauge,
    shards: Gauge,
    stopping: Gauge,
    leads: Gauge,
    lost: Gauge,
}

// === impl Counters ===

impl Counters {
    /// Registers the counters.
    pub fn register(&self, registry: &mut Registry) {
        let own = registry.sub_registry_with_prefix("session");
        let counters = [
            ("renewals", "Renewals of the session that etcd answered well", &self.renewals),
            ("renewal_failures", "Renewals of the session that failed", &self.renewal_failures),
            ("hand_overs", "Shards and leaderships given to other members", &self.hand_overs),
            ("takeovers", "Free or orphaned shards and leaderships taken", &self.takeovers),
            ("plans", "Computations of who should own what", &self.plans),
        ];
        for (name, help, counter) in counters {
            own.register(name, help, counter.clone());
        }
    }
}

// === impl Gauges ===

impl Gauges {
    /// Registers the gauges.
    pub fn register(registry: &mut Registry) -> Self {
        let own = registry.sub_registry_with_prefix("session");
        Self {
            members: register(own, "members", "Members of the group, as this one sees them"),
            shards: register(own, "shards", "Shards that this pod may serve"),
            stopping: register(own, "stopping", "Shards and leaderships that this pod has to stop"),
            leads: register(own, "leads", "1 while this pod may lead"),
            lost: register(own, "lost", "Sessions of this process that were lost"),
        }
    }

    /// Reads the sizes off.
    pub fn read_off(&self, shown: &Shown) {
        let status = shown.told.status.as_deref();
        let size =
            |read: fn(&Status) -> usize| i64::try_from(status.map_or(0, read)).unwrap_or(i64::MAX);
        self.members.set(size(|status| status.picture.members.len()));
        self.shards.set(size(|status| status.shards.len()));
        self.stopping.set(size(|status| status.stopping.len()));
        self.leads.set(size(|status| usize::from(status.leader.own.is_some())));
        self.lost.set(size(|status| usize::try_from(status.lost).unwrap_or(usize::MAX)));
    }
}
