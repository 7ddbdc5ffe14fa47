//! The pools of a history: short-lived, so that many holders follow one another, and too small for
//! all pods, so that some always wait.

use std::collections::BTreeSet;
use std::time::Duration;

use cairn_core::keys::ClaimPath;
use cairn_core::names::{Names, NamesSpec, Range};
use cairn_core::pool::{ClockRule, OnLoss, Pool, PoolError, PoolSpec, Scope};

/// The namespace of every pod.
pub const NAMESPACE: &str = "faults";
/// The groups, in turn.
pub const GROUPS: [&str; 2] = ["checkout", "search"];
/// Numbers: unique everywhere, the app stops on loss.
pub const NODES: &str = "nodes";
/// Names: unique within a group, kept on loss.
pub const PEAKS: &str = "peaks";

/// Which pools there are and how they are laid out in the store.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Both pools.
    pub pools: Vec<Pool>,
}

// === impl Layout ===

impl Layout {
    /// The same pools, but their numbers reserve time and mint IDs.
    #[must_use]
    pub fn reserving(mut self) -> Self {
        for pool in &mut self.pools {
            if matches!(pool.names, Names::Range(_)) {
                pool.spec.clock = ClockRule::Reserve;
            }
        }
        self
    }

    /// So many numbers, and so many names for each group.
    pub fn new(
        numbers: u32,
        names: usize,
        validity: Duration,
        quarantine: Duration,
    ) -> Result<Self, PoolError> {
        let shared = PoolSpec { validity, quarantine, ..PoolSpec::default() };
        let range =
            Range { from: 0, to: numbers.saturating_sub(1), prefix: String::new(), width: 0 };
        let nodes = PoolSpec {
            names: NamesSpec { range: Some(range), ..NamesSpec::default() },
            scope: Scope::Cluster,
            on_loss: OnLoss::Stop,
            ..shared.clone()
        };
        let list = (0..names).map(|index| format!("peak{index}")).collect();
        let peaks =
            PoolSpec { names: NamesSpec { list: Some(list), ..NamesSpec::default() }, ..shared };
        let pools = vec![Pool::new(NODES.parse()?, nodes)?, Pool::new(PEAKS.parse()?, peaks)?];
        Ok(Self { pools })
    }

    /// The pools after so many edits. Each changes the spec, and with it what claims compare, but
    /// neither names nor times.
    pub fn edited(&self, edits: u32) -> Vec<Pool> {
        let edit = |pool: &Pool| {
            let mut pool = pool.clone();
            pool.spec.allowed_namespaces.match_labels =
                (0..edits).map(|edit| (format!("edit{edit}"), String::new())).collect();
            pool
        };
        self.pools.iter().map(edit).collect()
    }

    /// A pool by its name.
    pub fn pool(&self, name: &str) -> Option<&Pool> {
        self.pools.iter().find(|pool| pool.name.as_str() == name)
    }

    /// Where claims live.
    pub fn paths(&self) -> BTreeSet<ClaimPath> {
        let path = |pool: &Pool, group: &str| {
            ClaimPath::new(pool.name.clone(), pool.spec.scope, NAMESPACE, group.parse().ok())
        };
        self.pools.iter().flat_map(|pool| GROUPS.map(|group| path(pool, group))).collect()
    }

    /// Where the claims of a pool and group live, as the prefix of their keys.
    pub fn place_of(&self, pool: &str, group: &str) -> Option<(String, &Pool)> {
        let pool = self.pool(pool)?;
        let path =
            ClaimPath::new(pool.name.clone(), pool.spec.scope, NAMESPACE, group.parse().ok());
        Some((path.to_string(), pool))
    }

    /// Every place with its pool.
    pub fn places(&self) -> Vec<(String, &Pool)> {
        let mut places: Vec<(String, &Pool)> = Vec::new();
        for pool in &self.pools {
            for group in GROUPS {
                if let Some(place) = self.place_of(pool.name.as_str(), group)
                    && places.iter().all(|(known, _)| *known != place.0)
                {
                    places.push(place);
                }
            }
        }
        places
    }

    /// The pools whose apps mint IDs.
    pub fn minting(&self) -> Vec<String> {
        self.pools
            .iter()
            .filter(|pool| pool.spec.clock == ClockRule::Reserve)
            .map(|pool| pool.name.to_string())
            .collect()
    }

    /// The longest S.
    pub fn lease(&self) -> Duration {
        self.pools.iter().map(|pool| pool.spec.lease_ttl()).max().unwrap_or_default()
    }

    /// The shortest V.
    pub fn validity(&self) -> Duration {
        self.pools.iter().map(|pool| pool.spec.validity).min().unwrap_or_default()
    }
}
