//! What follows from a driver's end: another attempt, or what is left of the files and the exit code.

use std::sync::Arc;
use std::time::Duration;

use cairn_kit::errors::report;
use cairn_kit::exit::Exit;
use cairn_kit::shutdown::Shutdown;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{error, warn};

use super::RETRY_PERIOD;
use crate::claim::{Deps, DriverEnd};
use crate::publish::Publisher;
use crate::snapshot::Snapshot;

/// A pod's sidecar has to be gone a second after its SIGTERM; this leaves time to clean up.
const DRAIN_TIME: Duration = Duration::from_millis(850);

/// Runs the driver, again after a failure in a pod that had no success yet. `None` when it did not
/// end in time.
pub(super) async fn drive<D, F>(
    driver: &D,
    deps: impl Fn() -> Deps,
    snapshots: &watch::Sender<Arc<Snapshot>>,
    in_pod: bool,
    shutdown: &Shutdown,
) -> Option<DriverEnd>
where
    D: Fn(Deps) -> F,
    F: Future<Output = DriverEnd>,
{
    loop {
        let cut_off = async {
            shutdown.draining().await;
            tokio::select! {
                () = sleep(DRAIN_TIME) => {}
                () = shutdown.aborting() => {}
            }
        };
        let outcome = tokio::select! {
            outcome = driver(deps()) => outcome,
            () = cut_off => return None,
        };
        let started = snapshots.borrow().started();
        match outcome {
            DriverEnd::Failed(sentence) if in_pod && !started && !shutdown.is_draining() => {
                error!("{sentence}");
                snapshots.send_modify(|snapshot| {
                    Arc::make_mut(snapshot).failure = Some(sentence);
                });
                // Cut short by a shutdown, for which the driver is asked once more: it may hold
                // something that has to be released.
                let _ = timeout(RETRY_PERIOD, shutdown.draining()).await;
            }
            outcome => return Some(outcome),
        }
    }
}

/// What is left of the files once the driver has ended, and the exit code.
///
/// In a pod the app may run on, and its sidecar with it: names of `Keep` pools stay with the app, and marks
/// stay for the next process, which takes the same names back.
pub(super) async fn settle(
    outcome: Option<DriverEnd>,
    publisher: Option<Publisher>,
    in_pod: bool,
) -> Exit {
    let (exit, given_up) = match outcome {
        Some(DriverEnd::Released) => (Exit::Clean, true),
        Some(DriverEnd::Fenced(sentence)) => {
            error!("{sentence}");
            (Exit::Fenced, true)
        }
        // A restart adopts the claim, and its deadline is in the files.
        Some(DriverEnd::Failed(sentence)) => {
            error!("{sentence}");
            (Exit::Failed, false)
        }
        None => {
            warn!("the claims were not released in time; etcd frees them when their lease ends");
            (Exit::Failed, true)
        }
    };
    if let Some(publisher) = publisher.filter(|_| given_up) {
        let gone = if in_pod { publisher.withdraw().await } else { publisher.clear().await };
        if let Err(error) = gone {
            warn!("{}", report(&error));
        }
    }
    exit
}
