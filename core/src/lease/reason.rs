//! Reasons that users read and several files give: why a claim waits, is degraded or is lost.
//!
//! Not for: deciding anything.

use std::time::Duration;

use super::view::PoolView;
use crate::duration;
use crate::pool::{Pool, PoolName};
use crate::time::UnixMillis;

/// Nothing was read yet.
pub(super) const READING: &str = "reading the pool from etcd";

/// A name that an earlier process had is claimed again.
pub(super) const RESTARTED: &str = "found again after a restart; asking etcd to confirm it";

/// Another process of this pod was faster.
pub(super) const TAKEN_OVER: &str = "taken over by another sidecar of this pod";

/// An attempt of an earlier process has landed late, on a lease that is not renewed.
pub(super) const LATE_ATTEMPT: &str = "an earlier attempt of this pod is running out";

/// The name of an earlier pool was lost. Pools are claimed in byte order, so that two pods never wait for each
/// other.
pub(super) const YIELDED: &str =
    "released: an earlier pool's name was lost, so this pool is claimed again after it";

/// The app has promised a heartbeat and does not call.
pub(super) const SILENT: &str =
    "released: the app does not call POST /v1/heartbeat; claimed again once it is back";

/// The deadline has passed, and nothing is known to be wrong.
pub(super) const UNCONFIRMED: &str = "etcd has not confirmed the claim since its deadline";

pub(super) fn lost(why: &str) -> String {
    format!("the claim was lost: {why}")
}

pub(super) fn given_away(key: &str) -> String {
    format!("'{key}' was given to another pod")
}

pub(super) fn younger_waits(pool: &PoolName) -> String {
    format!("a younger sidecar of this pod waits for a name of pool '{pool}'")
}

pub(super) fn frozen(pool: &PoolName) -> String {
    format!("pool '{pool}' grants nothing for a while, because its store was wiped or restored")
}

/// Adds when a freeze ends and, if wanted, how it is avoided without Kubernetes.
pub(super) fn with_freeze_end(
    reason: &str,
    view: &PoolView,
    now: UnixMillis,
    names_new_store: bool,
) -> String {
    let end = view.frozen_for.map_or_else(String::new, |left| {
        let left = Duration::from_secs(left.as_secs());
        format!("; this ends in {}, at {}", duration::print(left), now.after(left))
    });
    let advice = if names_new_store {
        "; on an etcd that Cairn has never used, start with --new-store instead"
    } else {
        ""
    };
    format!("{reason}{end}{advice}")
}

pub(super) fn closed(pool: &PoolName) -> String {
    format!(
        "pool '{pool}' grants nothing new, because its Pool object is being deleted or must not be used; see \
         kubectl describe pool {pool}"
    )
}

pub(super) fn full(pool: &Pool) -> String {
    match pool.names.len() {
        1 => format!("the only name of pool '{}' is in use", pool.name),
        many => format!("all {many} names of pool '{}' are in use", pool.name),
    }
}

pub(super) fn exhausted(pool: &Pool) -> String {
    format!("{} and its onExhausted is Fail; add names or remove pods", full(pool))
}

pub(super) fn reserved_ahead(pool: &PoolName) -> String {
    format!("the free names of pool '{pool}' go to pods ahead")
}

pub(super) fn joined(pool: &PoolName, rank: usize) -> String {
    format!("in the queue of pool '{pool}'; {}", queue_position(rank))
}

pub(super) fn queue_position(rank: usize) -> String {
    match rank {
        0 => "waiting with rank 0: this pod is next".to_owned(),
        1 => "waiting with rank 1: one pod is ahead".to_owned(),
        _ => format!("waiting with rank {rank}: {rank} pods are ahead"),
    }
}

pub(super) fn lease_too_short(pool: &PoolName) -> String {
    format!(
        "pool '{pool}' now needs a longer lease than this pod has; delete the pod to start anew"
    )
}

pub(super) fn not_defined(pool: &PoolName) -> String {
    format!("pool '{pool}' is not in etcd yet; it is written by cairn-webhook, see its log")
}

pub(super) fn unusable(pool: &PoolName, error: &impl std::fmt::Display) -> String {
    format!("pool '{pool}' in etcd is not usable: {error}")
}

pub(super) fn clock_behind(pool: &PoolName, now: UnixMillis) -> String {
    format!(
        "this node's clock reads {now}, with which no time may be reserved in pool '{pool}'; set the clock"
    )
}

pub(super) fn clock_ahead(pool: &PoolName, now: UnixMillis) -> String {
    format!(
        "this node's clock reads {now}, a day or more after the time of every holder of pool '{pool}'; \
         set the clock"
    )
}

pub(super) fn reserving(key: &str) -> String {
    format!("reserving time for '{key}' in etcd")
}

pub(super) fn emitted_by_earlier(
    pool: &PoolName,
    key: &str,
    begins: UnixMillis,
    now: UnixMillis,
) -> String {
    format!(
        "an earlier holder of '{key}' may have emitted timestamps until {begins}, and this node's clock reads \
         {now}; if that holder's clock was wrong, take the name away with `cairn release` and run \
         `cairn admin reset-clock {pool} {key}`"
    )
}
