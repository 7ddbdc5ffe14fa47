//! Pools that are not in the store: read before a lease is granted, and written where nobody else writes them.

use super::action::{Action, EndReason};
use super::config::Config;
use super::known_pool::KnownPool;
use super::reason;
use crate::pool::{Pool, PoolName};
use crate::time::Now;

/// Writes a pool that ships with Cairn. Without Kubernetes nobody else does. An error is the reason to wait for a pool
/// that somebody else has to write. `known_epoch` is 0 when this process has seen none.
pub(super) fn define(
    config: &Config,
    known_epoch: i64,
    known: &KnownPool,
    now: Now,
) -> Result<Action, String> {
    if let Some(why) = known.unusable() {
        return Err(why.to_owned());
    }
    let name = known.name();
    if !config.define_missing {
        return Err(reason::not_defined(name));
    }
    if let Some(pool) = Pool::builtin(name) {
        // A store without the pool may have been wiped: others may still believe.
        let freeze = (known_epoch > 0 || !config.new_store).then(|| pool.spec.freeze_span());
        let epoch = (now.wall.0 / 1000).max(known_epoch.saturating_add(1));
        return Ok(Action::Define { pool, epoch, freeze });
    }
    let builtin = Pool::builtin_names().iter().map(PoolName::to_string).collect::<Vec<_>>();
    Ok(Action::Finish(EndReason::Failed(format!(
        "pool '{name}' is not defined in etcd and is none of the built-in ones ({})",
        builtin.join(", ")
    ))))
}
