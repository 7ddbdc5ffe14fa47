//! `cairn admin restored`: tells an etcd that was restored from a snapshot that it is one.
//!
//! What the snapshot shows may have been given away since. So nothing is granted until every holder
//! that it does not know of has stopped believing, and later fences are greater than all earlier ones.

use std::time::Duration;

use cairn_core::duration;
use cairn_core::pool::{Pool, PoolName};
use cairn_store::Store;

use crate::args::RestoredArgs;
use crate::clock;
use crate::entry::{Exit, Report};
use crate::etcd::{self, EtcdError};
use crate::snapshot::Snapshot;

/// Runs the command.
pub async fn restored(args: &RestoredArgs) -> Result<Report, EtcdError> {
    let snapshot = Snapshot::read(&etcd::read(&args.etcd).await?);
    let Some(hold) = snapshot.pools.values().map(|pool| pool.spec.hold()).max() else {
        let sentence = "no pool is defined in this etcd, so there is nothing to hold; an empty etcd \
            gets its epoch by itself";
        return Ok(Report {
            trouble: vec![sentence.to_owned()],
            exit: Exit::Failed,
            ..Report::default()
        });
    };
    let pools: Vec<PoolName> = snapshot.pools.keys().cloned().collect();
    let (connected, _) = etcd::connect(&args.etcd).await?;
    let epoch = Store::new(connected)
        .restored(&pools, clock::now().wall.0 / 1000, hold)
        .await
        .map_err(EtcdError::Unsure)?;
    Ok(Report { text: text(&snapshot, epoch, hold), trouble: snapshot.trouble, exit: Exit::Fine })
}

fn text(snapshot: &Snapshot, epoch: i64, hold: Duration) -> String {
    let names: Vec<&str> = snapshot.pools.values().map(|Pool { name, .. }| name.as_str()).collect();
    format!(
        "The epoch is {epoch} now (before: {}). Nothing is granted from {} for {}; whoever holds a \
         name and still believes in it keeps it.\n",
        snapshot.epoch,
        names.join(", "),
        duration::print(hold)
    )
}
