//! The tasks of the process, which end with it.

use cairn_kit::shutdown::Shutdown;
use tokio::task::JoinSet;
use tracing::{Instrument as _, info_span};

/// Tasks that run until shutdown.
pub(super) struct Tasks {
    pub(super) set: JoinSet<&'static str>,
    pub(super) shutdown: Shutdown,
}

// === impl Tasks ===

impl Tasks {
    /// A task with nothing to finish: it is dropped when the shutdown begins.
    pub(super) fn start(
        &mut self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let shutdown = self.shutdown.clone();
        self.spawn(name, async move {
            // One that has done all it can is not one that failed.
            let forever = async {
                task.await;
                std::future::pending::<()>().await;
            };
            shutdown.cut_short(forever).await;
        });
    }

    /// A task that ends by itself once the shutdown begins.
    pub(super) fn spawn(
        &mut self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let task = async move {
            task.await;
            name
        };
        self.set.spawn(task.instrument(info_span!("task", name)));
    }
}
