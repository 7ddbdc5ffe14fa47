//! The pools of a history. Their times are short, so that names change holders often. They have fewer names than
//! pods, so that some pods always wait.

use std::collections::BTreeSet;
use std::time::Duration;

use cairn_core::keys::ClaimPath;
use cairn_core::names::{Names, NamesSpec, Range};
use cairn_core::pool::{ClockRule, OnLoss, Pool, PoolError, PoolSpec, Scope};

/// The namespace of every pod.
pub const NAMESPACE: &str = "faults";
/// The groups; pods are assigned to them in turn.
pub const GROUPS: [&str; 2] = ["checkout", "search"];
/// The pool of numbers: scope Cluster, `onLoss: Stop`.
pub const NODES: &str = "nodes";
/// The pool of names: scope Namespace, `onLoss: Keep`.
pub const PEAKS: &str = "peaks";

/// The pools and their paths.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Both pools.
    pub pools: Vec<Pool>,
}

// === impl Layout ===

impl Layout {
    /// The same pools, but those of numbers reserve time, and their pods mint IDs.
    #[must_use]
    pub fn reserving(mut self) -> Self {
        for pool in &mut self.pools {
            if matches!(pool.names, Names::Range(_)) {
                pool.spec.clock = ClockRule::Reserve;
            }
        }
        self
    }

    /// A pool of `numbers` numbers, and one of `names` names for each group.
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

    /// The pools after so many edits. Each edit changes the spec, and with it the version that claims compare, but
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

    /// All paths.
    pub fn paths(&self) -> BTreeSet<ClaimPath> {
        let path = |pool: &Pool, group: &str| {
            ClaimPath::new(pool.name.clone(), pool.spec.scope, NAMESPACE, group.parse().ok())
        };
        self.pools.iter().flat_map(|pool| GROUPS.map(|group| path(pool, group))).collect()
    }

    /// The path of a pool and group, as the common prefix of its keys, with the pool.
    pub fn path_of(&self, pool: &str, group: &str) -> Option<(String, &Pool)> {
        let pool = self.pool(pool)?;
        let path =
            ClaimPath::new(pool.name.clone(), pool.spec.scope, NAMESPACE, group.parse().ok());
        Some((path.to_string(), pool))
    }

    /// All paths, as the common prefixes of their keys, each with its pool.
    pub fn pools_by_path(&self) -> Vec<(String, &Pool)> {
        let mut paths: Vec<(String, &Pool)> = Vec::new();
        for pool in &self.pools {
            for group in GROUPS {
                if let Some(path) = self.path_of(pool.name.as_str(), group)
                    && paths.iter().all(|(known, _)| *known != path.0)
                {
                    paths.push(path);
                }
            }
        }
        paths
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
