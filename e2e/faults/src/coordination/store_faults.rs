//! What happens to etcd beneath the groups: faults of its members, and data that are lost or go back.

use std::sync::Arc;
use std::time::Duration;

use cairn_core::coordination::path::HOLD;
use cairn_core::keys;
use cairn_store::etcd::Etcd;
use cairn_store::{Compare, Error, Guarded, Kv as _, Store};
use tokio::time::sleep;

use crate::boottime::{self, Nanos};
use crate::cluster::{Cluster, MEMBERS};
use crate::failure::Failure;
use crate::net::Link;
use crate::wait::until;

/// How long the new epoch may take.
const ADMINISTERING: Duration = Duration::from_secs(30);

/// A fault of one member of etcd, or of the network to all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreFault {
    /// kill -9 of the leader.
    KillLeader,
    /// SIGSTOP of the leader: when it goes on it may end leases that others have renewed.
    FreezeLeader,
    /// The leader is cut off from the other members.
    CutLeader,
    /// kill -9 of a member.
    Kill(usize),
    /// Clients are cut off from a member.
    CutClients(usize),
    /// Clients are cut off from every member.
    CutAllClients,
}

/// When, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct PlannedFault {
    /// When it begins.
    pub at: Duration,
    /// How long it lasts.
    pub lasts: Duration,
    /// What.
    pub fault: StoreFault,
}

/// What happens to the data of etcd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upheaval {
    /// They are saved, for a later restore.
    Save,
    /// They go back to what was saved.
    Restore,
    /// They are lost.
    Wipe,
}

/// Carries the faults out, one after the other.
pub async fn carry_out(cluster: &mut Cluster, plan: &[PlannedFault]) -> Result<(), Failure> {
    let began = boottime::now();
    for planned in plan {
        sleep(left(began, planned.at)).await;
        let member = match planned.fault {
            StoreFault::Kill(member) | StoreFault::CutClients(member) => member,
            _ => cluster.leader().await.unwrap_or(0),
        };
        match planned.fault {
            StoreFault::KillLeader | StoreFault::Kill(_) => cluster.kill(member),
            StoreFault::FreezeLeader => cluster.freeze(member),
            StoreFault::CutLeader => cluster.link(member, Link::Peers, false)?,
            StoreFault::CutClients(_) => cluster.link(member, Link::Clients, false)?,
            StoreFault::CutAllClients => {
                (0..MEMBERS).try_for_each(|member| cluster.link(member, Link::Clients, false))?;
            }
        }
        sleep(planned.lasts).await;
        match planned.fault {
            StoreFault::KillLeader | StoreFault::Kill(_) => cluster.restart(member)?,
            StoreFault::FreezeLeader => cluster.thaw(member),
            StoreFault::CutLeader => cluster.link(member, Link::Peers, true)?,
            StoreFault::CutClients(_) => cluster.link(member, Link::Clients, true)?,
            StoreFault::CutAllClients => {
                (0..MEMBERS).try_for_each(|member| cluster.link(member, Link::Clients, true))?;
            }
        }
    }
    Ok(())
}

/// Moves the epoch and holds all owners for a while, as `cairn admin restored` does. The product's hold is that of the
/// longest validity that there is; this one is that of the groups.
pub async fn move_epoch(root: &Arc<Etcd>, hold: Option<Duration>) -> Result<(), Failure> {
    until("the epoch to move", ADMINISTERING, async || {
        try_move(root, hold).await.map_err(|error| error.report())
    })
    .await
}

async fn try_move(root: &Arc<Etcd>, hold: Option<Duration>) -> Result<(), Error> {
    let found = root.get(keys::EPOCH).await?;
    let before = found.as_ref().and_then(|found| String::from_utf8(found.value.clone()).ok());
    let before = before.and_then(|text| text.parse::<i64>().ok()).unwrap_or_default();
    let epoch = boottime::unix_seconds().max(before + 1);
    let revision = found.map_or(0, |found| found.mod_revision);
    let compares = vec![Compare::modified(keys::EPOCH, revision)];
    let mut txn = Guarded { compares, ..Guarded::default() };
    if let Some(hold) = hold {
        let seconds = hold.as_secs() + 1;
        txn.then.put(HOLD, format!("{{\"seconds\":{seconds}}}"), 0);
    }
    txn.then.put(keys::EPOCH, epoch.to_string(), 0);
    root.commit(txn).await?;
    Store::new(Arc::clone(root)).start_freezes().await
}

fn left(began: Nanos, at: Duration) -> Duration {
    at.saturating_sub(boottime::between(began, boottime::now()))
}
