//! Drives claims and coordination of one pod on one connection to etcd.
//!
//! Both run until the shutdown, and each ends for reasons of its own. The process ends with the claims; without claims,
//! with the session. A session that is over while claims are held ends nothing: the group is told so, and the claims
//! go on.

use std::future;
use std::sync::Arc;
use std::time::Duration;

use away::Back;
use cairn_core::coordination::path::GroupPath;
use cairn_core::coordination::session::EndReason as SessionEnd;
use cairn_core::lease::EndReason;
use cairn_store::{Kv, Store};
use tokio::time::timeout;
use tracing::{error, info};

use crate::claim::driver::Driver as ClaimDriver;
use crate::claim::{Deps, freezes};
use crate::coordination::Link;
use crate::etcd_access;
use crate::session::{Driver as SessionDriver, Ended};

mod away;

/// At the shutdown the claims wait this long for the session to leave, and the session for the claims.
const BOTH: Duration = Duration::from_millis(700);

/// Claims and coordinates until the shutdown.
pub async fn run(deps: Deps) -> EndReason {
    let etcd = match etcd_access::open(&deps.config, &deps.holder.uid).await {
        Ok(etcd) => etcd,
        Err(error) => return EndReason::Failed(error),
    };
    let keeping = etcd_access::keep(&deps.config, &etcd, Arc::clone(&deps.clock));
    let freezing = freezes::maintain(&deps.config, Store::new(Arc::clone(&etcd)));
    // These run as long as the drivers.
    let beside = async {
        tokio::join!(keeping, freezing);
        future::pending::<EndReason>().await
    };
    tokio::select! {
        reason = Box::pin(run_on(&deps, &etcd)) => reason,
        reason = Box::pin(beside) => reason,
    }
}

/// Drives both on a connection that somebody else keeps open.
pub async fn run_on<K: Kv + 'static>(deps: &Deps, kv: &Arc<K>) -> EndReason {
    let claiming = async {
        let store = Store::new(Arc::clone(kv));
        ClaimDriver::new(deps, store).run(deps).await
    };
    let link = match &deps.coordination {
        None => return claiming.await,
        Some(link) => link.clone(),
    };
    let coordinating = coordinate(deps, link, kv);
    if deps.config.pools.is_empty() {
        return coordinating.await;
    }
    let (mut claiming, mut coordinating) = (Box::pin(claiming), Box::pin(coordinating));
    tokio::select! {
        reason = &mut claiming => {
            if deps.shutdown.is_draining() {
                let _ = timeout(BOTH, coordinating).await;
            }
            reason
        }
        ended = &mut coordinating => match ended {
            EndReason::Failed(message) => {
                error!("{message}");
                claiming.await
            }
            EndReason::Released => claiming.await,
            fenced @ EndReason::Fenced(_) => fenced,
        },
    }
}

/// Keeps a session. After one that has left because the app did not call, there is another once the app is back.
async fn coordinate<K: Kv + 'static>(deps: &Deps, link: Link, kv: &Arc<K>) -> EndReason {
    let Some(group) = deps.config.group.clone() else {
        return EndReason::Failed("--coordinate needs --group".to_owned());
    };
    let path = GroupPath { namespace: deps.holder.namespace.clone(), group };
    let mut first = None;
    loop {
        let store = Store::new(Arc::clone(kv));
        let driver = SessionDriver::new(deps, link.clone(), path.clone(), store);
        let driver = driver.beginning_with(first.take());
        let Ended { reason, mut drained, silent } = Box::pin(driver.run(deps)).await;
        if reason == SessionEnd::Left && silent && !drained {
            info!("the app does not call, so this pod has left the group until the app is back");
            match away::wait(&link, &deps.shutdown).await {
                Back::Called(order) => first = Some(order),
                Back::Restarted => {}
                Back::Never => drained = true,
            }
        }
        match reason {
            SessionEnd::Fenced(message) => return EndReason::Fenced(message),
            SessionEnd::Failed(message) => return EndReason::Failed(message),
            SessionEnd::Left if deps.shutdown.is_draining() => return EndReason::Released,
            SessionEnd::Left if !drained => {}
            SessionEnd::Left => {
                info!("this pod has left the group");
                deps.shutdown.draining().await;
                return EndReason::Released;
            }
        }
    }
}
