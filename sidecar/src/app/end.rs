//! Handles the end of a driver: another attempt, or the removal of files and the exit code.

use std::sync::Arc;
use std::time::Duration;

use cairn_core::lease::EndReason;
use cairn_kit::errors::report;
use cairn_kit::exit::Exit;
use cairn_kit::shutdown::Shutdown;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{error, warn};

use super::RETRY_PERIOD;
use crate::claim::Deps;
use crate::coordination::publisher::CoordinationPublisher;
use crate::publish::Publisher;
use crate::snapshot::Snapshot;

/// A pod's sidecar has one second after SIGTERM. This leaves time to remove files and close connections.
const DRAIN_TIME: Duration = Duration::from_millis(850);

/// Runs the driver. In a pod without a first success, a failed driver is started again. `None` if the driver did not
/// end in time after the shutdown.
pub(super) async fn drive<D, F>(
    driver: &D,
    deps: impl Fn() -> Deps,
    snapshots: &watch::Sender<Arc<Snapshot>>,
    in_pod: bool,
    shutdown: &Shutdown,
) -> Option<EndReason>
where
    D: Fn(Deps) -> F,
    F: Future<Output = EndReason>,
{
    loop {
        let cut_off = async {
            shutdown.draining().await;
            tokio::select! {
                () = sleep(DRAIN_TIME) => {}
                () = shutdown.aborting() => {}
            }
        };
        let reason = tokio::select! {
            reason = driver(deps()) => reason,
            () = cut_off => return None,
        };
        let started = snapshots.borrow().started();
        match reason {
            EndReason::Failed(message) if in_pod && !started && !shutdown.is_draining() => {
                error!("{message}");
                snapshots.send_modify(|snapshot| {
                    Arc::make_mut(snapshot).failure = Some(message);
                });
                // A shutdown ends the wait early. The driver then runs once more: it may have claims to release.
                let _ = timeout(RETRY_PERIOD, shutdown.draining()).await;
            }
            reason => return Some(reason),
        }
    }
}

/// Removes the files of coordination after the driver has ended. After a failure they stay: the next process resumes
/// the session, and they show its deadline. After SIGTERM in a pod, those that say nothing of rights stay for the app.
pub(super) async fn settle_group(
    reason: Option<&EndReason>,
    publisher: Option<CoordinationPublisher>,
    in_pod: bool,
) {
    let Some(publisher) = publisher else { return };
    match reason {
        Some(EndReason::Failed(_)) => {}
        Some(EndReason::Released) => publisher.end(!in_pod).await,
        Some(EndReason::Fenced(_)) | None => publisher.end(false).await,
    }
}

/// Removes files after the driver has ended and returns the exit code.
///
/// In a pod the app may still run and its sidecar may be restarted: the files of `Keep` pools stay for the app, and
/// the marks stay for the next process, which claims the same names again.
pub(super) async fn settle(
    reason: Option<EndReason>,
    publisher: Option<Publisher>,
    in_pod: bool,
) -> Exit {
    let (exit, removes_files) = match reason {
        Some(EndReason::Released) => (Exit::Clean, true),
        Some(EndReason::Fenced(message)) => {
            error!("{message}");
            (Exit::Fenced, true)
        }
        // The next process adopts the claim; the files show its deadline.
        Some(EndReason::Failed(message)) => {
            error!("{message}");
            (Exit::Failed, false)
        }
        None => {
            warn!("the claims were not released in time; etcd frees them when their lease ends");
            (Exit::Failed, true)
        }
    };
    if let Some(publisher) = publisher.filter(|_| removes_files) {
        let removed = if in_pod { publisher.withdraw().await } else { publisher.clear().await };
        if let Err(error) = removed {
            warn!("{}", report(&error));
        }
    }
    exit
}
