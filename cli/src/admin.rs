//! `cairn admin`: administrative operations on etcd. The rules are in `docs/protocol.md`, "Epochs and freezes" and
//! "Clock reservation".
//!
//! `restored` marks an etcd as restored from a snapshot. The snapshot lacks the claims that were made after it. So
//! every pool is frozen until the deadlines of those claims have passed, and later fences are greater than all earlier
//! ones. The command also accepts the etcd cluster if it has a new ID.
//!
//! `reset-clock` removes the time that a wrong clock has reserved. Not for a node ID that a pod holds.

use std::time::Duration;

use cairn_core::duration;
use cairn_core::keys::ClaimPath;
use cairn_core::pool::{ClockRule, Pool, PoolName, Scope};
use cairn_kit::clock;
use cairn_kit::exit::Exit;
use cairn_store::installation::Installation;

use crate::args::{ResetClockArgs, RestoredArgs};
use crate::etcd::EtcdError;
use crate::reach::Reach;
use crate::report::Report;
use crate::snapshot::Snapshot;

/// Runs `restored`.
///
/// The pools are frozen before the cluster is accepted, so that a sidecar that accepts the cluster finds the freeze.
pub async fn restored(args: &RestoredArgs) -> Result<Report, EtcdError> {
    let etcd = Reach::open(&args.access).await?;
    let snapshot = Snapshot::read(&etcd.read().await?);
    let store = etcd.store();
    let before = store.installation().await?;
    let freeze = snapshot.pools.values().map(|pool| pool.spec.freeze_span()).max();
    if freeze.is_none() && before.is_none() && args.replaces.is_empty() {
        let message = "no pool is defined in this etcd, so there is nothing to hold; an empty etcd \
            gets its epoch by itself (one that replaces another is accepted with --replaces)";
        return Ok(Report::refused(message));
    }
    let mut text = String::new();
    if let Some(freeze) = freeze {
        let pools: Vec<PoolName> = snapshot.pools.keys().cloned().collect();
        let now = clock::now().wall.0 / 1000;
        let epoch = store.restored(&pools, now, freeze).await.map_err(EtcdError::Unsure)?;
        text = frozen(&snapshot, epoch, freeze);
    }
    let record = store.accept_cluster(&args.replaces).await.map_err(EtcdError::Unsure)?;
    if before.as_ref() != Some(&record) && !record.replaced_cluster_ids.is_empty() {
        text.push_str(&accepted(&record));
    }
    Ok(Report { text, errors: snapshot.errors, exit: Exit::Clean })
}

/// Runs `reset-clock`.
pub async fn reset_clock(args: &ResetClockArgs) -> Result<Report, EtcdError> {
    let etcd = Reach::open(&args.access).await?;
    let snapshot = Snapshot::read(&etcd.read().await?);
    let (path, key) = match reserved(args, &snapshot) {
        Ok(found) => found,
        Err(message) => return Ok(Report::refused(message)),
    };
    let removed = etcd.store().reset_clock(&path, &key).await.map_err(EtcdError::Unsure)?;
    let name = &args.name;
    if !removed {
        return Ok(Report::refused(format!(
            "somebody holds '{name}', and reserves time as long as it does; see cairn claims"
        )));
    }
    let text = format!(
        "The next holder of '{name}' begins at its own clock's time, whatever was reserved.\n"
    );
    Ok(Report { text, ..Report::default() })
}

/// The path and the key of the reservation.
fn reserved(args: &ResetClockArgs, snapshot: &Snapshot) -> Result<(ClaimPath, String), String> {
    let ResetClockArgs { pool: wanted, name, .. } = args;
    let Some(pool) = snapshot.pools.values().find(|pool| pool.name.as_str() == wanted) else {
        return Err(format!("pool '{wanted}' does not exist; see cairn pools"));
    };
    if pool.spec.clock != ClockRule::Reserve {
        return Err(format!("no time is reserved in pool '{wanted}': its clock is None"));
    }
    let shown = |index: &usize| pool.names.shown(*index).is_some_and(|shown| shown == *name);
    let index = (0..pool.names.len()).find(shown);
    let Some(key) = index.and_then(|index| pool.names.key(index)) else {
        return Err(format!("'{name}' is no name of pool '{wanted}'"));
    };
    let namespace = match (pool.spec.scope, &args.namespace) {
        (Scope::Namespace, None) => {
            return Err(format!(
                "names of pool '{wanted}' are unique within namespaces; add --namespace"
            ));
        }
        (_, namespace) => namespace.clone().unwrap_or_default(),
    };
    let path = ClaimPath::new(pool.name.clone(), pool.spec.scope, &namespace, args.group.clone());
    Ok((path, key.into_owned()))
}

fn accepted(record: &Installation) -> String {
    let replaced: Vec<String> =
        record.replaced_cluster_ids.iter().map(ToString::to_string).collect();
    format!(
        "Sidecars and webhook believe etcd cluster {} from now on, in place of {}.\n",
        record.etcd_cluster_id,
        replaced.join(" and ")
    )
}

fn frozen(snapshot: &Snapshot, epoch: i64, freeze: Duration) -> String {
    let names: Vec<&str> = snapshot.pools.values().map(|Pool { name, .. }| name.as_str()).collect();
    format!(
        "The epoch is {epoch} now (before: {}). Nothing is granted from {} for {}; whoever holds a \
         name and still believes in it keeps it.\n",
        snapshot.epoch,
        names.join(", "),
        duration::print(freeze)
    )
}
